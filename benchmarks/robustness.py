"""What is left of the accuracy when photos are worse than the dataset's: `python -m benchmarks.robustness FERPLUS`.

The validation faces are changed as uploads and webcams change them; several weights are compared on the same pixels.
"""

from __future__ import annotations

import copy
import io
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from PIL import Image
from torch import Tensor
from torchvision.transforms.v2.functional import gaussian_blur

from benchmarks.heads import table_of
from dan_model.explain.regions import face_cover
from dan_model.learn.batches import Pixels
from dan_model.learn.datasets import load_faces
from dan_model.learn.evaluation import predict
from dan_model.learn.moves import compute_moves, move
from dan_model.network import DAN
from dan_model.weights import load_checkpoint

Change = Callable[[Tensor, DAN], Tensor]  # (N, n, s, s) uint8 -> the same


def main(
    root: Annotated[Path, typer.Argument(help="Folder of FER+, in its published layout.")],
    weights: Annotated[
        list[str] | None, typer.Option(help="NAME=FOLDER; repeatable. The embedded ones come last.")
    ] = None,
    every: Annotated[int, typer.Option(min=1, help="Take every n-th validation face.")] = 1,
) -> None:
    """Print the accuracy under every change, one column for each set of weights."""
    named = dict(one.split("=", 1) for one in weights or ())
    models = {name: load_checkpoint(folder).model for name, folder in named.items()}
    models["embedded"] = load_checkpoint().model
    pixels = {name: _pixels(model, root, every) for name, model in models.items()}
    rows = [["", *models], ["---"] * (1 + len(models))]
    for name, change in CHANGES.items():
        rows.append([name])
        for weights_name, model in models.items():
            changed = copy.copy(pixels[weights_name])
            assert changed.decoded is not None
            changed.decoded = change(changed.decoded, model)
            logits, classes = predict(model, changed)
            rows[-1].append(f"{float((logits.argmax(dim=1) == classes).double().mean()):.3f}")
        typer.echo(" | ".join(rows[-1]), err=True)
    typer.echo(table_of(rows))


def _pixels(model: DAN, root: Path, every: int) -> Pixels:
    """The validation faces as a network takes them."""
    faces = load_faces("ferplus", root, "valid").in_order_of(model.config.labels).every(every)
    return Pixels(faces, model.config.preprocess)


def _dark(faces: Tensor, model: DAN) -> Tensor:
    """A quarter of the light, with the noise of a sensor, eight levels strong."""
    noise = torch.randn(faces.shape, generator=torch.Generator().manual_seed(0))
    return (faces / 4 + 8 * noise).round().clamp(0, 255).to(torch.uint8)


def _blurred(faces: Tensor, model: DAN) -> Tensor:
    """A Gaussian blur with a standard deviation of 1.5 of 48 pixels."""
    return gaussian_blur(faces, [9, 9], [1.5 * faces.shape[-1] / 48] * 2)


def _jpeg(faces: Tensor, model: DAN) -> Tensor:
    """Compressed as JPEG of quality 30."""
    found = []
    for face in faces:
        buffer = io.BytesIO()
        Image.fromarray(face.permute(1, 2, 0).squeeze(2).numpy()).save(buffer, "JPEG", quality=30)
        found.append(np.array(Image.open(buffer)).reshape(*face.shape[1:], -1))
    return torch.from_numpy(np.stack(found)).permute(0, 3, 1, 2).contiguous()


def _turned(faces: Tensor, model: DAN) -> Tensor:
    """Turned by 15°, alternately to the left and to the right, without being aligned."""
    sign = torch.where(torch.arange(len(faces)) % 2 == 0, 1.0, -1.0)
    one = torch.ones(len(faces))
    theta = compute_moves(math.radians(15) * sign, one, torch.zeros(len(faces), 2), one)
    return move(faces.float(), theta, faces.shape[-1]).round().to(torch.uint8)


def _covered(*regions: str) -> Change:
    """Parts of the face covered with mid-grey, where they lie in aligned crops."""

    def cover(faces: Tensor, model: DAN) -> Tensor:
        masks = face_cover(model.config.preprocess)
        assert masks is not None
        mask = torch.stack([masks[name] for name in regions]).sum(dim=0)[None, None]
        small = torch.nn.functional.interpolate(mask, faces.shape[-2:], mode="area") > 0.5
        return faces.where(~small, torch.tensor(128, dtype=torch.uint8))

    return cover


CHANGES: Mapping[str, Change] = {
    "as they are": lambda faces, model: faces,
    "a quarter of the light, noise": _dark,
    "blurred": _blurred,
    "JPEG, quality 30": _jpeg,
    "turned by 15°, not aligned": _turned,
    "mouth covered": _covered("mouth"),
    "eyes and brows covered": _covered("eyes", "brows"),
}


if __name__ == "__main__":
    typer.run(main)
