"""A validation part where a dataset has none: a tenth of its training images, the same in every run."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from dan_model.errors import DatasetError
from dan_model.learn.face_set import FaceSet

EVERY = 10  # one in so many training images, on average


def is_held_out(key: bytes) -> bool:
    """Whether an image belongs to the validation part: by its name alone, so that other files do not matter."""
    return zlib.crc32(key) % EVERY == 0


def name_keys(paths: Sequence[Path]) -> list[bytes]:
    """What decides of each file: its name and that of its class folder, as an aligned copy has them too."""
    return [f"{path.parent.name}/{path.name}".encode() for path in paths]


def part_of(train: FaceSet, keys: Sequence[bytes], split: str, root: Path) -> FaceSet:
    """The training or the validation part of a training set, with a note that says how it was divided.

    Args:
        train: All training images.
        keys: What decides of each.
        split: "train" or "valid".
        root: The folder of the dataset, for the note.

    Raises:
        DatasetError: The validation part is asked for, and the images are too few: a class would be left without
            training images, or nothing for validation. All of them are then the training part.
    """
    held = [is_held_out(key) for key in keys]
    parts = {valid: [i for i, one in enumerate(held) if one == valid] for valid in (True, False)}
    learned = train.classes[parts[False]].unique()
    if not parts[True] or len(learned) < len(train.classes.unique()):
        if split == "train":
            return train
        raise DatasetError(
            f"{root} has no validation part, and {len(train):,} training images are too few to take one from them.",
            "Add a folder valid with class folders.",
        )
    note = (
        f"{root} has no validation part: {len(parts[True]):,} of its {len(train):,} training images, the same in every "
        "run, serve as one and are not trained on. Its test part is not used to choose anything."
    )
    chosen = train.chosen(parts[split == "valid"])
    name = train.name if split == "train" else train.name.removesuffix("train") + "valid (held out of train)"
    return replace(chosen, name=name, notes=(*train.notes, note), held_out=True)
