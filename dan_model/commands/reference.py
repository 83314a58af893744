"""`reference`: measure the reference statistics of a checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.progress import Progress

from dan_model.commands.options import Dataset, Device, Root, Split
from dan_model.commands.terminal import errors, exit_on_error, print_notes
from dan_model.devices import choose_device
from dan_model.errors import ArgumentError
from dan_model.explain.regions import Regions, draw_regions
from dan_model.files import check_writable
from dan_model.learn.batches import Pixels
from dan_model.learn.datasets import load_faces
from dan_model.learn.reference_statistics import measure_reference
from dan_model.weights import REFERENCE_FILE, load_checkpoint


def reference(
    dataset: Dataset,
    root: Root,
    weights: Annotated[Path, typer.Option(help="Checkpoint folder; its reference.safetensors is made or replaced.")],
    split: Split = "train",
    device: Device = "auto",
    every: Annotated[int, typer.Option(min=1, help="Take every n-th image only.")] = 1,
) -> None:
    """Measure the reference statistics of a checkpoint: class centres, projection, percentiles, mean face and maps."""
    with exit_on_error():
        if not weights.is_dir():
            raise ArgumentError(f"{weights} is no folder.", "Give a checkpoint folder.")
        check_writable(weights / REFERENCE_FILE)
        model = load_checkpoint(weights).model.to(choose_device(device))
        faces = load_faces(dataset, root, split).in_order_of(model.config.labels).every(every)
        template = model.config.preprocess.landmark_template
        regions = None if template is None else Regions(draw_regions(np.array(template.points)))
        pixels = Pixels(faces, model.config.preprocess)
        print_notes(pixels.notes)
        with Progress(console=errors, disable=not errors.is_terminal) as progress:
            bar = progress.add_task("Measuring", total=len(pixels))
            found = measure_reference(model, pixels, regions, lambda done: progress.update(bar, completed=done))
        found.save(weights / REFERENCE_FILE)
    assert found.map_energy is not None
    same = ", ".join(f"{100 * energy:.0f} %" for energy in found.map_energy.tolist())
    typer.echo(f"{weights / REFERENCE_FILE}: {len(pixels)} faces of {faces.name}; energy in the mean maps: {same}")
