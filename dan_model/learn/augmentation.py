"""Augmentation of whole batches: each face is shifted, rotated and relit differently, with a single resampling."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from dan_model.config import PreprocessConfig
from dan_model.faces import normalised
from dan_model.learn.moves import compute_moves, move


@dataclass(frozen=True)
class Augmentation:
    """The range of the random changes; each amount is drawn uniformly from its range.

    Attributes:
        probability: The probability that a face is rotated, shifted and scaled. Mirroring, brightness, contrast and
            erasing do not depend on it.
        degrees: The largest rotation in either direction.
        shift: The largest shift in x and in y, as a part of the side.
        scale: The smallest and the largest factor of the size.
        mirror: The probability of mirroring.
        brightness: The largest change of brightness in either direction, on a [0, 1] scale.
        contrast: The largest relative change of contrast in either direction, around mid-grey.
        erase: The probability that a rectangle is erased.
        erased_area: The smallest and the largest area of the rectangle, as a part of the face.
        noise: Whether the rectangle is filled with noise. False: with zeros, the mean after normalisation.
        edge: Whether the edge pixels are repeated outside the face. False: black.
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
        """Augment a batch.

        Args:
            faces: (B, n, s, s) uint8, on any device.
            size: Side of the network's input in pixels.
            config: The checkpoint's preprocessing.
            generator: A generator on the CPU, so that the random numbers are the same on every device.

        Returns:
            (B, 3, size, size) float32, normalised, on the faces' device.
        """
        return self.with_moves(faces, size, config, generator)[0]

    def with_moves(
        self, faces: Tensor, size: int, config: PreprocessConfig, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Augment a batch as `__call__` does; also how each face was moved, theta (B, 2, 3), see `moves`."""
        count = len(faces)

        def draw(*shape: int) -> Tensor:
            return torch.rand(count, *shape, generator=generator).to(faces.device)

        # Draw rotation, scale, shift and mirroring of each face, and apply all of them by one resampling.
        moved = (draw() < self.probability).float()
        angle = math.radians(self.degrees) * (2 * draw() - 1) * moved
        least, most = self.scale
        zoom = 1 + (least - 1 + (most - least) * draw()) * moved
        shift = 2 * self.shift * (2 * draw(2) - 1) * moved[:, None]  # the grid spans [-1, 1]
        mirror = torch.where(draw() < self.mirror, -1.0, 1.0)
        theta = compute_moves(angle, zoom, shift, mirror)
        x = move(faces.float() / 255, theta, size, self.edge)
        # Contrast and brightness, then erasing.
        gain = 1 + self.contrast * (2 * draw(1, 1, 1) - 1)
        x = ((x - 0.5) * gain + 0.5 + self.brightness * (2 * draw(1, 1, 1) - 1)).clamp(0, 1)
        return self._erased(normalised(x, config), draw), theta

    def _erased(self, x: Tensor, draw: Callable[..., Tensor]) -> Tensor:
        """Erase a random rectangle of some of the faces (B, 3, S, S)."""
        # Draw area and aspect ratio, hence height and width, then the position, all as parts of the side.
        size = x.shape[-1]
        least, most = self.erased_area
        area, ratio = least + (most - least) * draw(), torch.exp((2 * draw() - 1) * math.log(3.3))
        height, width = (area * ratio).sqrt().clamp(max=0.9), (area / ratio).sqrt().clamp(max=0.9)
        top, left = draw() * (1 - height), draw() * (1 - width)
        # Mark the pixels of the rectangle and replace them.
        centres = (torch.arange(size, device=x.device) + 0.5) / size  # (size,)
        rows = (centres >= top[:, None]) & (centres < (top + height)[:, None])  # (B, size)
        columns = (centres >= left[:, None]) & (centres < (left + width)[:, None])  # (B, size)
        chosen = (draw() < self.erase)[:, None, None, None]
        box = rows[:, None, :, None] & columns[:, None, None, :] & chosen  # (B, 1, size, size)
        return torch.where(box, 2 * draw(1, size, size) - 1 if self.noise else torch.zeros_like(x), x)
