"""Pictures that show no face: what a head does on them says how much of its map needs one."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from dan_model.config import PreprocessConfig
from dan_model.faces import read_image, to_detail

SIDE = 96  # pixels of the generated pictures
GRAINS = (1, 2, 4, 12)  # pixels: how coarse the noise is
PHOTOS = ("brick.png", "coffee.png", "coins.png", "grass.png", "gravel.png", "moon.png", "page.png", "rocket.jpg")
"""Photographs that scikit-image carries inside its package, without people and animals."""


def load_non_faces(config: PreprocessConfig) -> tuple[list[str], Tensor]:
    """Generated pictures, always the same, and those of scikit-image's photographs that are installed.

    Args:
        config: The network's preprocessing.

    Returns:
        The N names, and the pixels (N, n, s, s) uint8 as `to_detail` returns them.
    """
    pictures = _generated() | _photos()
    return list(pictures), torch.stack([to_detail(Image.fromarray(pixels), config) for pixels in pictures.values()])


def _generated() -> dict[str, np.ndarray]:
    """Noise of several grains, stripes, a chessboard, rings and an even ramp, (SIDE, SIDE, 3) uint8 by name."""
    y, x = np.mgrid[:SIDE, :SIDE] / SIDE
    random = np.random.default_rng(0)
    noise = {
        f"noise of {grain} px": np.kron(random.random((SIDE // grain, SIDE // grain)), np.ones((grain, grain)))
        for grain in GRAINS
    }
    waves = {"upright stripes": 10 * x, "level stripes": 10 * y, "slanted stripes": 7 * (x + y),
             "rings": 12 * np.hypot(x - 0.5, y - 0.5)}  # fmt: skip
    shapes = {name: (1 + np.sin(2 * np.pi * phase)) / 2 for name, phase in waves.items()}
    board = (np.floor(8 * x) + np.floor(8 * y)) % 2
    grey = noise | shapes | {"chessboard": board, "ramp": x}
    return {name: np.repeat((255 * g).round().astype(np.uint8)[..., None], 3, axis=2) for name, g in grey.items()}


def _photos() -> dict[str, np.ndarray]:
    """The middle square of each photograph that is installed, (s, s, 3) uint8 by name."""
    package = find_spec("skimage")
    if package is None or package.origin is None:
        return {}
    folder = Path(package.origin).parent / "data"
    found = {path.stem: read_image(path) for path in (folder / name for name in PHOTOS) if path.is_file()}
    return {name: _middle(pixels) for name, pixels in found.items()}


def _middle(pixels: np.ndarray) -> np.ndarray:
    """The largest square in the middle of a picture (h, w, 3)."""
    side = min(pixels.shape[:2])
    top, left = ((length - side) // 2 for length in pixels.shape[:2])
    return pixels[top : top + side, left : left + side]
