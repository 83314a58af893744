"""`export`: a network as a file for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dan_model.commands.options import Preset, Weights
from dan_model.commands.terminal import exit_on_error
from dan_model.errors import ArgumentError
from dan_model.weights import export_onnx, load_checkpoint


def export(
    onnx: Annotated[Path, typer.Option(help="File to write: NAME.onnx.")],
    weights: Weights = None,
    preset: Preset = None,
) -> None:
    """Write a network as ONNX: normalised faces in; logits, maps and embeddings out; for any number of faces."""
    with exit_on_error():
        if onnx.exists():
            raise ArgumentError(f"{onnx} exists already.", "Give another file: nothing is overwritten.")
        if not onnx.parent.is_dir():
            raise ArgumentError(f"{onnx.parent} is no folder.", "Make it first.")
        model = load_checkpoint(weights, preset).model
        export_onnx(model, onnx)
    typer.echo(
        f"{onnx}: {onnx.stat().st_size:,} bytes, {len(model.config.labels)} classes, {model.config.num_heads} heads"
    )
