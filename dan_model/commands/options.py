"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dan_model.devices import DEVICES
from dan_model.learn.datasets import LOADERS, SPLITS

Dataset = Annotated[str, typer.Option(help=f"One of {', '.join(LOADERS)}.")]
Root = Annotated[Path, typer.Option(help="Folder of the dataset, in its published layout.")]
Split = Annotated[str, typer.Option(help=f"One of {', '.join(SPLITS)}.")]
Weights = Annotated[str | None, typer.Option(help="Folder, .pth file, or user/name on the Hub; default: embedded.")]
Preset = Annotated[str | None, typer.Option(help="For a published file: rafdb, affectnet7 or affectnet8.")]
Device = Annotated[str, typer.Option(help=f"Where to compute: {', '.join(DEVICES)}.")]
