"""Turned and large photos: what is found, and how long it takes. `python -m benchmarks.photos`

The same portraits turned in 24 steps, and 32 heads of a known size in photos of 1 to 48 megapixels.
"""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
from PIL import Image

from dan_model import Explainer
from dan_model.faces import FaceDetector

EXAMPLES = Path(__file__).parent.parent / "examples"
PORTRAITS = ("hopper.jpg", "astronaut.jpg", "mean_surprise.png", "mean_happiness.png")
GREY = (120, 120, 120)
CLOSE = 0.02
HEADS = 32
SIZES = (120, 80, 60)  # of a head, in pixels
MEGAPIXELS = (1, 2, 12, 24, 48)
HEAD_PART = 0.62  # of the portrait's side that the head takes


def main() -> None:
    """Print both tables."""
    explainer = Explainer.from_pretrained(device="cpu")
    angles = "largest change of a probability over 24 angles"
    print(f"| portrait | by quarter turns | {angles} | angles above {CLOSE} | angles that change the class |")
    print("|---|---|---|---|---|")
    for name in PORTRAITS:
        print(f"| {name} | {_turned(explainer, name)} |")
    detector = explainer.detector or FaceDetector()
    print("\n| megapixels | " + " | ".join(f"heads of {size} px" for size in SIZES) + " |\n|---|---|---|---|")
    for megapixels in MEGAPIXELS:
        print(f"| {megapixels} | " + " | ".join(_crowd(detector, megapixels, size) for size in SIZES) + " |")


def _turned(explainer: Explainer, name: str) -> str:
    image = Image.open(EXAMPLES / name).convert("RGB")
    upright = explainer.explain(image).prediction
    changes, quarters, other = [], [], 0
    for step in range(1, 24):
        photo = image.rotate(15 * step, Image.Resampling.BICUBIC, expand=True, fillcolor=GREY)
        found = explainer.explain(photo).prediction
        changes.append(float((found.probabilities - upright.probabilities).abs().max()))
        if step % 6 == 0:
            quarters.append(changes[-1])
        other += found.index != upright.index
    above = sum(change > CLOSE for change in changes)
    return f"{max(quarters):.4f} | {max(changes):.3f} | {above} | {other}"


def _crowd(detector: FaceDetector, megapixels: int, size: int) -> str:
    """How many of the heads are found, and the seconds: "31 of 32, 0.8 s"."""
    height = round((megapixels * 1e6 * 3 / 4) ** 0.5)
    width = round(height * 4 / 3)
    side = round(size / HEAD_PART)
    columns, rows = 8, HEADS // 8
    if side * columns > width or side * rows > height:
        return "no room"
    photo = Image.new("RGB", (width, height), GREY)
    face = Image.open(EXAMPLES / "astronaut.jpg").convert("RGB").resize((side, side), Image.Resampling.LANCZOS)
    places = [
        (
            round((i % columns + 0.5) * width / columns - side / 2),
            round((i // columns + 0.5) * height / rows - side / 2),
        )
        for i in range(HEADS)
    ]
    for place in places:
        photo.paste(face, place)
    start = time.perf_counter()
    found = detector(np.asarray(photo))
    seconds = time.perf_counter() - start
    centres = [((one.box[0] + one.box[2]) / 2, (one.box[1] + one.box[3]) / 2) for one in found]
    hits = sum(any(x < cx < x + side and y < cy < y + side for cx, cy in centres) for x, y in places)
    return f"{hits} of {HEADS}, {seconds:.1f} s"


if __name__ == "__main__":
    main()
