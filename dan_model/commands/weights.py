"""`import` and `push`: checkpoint folders from published files, and to the Hub."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dan_model.commands.terminal import exit_on_error, make_folder
from dan_model.errors import ArgumentError
from dan_model.weights import (
    CHECKPOINT_FILES,
    PRESETS,
    WEIGHTS_FILE,
    hub_endpoint,
    import_published,
    load_checkpoint,
    model_card,
    push_folder,
    write_checkpoint,
)


def import_weights(
    file: Annotated[Path, typer.Argument(help="A checkpoint in the published layout: .pth, .bin or .safetensors.")],
    out: Annotated[Path, typer.Option(help="Folder for config.json, model.safetensors and the model card.")],
    preset: Annotated[str | None, typer.Option(help=f"Training set: {', '.join(PRESETS)}.")] = None,
    labels: Annotated[str | None, typer.Option(help="Class names in index order, a,b,c; instead of a preset.")] = None,
    grayscale: Annotated[bool, typer.Option(help="Trained on grey faces.")] = False,
    detail_size: Annotated[int | None, typer.Option(help="Side of the training images in pixels.")] = None,
    margin: Annotated[float | None, typer.Option(help="Part of the face box added on each side.")] = None,
    licence: Annotated[str, typer.Option("--license", help="Identifier of the licence on the Hub.")] = "other",
) -> None:
    """Turn a published checkpoint into a folder that every part of this package, and the Hub, can load."""
    with exit_on_error():
        if not file.is_file():
            raise ArgumentError(f"{file} is no file.", "Give a checkpoint in the published layout.")
        if (out / WEIGHTS_FILE).exists():
            raise ArgumentError(f"{out} holds weights already.", "Give another folder: nothing is overwritten.")
        given = {"detail_size": detail_size, "margin": margin, "grayscale": grayscale or None}
        changes = {key: value for key, value in given.items() if value is not None}
        model = import_published(file, preset, labels.split(",") if labels else None, changes)
        make_folder(out)
        write_checkpoint(model, out, model_card(model.config, out.resolve().name, licence))
    typer.echo(f"{out}: {len(model.config.labels)} classes, {model.config.num_heads} heads. Complete its README.md.")


def push(
    folder: Annotated[Path, typer.Argument(help="A checkpoint folder.")],
    repo: Annotated[str, typer.Argument(help="The repository: user/name. Made if it does not exist.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Publish a checkpoint folder on the Hugging Face Hub. Lists what will be sent, and asks first."""
    with exit_on_error():
        if not folder.is_dir():
            raise ArgumentError(f"{folder} is no folder.", "Give a checkpoint folder, as `import` writes it.")
        load_checkpoint(folder)  # what cannot be loaded is not published
        names = [name for name in CHECKPOINT_FILES if (folder / name).is_file()]
        typer.echo(f"To {repo} on {hub_endpoint()}:")
        for name in names:
            typer.echo(f"  {name}  {(folder / name).stat().st_size:,} bytes")
        if not yes and not typer.confirm("Publish these files?"):
            typer.echo("Nothing was sent.")
            raise typer.Exit(1)
        typer.echo(push_folder(folder, repo, names, "Publish DAN weights"))
