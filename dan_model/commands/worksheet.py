"""`worksheet`: write the worksheet for a class, and its solutions, computed from the examples."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dan_model.commands.options import Device, Weights
from dan_model.commands.terminal import exit_on_error, make_folder
from dan_model.devices import choose_device
from dan_model.explain import Explainer
from dan_model.explain.cover import cover_region, explain_covered
from dan_model.files import write_text
from dan_model.show.worksheet import COVERED, FACES, printable, solutions, worksheet
from dan_model.weights import load_checkpoint


def write_worksheet(
    folder: Annotated[Path, typer.Argument(help="Folder with the example photos.")] = Path("examples"),
    out: Annotated[Path | None, typer.Option(help="Where to write; default: FOLDER/worksheet.")] = None,
    weights: Weights = None,
    device: Device = "auto",
) -> None:
    """Write the worksheet for a class, to print and to edit, and the solutions for teachers."""
    with exit_on_error():
        target = folder / "worksheet" if out is None else out
        make_folder(target)
        checkpoint = load_checkpoint(weights)
        explainer = Explainer.from_checkpoint(checkpoint, choose_device(device))
        explanations = [explainer.explain(folder / name, attributions=()) for name in FACES]
        first = explanations[0]
        assert first.regions is not None
        covered = {region: explain_covered(explainer, first, cover_region(first.regions, region)) for region in COVERED}
        heads = len(first.heads.spatial)  # of these alone the worksheet speaks
        measured = next(one for one in explainer.faithfulness(first, sensitivity=False) if len(one.maps) == heads)
        texts = {
            "worksheet.md": worksheet(),
            "worksheet.html": printable(worksheet()),
            "solutions.md": solutions(explanations, covered, measured, checkpoint.name),
        }
        for name, text in texts.items():
            write_text(target / name, text)
            typer.echo(target / name)
