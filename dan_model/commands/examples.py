"""`examples`: explain the example photos of the page in advance."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dan_model.commands.options import Device, Weights
from dan_model.commands.terminal import exit_on_error, make_folder
from dan_model.explain import Explainer
from dan_model.explain.attributions import DEFAULT_METHODS
from dan_model.explain.stored import EXPLAINED, load_index, write_explanations
from dan_model.faces import read_image


def examples(
    folder: Annotated[Path, typer.Argument(help="Folder with the photos and their index.json.")] = Path("examples"),
    weights: Weights = None,
    device: Device = "auto",
) -> None:
    """Explain the example photos in advance, with the default attributions: the page shows them without a pass."""
    with exit_on_error():
        chosen = load_index(folder)
        make_folder(folder / EXPLAINED)
        explainer = Explainer.from_pretrained(weights, device=device)
        for example in chosen:
            path = example.explained
            count = write_explanations(path, explainer, read_image(example.photo), DEFAULT_METHODS)
            typer.echo(f"{path}: {count} faces, {path.stat().st_size / 1000:.0f} kB")
