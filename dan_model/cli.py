"""The command line: `python -m dan_model COMMAND`.

Exit codes: 0 all done, 1 some images failed, 2 nothing could start.
"""

from __future__ import annotations

import json
from collections import deque
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from PIL import Image
from rich.progress import track

from dan_model.cards import model_card
from dan_model.checkpoints import CHECKPOINT_FILES, WEIGHTS_FILE, import_published, load_checkpoint
from dan_model.cli_learning import align, averages, evaluate, reference, train
from dan_model.cli_options import Device, Preset, Weights
from dan_model.cli_trust import trust
from dan_model.devices import sharing_processes
from dan_model.errors import ArgumentError, DanError, NoFaceError
from dan_model.explain.attributions import BASELINES, DEFAULT_METHODS, METHODS, parse_all
from dan_model.explain.explainer import Explainer, FaceChoice
from dan_model.explain.score import Score
from dan_model.faces import FaceDetector, median_template
from dan_model.hub import hub_endpoint, push_folder
from dan_model.images import read_image
from dan_model.published import PRESETS
from dan_model.show.archive import Archive, content_of, fingerprint, merge_together
from dan_model.show.report import numbers, write
from dan_model.terminal import errors, exit_on_error, make_folder
from dan_model.version import __version__

app = typer.Typer(
    help="DAN Explorer: what DAN's attention heads look at, and how their fusion decides.", no_args_is_help=True
)
app.command()(train)
app.command()(evaluate)
app.command()(reference)
app.command()(align)
app.command()(averages)
app.command()(trust)


@app.command()
def explain(
    images: Annotated[list[Path], typer.Argument(help="Image files, or folders with some.", metavar="IMAGE...")],
    out: Annotated[Path, typer.Option(help="Folder for the results; made if it is not there.")],
    weights: Weights = None,
    preset: Preset = None,
    device: Device = "auto",
    target: Annotated[str | None, typer.Option(help="Class to explain; default: the predicted one.")] = None,
    against: Annotated[str | None, typer.Option(help="Explain the target rather than this class.")] = None,
    head: Annotated[int | None, typer.Option(min=1, help="Explain this head's ledger entry, from 1 on.")] = None,
    method: Annotated[
        list[str] | None,
        typer.Option(
            help=f"Attribution, may be repeated: {', '.join(METHODS)}, all or none. With baseline and settings: "
            f"METHOD@BASELINE:NAME=VALUE,…; baselines: {', '.join(BASELINES)}. Default: {', '.join(DEFAULT_METHODS)}."
        ),
    ] = None,
    faithfulness: Annotated[bool, typer.Option("--faithfulness", help="Also whether the maps deserve trust.")] = False,
    sanity: Annotated[bool, typer.Option("--sanity", help="Also whether maps change as the network forgets.")] = False,
    whole_image: Annotated[bool, typer.Option(help="Take each image as one face, without looking for faces.")] = False,
    native: Annotated[bool, typer.Option(help="Draw maps in their own cells and pixels instead of smoothly.")] = False,
    views: Annotated[bool, typer.Option(help="Also a figure for each view of heads and fusion.")] = False,
    panel: Annotated[bool, typer.Option(help="Draw the panel; --no-panel is faster for many images.")] = True,
) -> None:
    """Explain every face of every image: panel (PNG), arrays (NPZ), numbers (JSON), and all numbers in one JSONL.

    What was explained alike before, by content, is not done again: a run that was killed goes on with the same command.
    Many processes share the work under: torchrun -m dan_model explain …
    """
    with exit_on_error():
        methods = _methods(method or list(DEFAULT_METHODS), whole_image)
        state = sharing_processes(device)
        explainer = Explainer.from_pretrained(weights, preset, device)
        if state.num_processes > 1:
            explainer.model.to(state.device)
        _check_score(explainer, target, against, head)
        make_folder(out)
        stems = name_results(images)
    asked = {
        "weights": fingerprint(explainer.model), "target": target, "methods": methods, "whole_image": whole_image,
        "native": native, "views": views, "panel": panel, "against": against, "head": head,
        "faithfulness": faithfulness, "sanity": sanity, "version": __version__,
    }  # fmt: skip
    merge_together(out, state)
    archive = Archive(out, asked, state.process_index)
    own = list(stems)[state.process_index :: state.num_processes]
    failed = 0
    for path in track(own, description="Explaining", console=errors, disable=not errors.is_terminal):
        try:
            content = content_of(path) if path.is_file() else ""
            if archive.done_before(path, content):
                typer.echo(f"{path}: done before")
                continue
            photo, files, faces = read_image(path), [], []
            for number, face in enumerate(_faces(explainer, photo, whole_image), start=1):
                own_head = None if head is None else head - 1
                explanation = explainer.explain(photo, target, methods, face, views, against, own_head)
                judged = deque(explainer.faithfulness(explanation), maxlen=1).pop() if faithfulness else None
                shaken = deque(explainer.sanity(explanation), maxlen=1).pop() if sanity else None
                stem = out / f"{stems[path]}-face{number}"
                files += write(explanation, stem, not native, views, panel, judged, shaken)
                faces.append(numbers(explanation, judged, shaken))
                share = float(explanation.prediction.probabilities.max())
                typer.echo(f"{path}: face {number}: {explanation.prediction.label} {share:.3f} -> {stem}")
            archive.add(path, content, files, faces)
        except (DanError, OSError) as error:
            failed += 1
            archive.add_failure(path, str(error))
            errors.print(f"{path}: {error}", style="red", markup=False)
    merge_together(out, state)
    if failed:
        errors.print(f"{failed} of {len(own)} images failed.", style="red")
        raise typer.Exit(1)


