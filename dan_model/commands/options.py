"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dan_model.devices import DEVICES
from dan_model.explain.score import SCORES
from dan_model.learn.datasets import LOADERS, SPLITS
from dan_model.network import PRIORS

Dataset = Annotated[str, typer.Option(help=f"One of {', '.join(LOADERS)}.")]
Root = Annotated[Path, typer.Option(help="Folder of the dataset, in its published layout.")]
Split = Annotated[str, typer.Option(help=f"One of {', '.join(SPLITS)}.")]
Weights = Annotated[str | None, typer.Option(help="Folder, .pth file, or user/name on the Hub; default: embedded.")]
Preset = Annotated[str | None, typer.Option(help="For a published file: rafdb, affectnet7 or affectnet8.")]
Device = Annotated[str, typer.Option(help=f"Where to compute: {', '.join(DEVICES)}.")]
ScoreKind = Annotated[
    str | None,
    typer.Option(
        "--score", help=f"What is explained: {', '.join(SCORES)}. Default: contrast with --against, else the first."
    ),
]
Prior = Annotated[str, typer.Option(help=f"{' or '.join(PRIORS)}: how likely the classes are before a face is seen.")]
