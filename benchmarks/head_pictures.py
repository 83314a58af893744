"""Two pictures of docs/heads.md, weights on portraits: `python -m benchmarks.head_pictures --weights NAME=FOLDER`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from benchmarks.heads import EXAMPLES, PICTURED
from dan_model.commands.terminal import exit_on_error
from dan_model.errors import ArgumentError
from dan_model.explain import Explainer
from dan_model.explain.reference import compare_maps
from dan_model.show.head_figures import maps_figure, usual_maps_figure

DPI = 110


def main(
    weights: Annotated[list[str], typer.Option(help="NAME=FOLDER, a row of heads.png; may be repeated.")],
    out: Annotated[Path, typer.Option(help="Folder for heads.png and heads-usual.png.")] = Path("docs"),
) -> None:
    """Draw the heads' maps under several weights, the embedded ones last; and those beside their averages."""
    with exit_on_error():
        rows = {}
        for name, _, folder in (text.partition("=") for text in weights):
            if not folder:
                raise ArgumentError(f"--weights {name}: the folder is missing.", "Write NAME=FOLDER.")
            explainer = Explainer.from_pretrained(folder)
            rows[name] = [next(explainer.stream(EXAMPLES / face)) for face in PICTURED]
        embedded = Explainer.from_pretrained()
        rows["embedded"] = [next(embedded.stream(EXAMPLES / face)) for face in PICTURED]
        maps_figure(rows).savefig(out / "heads.png", dpi=DPI)
        first = rows["embedded"][0]
        found = None if first.reference is None else compare_maps(first.heads.spatial, first.reference)
        if found is None or first.reference is None:
            raise ArgumentError("The embedded weights have no mean maps.", "Make them: `reference`.")
        usual_maps_figure(found, first.reference).savefig(out / "heads-usual.png", dpi=DPI)


if __name__ == "__main__":
    typer.run(main)
