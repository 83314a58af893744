"""How much a face's probabilities change with details that nobody sees. `python -m benchmarks.steadiness FER_VALID`

Aligned faces of the FER+ validation images (a folder of PNG files), evenly spread, in each of which one face is found;
each with a column and a row cut off, resized by 2 %, compressed as a JPEG of quality 75, and mirrored. Twice: with the
landmarks that are found, and with those of the unchanged photo moved along, by hand (what the network itself changes:
no crop can be steadier).
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from dan_model import Explainer
from dan_model.faces import Face, FaceDetector, crop_face, to_tensor

FACES = 100
EVERY = 25  # of the files in order
BATCH = 20
MIRRORED = [1, 0, 2, 4, 3]  # which landmark is where in a mirrored face
Change = tuple[str, Callable[[Image.Image], Image.Image], Callable[[np.ndarray, Image.Image], np.ndarray]]


def compressed(image: Image.Image) -> Image.Image:
    """The image after JPEG of quality 75."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=75)
    return Image.open(buffer).convert("RGB")


def resized(image: Image.Image) -> Image.Image:
    """The image, 2 % larger."""
    return image.resize((round(1.02 * image.width), round(1.02 * image.height)), Image.Resampling.BICUBIC)


CHANGES: tuple[Change, ...] = (
    ("1 pixel cut off", lambda i: i.crop((1, 1, i.width, i.height)), lambda p, _: p - 1),
    ("resized by 2 %", resized, lambda p, i: p * np.array(resized(i).size) / i.size),
    ("JPEG 75", compressed, lambda p, _: p),
    (
        "mirrored",
        lambda i: i.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
        lambda p, i: (p * [-1, 1] + [i.width, 0])[MIRRORED],
    ),
)


def main() -> None:
    """Print the table."""
    explainer, detector = Explainer.from_pretrained(device="cpu"), FaceDetector()
    images = []
    for path in sorted(Path(sys.argv[1]).glob("*.png"))[::EVERY]:
        image = Image.open(path).convert("RGB")
        if len(detector(np.asarray(image))) == 1:
            images.append(image)
        if len(images) == FACES:
            break
    photos = [[image, *(change(image) for _, change, _ in CHANGES)] for image in images]
    found: list[list[Face | None]] = []
    moved: list[list[Face | None]] = []
    for row in photos:
        faces = [next(iter(detector(np.asarray(photo))), None) for photo in row]
        found.append(faces)
        assert faces[0] is not None
        points = faces[0].landmarks
        assert points is not None
        moved.append([faces[0], *(Face(faces[0].box, 1.0, along(points, row[0])) for _, _, along in CHANGES)])
    print(f"{len(photos)} faces; in {sum(None in row for row in found)} of them a changed copy has no face found")
    print("| | " + " | ".join(name for name, _, _ in CHANGES) + " |\n|---|" + "---|" * len(CHANGES))
    for name, places in (("landmarks as found", found), ("landmarks moved along", moved)):
        print(f"| {name} | " + " | ".join(_compared(explainer, photos, places)) + " |", flush=True)


def _compared(explainer: Explainer, photos: list[list[Image.Image]], faces: list[list[Face | None]]) -> list[str]:
    """For each change: how many faces change their class, the mean and the largest change of a probability."""
    places = [(r, c) for r, row in enumerate(faces) for c, face in enumerate(row) if face is not None]
    found = dict(zip(places, _probabilities(explainer, [(photos[r][c], faces[r][c]) for r, c in places]), strict=True))
    cells = []
    for c in range(1, 1 + len(CHANGES)):
        pairs = [(found[r, 0], found[r, c]) for r in range(len(faces)) if (r, c) in found]
        changes = [float(np.abs(a - b).max()) for a, b in pairs]
        classes = sum(int(a.argmax() != b.argmax()) for a, b in pairs)
        cells.append(f"{classes} classes, mean {np.mean(changes):.3f}, largest {max(changes):.2f}")
    return cells


def _probabilities(explainer: Explainer, faces: list[tuple[Image.Image, Face | None]]) -> np.ndarray:
    preprocess, parts = explainer.model.config.preprocess, []
    for i in range(0, len(faces), BATCH):
        crops = [crop_face(np.asarray(photo), face, preprocess) for photo, face in faces[i : i + BATCH] if face]
        x = torch.cat([to_tensor(crop.pixels, preprocess) for crop in crops])
        with torch.inference_mode():
            parts.append(explainer.model(x.contiguous(memory_format=torch.channels_last)).softmax(dim=1).numpy())
    return np.concatenate(parts)


if __name__ == "__main__":
    main()
