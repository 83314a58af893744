"""Drawn faces with controllable brows, eyes and mouth: a data set that a network can learn in seconds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

MOUTHS = {"happiness": 14, "sadness": -14, "neutral": 0}  # how far the middle lies below the corners, in pixels of 96


def draw_face(label: str, generator: np.random.Generator, side: int = 48) -> Image.Image:
    """A face whose mouth and brows show the label; place, shade and size differ."""
    image = Image.new("L", (96, 96), int(generator.integers(40, 90)))
    draw = ImageDraw.Draw(image)
    x, y = generator.integers(-4, 5, 2)
    skin, ink = int(generator.integers(150, 220)), int(generator.integers(0, 60))
    draw.ellipse((12 + x, 4 + y, 84 + x, 94 + y), fill=skin)
    lift = {"happiness": 2, "sadness": -6, "neutral": 0}[label]
    for sign in (-1, 1):
        eye = 48 + x + sign * 16
        draw.ellipse((eye - 6, 36 + y, eye + 6, 44 + y), fill=ink)
        draw.line((eye - 9, 28 + y - sign * lift, eye + 9, 28 + y + sign * lift), fill=ink, width=3)
    bend = MOUTHS[label] + int(generator.integers(-2, 3))
    points = [(30 + x + t * 36, 72 + y + bend * (4 * t * (1 - t) - 0.5)) for t in np.linspace(0, 1, 13)]
    draw.line(points, fill=ink, width=4)
    noise = generator.normal(0, 6, (96, 96))
    return Image.fromarray((np.asarray(image) + noise).clip(0, 255).astype(np.uint8)).resize((side, side))


def write_faces(root: Path, train: int, valid: int, seed: int = 0) -> Path:
    """A folder data set root/train|valid/label/n.png; counts are for each class."""
    generator = np.random.default_rng(seed)
    for split, count in (("train", train), ("valid", valid)):
        for label in MOUTHS:
            folder = root / split / label
            folder.mkdir(parents=True, exist_ok=True)
            for n in range(count):
                draw_face(label, generator).save(folder / f"{n}.png")
    return root