@app.command("import")
def import_weights(
    file: Annotated[Path, typer.Argument(help="A checkpoint in the published layout: .pth, .bin or .safetensors.")],
    out: Annotated[Path, typer.Option(help="Folder for config.json, model.safetensors and the model card.")],
    preset: Annotated[str | None, typer.Option(help=f"Training set: {', '.join(PRESETS)}.")] = None,
    labels: Annotated[str | None, typer.Option(help="Class names in index order, a,b,c; for no preset.")] = None,
    grayscale: Annotated[bool, typer.Option(help="Trained on grey faces.")] = False,
    detail_size: Annotated[int | None, typer.Option(help="Side of the training images in pixels.")] = None,
    margin: Annotated[float | None, typer.Option(help="Part of the face box added on each side.")] = None,
    licence: Annotated[str, typer.Option("--license", help="The Hub's name of the licence.")] = "other",
) -> None:
    """Turn a published checkpoint into a folder that every part of this package, and the Hub, can load."""
    with exit_on_error():
        if not file.is_file():
            raise ArgumentError(f"{file} is no file.", "Give a checkpoint in the published layout.")
        if (out / WEIGHTS_FILE).exists():
            raise ArgumentError(f"{out} holds weights already.", "Give another folder: nothing is overwritten.")
        changes = {"detail_size": detail_size, "margin": margin, "grayscale": grayscale or None}
        asked = {key: value for key, value in changes.items() if value is not None}
        model = import_published(file, preset, labels.split(",") if labels else None, asked)
        make_folder(out)
        model.save_pretrained(out)
        (out / "README.md").write_text(model_card(model.config, out.resolve().name, licence), encoding="utf-8")
    typer.echo(f"{out}: {len(model.config.labels)} classes, {model.config.num_heads} heads. Complete its README.md.")


@app.command()
def push(
    folder: Annotated[Path, typer.Argument(help="A checkpoint folder.")],
    repo: Annotated[str, typer.Argument(help="Where to: user/name. Made if it is not there.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Publish a checkpoint folder on the Hugging Face Hub, after saying what will be sent and asking."""
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


@app.command()
def template(
    folder: Annotated[Path, typer.Argument(help="Folder with cropped training faces, at any depth.")],
    every: Annotated[int, typer.Option(min=1, help="Take every n-th file only.")] = 1,
) -> None:
    """Derive a landmark template from a training set's faces, for `preprocess` in config.json."""
    with exit_on_error():
        if not folder.is_dir():
            raise ArgumentError(f"{folder} is no folder.", "Give a folder with cropped training faces.")
        paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in {".png", ".jpg", ".jpeg"})[::every]
        photos = (read_image(path) for path in track(paths, console=errors, disable=not errors.is_terminal))
        found, count = median_template(photos, FaceDetector())
        typer.echo(json.dumps({"landmark_template": asdict(found), "faces": count, "files": len(paths)}, indent=2))


def _faces(explainer: Explainer, photo: np.ndarray, whole_image: bool) -> list[FaceChoice]:
    if whole_image:
        return ["whole"]
    faces = explainer.faces(photo)
    if not faces:
        raise NoFaceError("No face was found.", "Take another image, or add --whole-image.")
    return list(faces)


def _methods(names: list[str], whole_image: bool) -> list[str]:
    """Requests from what --method was given; in a whole image nobody knows where regions lie."""
    every = [name for name, method in METHODS.items() if not (whole_image and method.regions)]
    named = parse_all([name for name in names if name != "all"])
    for request in named:
        if whole_image and METHODS[request.method].regions:
            raise ArgumentError(
                f"--method {request.text} needs a face that was found.", "Leave out --whole-image, or this method."
            )
    return [request.text for request in parse_all([*(every if "all" in names else ()), *(r.text for r in named)])]


def _check_score(explainer: Explainer, target: str | None, against: str | None, head: int | None) -> None:
    """Refuse what no face can be explained for, before the first one."""
    rather = None if against is None else explainer.class_index(against)
    other = 0 if rather != 0 else 1  # stands for the class that will be predicted
    wanted = other if target is None else explainer.class_index(target)
    Score(wanted, rather, None if head is None else head - 1).check(explainer.model)


def name_results(given: list[Path]) -> dict[Path, str]:
    """Where each image's results go below --out, without suffix; folders keep their inner order.

    Two images of one name are told apart by a number.

    Raises:
        ArgumentError: A folder holds no images.
    """
    places: dict[Path, Path] = {}
    for path in given:
        if not path.is_dir():
            places.setdefault(path, Path(path.stem))
            continue
        known = Image.registered_extensions()
        found = sorted(image for image in path.rglob("*") if image.suffix.lower() in known and image.is_file())
        if not found:
            raise ArgumentError(f"{path} holds no images.", "Give a folder with some, at any depth.")
        for image in found:
            places.setdefault(image, image.relative_to(path).with_suffix(""))
    stems: dict[Path, str] = {}
    taken: set[str] = set()
    for path, place in places.items():
        stem, n = str(place), 1
        while stem.lower() in taken:
            n += 1
            stem = f"{place}-{n}"
        taken.add(stem.lower())
        stems[path] = stem
    return stems
