"""Augmentation of whole batches: each face is moved, turned and lit in its own way, by one resampling."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from dan_model.config import PreprocessConfig
from dan_model.preprocess import normalised


@dataclass(frozen=True)
class Augmentation:
    """How far a face may be changed; each amount is drawn evenly from its range.

    Attributes:
        probability: Of being moved at all; the rest is only mirrored, lit and erased.
        degrees: Turned by up to this much either way.
        shift: Moved by up to this part of the side, in x and y.
        scale: Made this many times as large.
        mirror: Probability of being mirrored.
        brightness: Added, on a [0, 1] scale, up to this much either way.
        contrast: Multiplied around mid-grey by up to this part more or less.
        erase: Probability that a rectangle is erased.
        erased_area: Part of the face that it covers.
        noise: Whether noise takes its place, or zero: the mean that the normalisation takes off.
        edge: Whether the face's edge goes on where it was moved away, or black.
    """

    probability: float = 1.0
    degrees: float = 12.0
    shift: float = 0.06
    scale: tuple[float, float] = (0.88, 1.12)
    mirror: float = 0.5
    brightness: float = 0.15
    contrast: float = 0.3
    erase: float = 0.4
    erased_area: tuple[float, float] = (0.02, 0.25)
    noise: bool = True
    edge: bool = True

    def __call__(self, faces: Tensor, size: int, config: PreprocessConfig, generator: torch.Generator) -> Tensor:
        """Change a batch.

        Args:
            faces: (B, n, s, s) uint8, on any device.
            size: Side of the network's input.
            config: The checkpoint's preprocessing.
            generator: On the CPU: the same draws on every device.

        Returns:
            (B, 3, size, size) float32, normalised, on the faces' device.
        """
        count = len(faces)

        def draw(*shape: int) -> Tensor:
            return torch.rand(count, *shape, generator=generator).to(faces.device)

        moved = (draw() < self.probability).float()
        angle = math.radians(self.degrees) * (2 * draw() - 1) * moved
        least, most = self.scale
        zoom = 1 + (least - 1 + (most - least) * draw()) * moved
        shift = 2 * self.shift * (2 * draw(2) - 1) * moved[:, None]  # the grid spans [-1, 1]
        mirror = torch.where(draw() < self.mirror, -1.0, 1.0)
        cos, sin = torch.cos(angle) / zoom, torch.sin(angle) / zoom
        to_source = torch.stack([cos * mirror, -sin, sin * mirror, cos], dim=1).reshape(count, 2, 2)
        theta = torch.cat([to_source, shift[..., None]], dim=2)  # (B, 2, 3)
        grid = F.affine_grid(theta, [count, faces.shape[1], size, size], align_corners=False)
        beyond = "border" if self.edge else "zeros"
        x = F.grid_sample(faces.float() / 255, grid, padding_mode=beyond, align_corners=False)
        gain = 1 + self.contrast * (2 * draw(1, 1, 1) - 1)
        x = ((x - 0.5) * gain + 0.5 + self.brightness * (2 * draw(1, 1, 1) - 1)).clamp(0, 1)
        return self._erased(normalised(x, config), draw)

    def _erased(self, x: Tensor, draw: Callable[..., Tensor]) -> Tensor:
        size = x.shape[-1]
        least, most = self.erased_area
        area, ratio = least + (most - least) * draw(), torch.exp((2 * draw() - 1) * math.log(3.3))
        height, width = (area * ratio).sqrt().clamp(max=0.9), (area / ratio).sqrt().clamp(max=0.9)
        top, left = draw() * (1 - height), draw() * (1 - width)
        place = (torch.arange(size, device=x.device) + 0.5) / size
        rows = (place >= top[:, None]) & (place < (top + height)[:, None])  # (B, size)
        columns = (place >= left[:, None]) & (place < (left + width)[:, None])
        chosen = (draw() < self.erase)[:, None, None, None]
        box = rows[:, None, :, None] & columns[:, None, None, :] & chosen
        return torch.where(box, 2 * draw(1, size, size) - 1 if self.noise else torch.zeros_like(x), x)
