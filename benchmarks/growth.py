"""How the cost of an explanation grows: with the size of the photo, faces, methods, steps, and callers at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.rows import Row
from benchmarks.turns import median_seconds
from dan_model import Explainer
from dan_model.explain.attributions import AttributionTask, attribute

FACE = Path(__file__).parent.parent / "examples" / "astronaut.jpg"
ROUNDS = 3
MEGAPIXELS = (1, 12, 48)
FACES = (1, 4, 16)
STEPS = (14, 28, 56)
CALLERS = (1, 2, 4)
METHODS = ("layer_grad_cam", "head_grad_cam", "saliency", "input_x_gradient")


def rows() -> list[Row]:
    """Each series against its first member."""
    explainer = Explainer.from_pretrained(device="cpu")
    task = explainer.task(explainer.explain(FACE))
    crowds = {count: _crowd(count) for count in FACES}
    series: dict[str, dict[str, Callable[[], object]]] = {
        f"explain a photo of one face, {MEGAPIXELS[0]} megapixel": {
            f"{size} megapixels": partial(explainer.explain, _photo(size)) for size in MEGAPIXELS
        },
        "explain the one face of a photo": {
            f"{count} faces": partial(_all_faces, explainer, photo) for count, photo in crowds.items()
        },
        METHODS[0]: {
            f"{count} methods of one pass each": partial(_attributions, task, METHODS[:count])
            for count in range(1, len(METHODS) + 1)
        },
        f"integrated gradients, {STEPS[0]} steps": {
            f"{steps} steps": partial(attribute, task, f"integrated_gradients:steps={steps},most={steps}")
            for steps in STEPS
        },
        "one caller, a face each": {
            f"{count} callers at once": partial(_callers, explainer, crowds[1], count) for count in CALLERS
        },
    }
    found = []
    for against, runs in series.items():
        medians = median_seconds(runs, ROUNDS)
        first = next(iter(medians.values()))
        found += [Row(name, against, seconds / first) for name, seconds in list(medians.items())[1:]]
    return found


def _photo(megapixels: int) -> np.ndarray:
    """A square photo of one face."""
    side = round((megapixels * 1e6) ** 0.5)
    return np.asarray(Image.open(FACE).convert("RGB").resize((side, side), Image.Resampling.BICUBIC))


def _crowd(count: int) -> np.ndarray:
    """A photo of 1,024 pixels with so many faces."""
    side = 1024 // 4
    photo, face = Image.new("RGB", (1024, 1024), (120, 120, 120)), Image.open(FACE).convert("RGB").resize((side, side))
    for n in range(count):
        photo.paste(face, (n % 4 * side, n // 4 * side))
    return np.asarray(photo)


def _all_faces(explainer: Explainer, photo: np.ndarray) -> None:
    for face in explainer.faces(photo):
        next(explainer.stream_crop(explainer.crop(photo, face)))


def _attributions(task: AttributionTask, methods: Sequence[str]) -> None:
    for method in methods:
        attribute(task, method)


def _callers(explainer: Explainer, photo: np.ndarray, count: int) -> None:
    with ThreadPoolExecutor(count) as pool:
        list(pool.map(lambda _: _all_faces(explainer, photo), range(count)))
