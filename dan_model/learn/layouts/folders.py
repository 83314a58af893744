"""What is where: the root, folders by split and by class; and what is said where something is missing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import torch

from dan_model.errors import DatasetError
from dan_model.faces import image_files, others_note
from dan_model.learn.face_set import FaceSet
from dan_model.learn.sources import ImageSource

SPLIT_FOLDERS = {
    "train": ("train", "Train", "training", "Training"),
    "valid": ("valid", "val", "Val", "validation", "Validation", "PublicTest"),
    "test": ("test", "Test", "PrivateTest"),
}
SYNONYMS = {
    "angry": "anger", "disgusted": "disgust", "fearful": "fear", "happy": "happiness", "sad": "sadness",
    "surprised": "surprise",
}  # fmt: skip
SHOWN = 8  # entries of a folder in a message


def label_of(name: str) -> str:
    """The class that a folder or a table means: the usual spellings of an expression are one class."""
    lower = name.strip().lower()
    return SYNONYMS.get(lower, lower)


def visible(folder: Path) -> list[Path]:
    """What a folder holds, sorted, without what is hidden."""
    return sorted(path for path in folder.iterdir() if not path.name.startswith(".")) if folder.is_dir() else []


def found_in(folder: Path) -> str:
    """What a folder holds, in words, for messages."""
    names = [path.name + "/" * path.is_dir() for path in visible(folder)]
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"{folder} holds {', '.join(names[:SHOWN]) or 'nothing'}{more}"


def root_of(root: Path, is_root: Callable[[Path], bool]) -> Path:
    """The folder of a dataset: the one that is given, or the one right below it.

    Raises:
        DatasetError: Several below it are.
    """
    below = [] if is_root(root) else [path for path in visible(root) if path.is_dir() and is_root(path)]
    if len(below) > 1:
        names = ", ".join(path.name for path in below)
        raise DatasetError(f"{root} holds several such datasets: {names}.", "Give the folder of one.")
    return below[0] if below else root


def split_folder(root: Path, split: str) -> Path | None:
    """The folder of a split under one of its usual names; None where there is none."""
    return next((root / name for name in SPLIT_FOLDERS[split] if (root / name).is_dir()), None)


def first_folder(root: Path, names: Sequence[str], content: str) -> Path:
    """The first of the folders that exists."""
    for name in names:
        if (root / name).is_dir():
            return root / name
    raise DatasetError(f"{root / names[0]} is no folder: {content} is expected there; {found_in(root)}.")


def class_folders(folder: Path, labels: Sequence[str] = ()) -> tuple[list[str], tuple[str, ...]]:
    """The class folders in a folder, and their classes.

    Args:
        folder: The folder.
        labels: The classes by number, where folders may be named by number.
    """
    names = [path.name for path in visible(folder) if path.is_dir()]
    if not names:
        raise DatasetError(f"{folder} has no class folders.", "Put the images of each class into its own.")
    numbers = {str(k): label for k, label in enumerate(labels)}
    classes = tuple(numbers.get(name) or label_of(name) for name in names)
    if len(set(classes)) < len(classes):
        raise DatasetError(f"{folder} has two folders of one class: {', '.join(names)}.", "Merge them.")
    return names, classes


def by_class(name: str, folder: Path, folders: Sequence[str], labels: tuple[str, ...], remedy: str) -> FaceSet:
    """The images in the folder of each class, at any depth.

    Args:
        name: Of the set.
        folder: Holds the class folders.
        folders: Their names, in the order of the labels.
        labels: The K class names.
        remedy: What to do where one has no images.
    """
    paths: list[Path] = []
    classes: list[int] = []
    others, empty = 0, []
    for k, class_folder in enumerate(folders):
        images, more = image_files(folder / class_folder)
        if not images:
            empty.append(class_folder)
        paths += images
        classes += [k] * len(images)
        others += more
    if empty:
        filled = len(folders) - len(empty)
        raise DatasetError(
            f"{folder / empty[0]} holds no images; {filled} of {len(folders)} class folders do; {found_in(folder)}.",
            remedy,
        )
    return replace(hard(name, labels, paths, classes), notes=others_note(folder, others))


def hard(name: str, labels: tuple[str, ...], paths: Sequence[ImageSource], classes: Sequence[int]) -> FaceSet:
    """A `FaceSet` with hard labels."""
    targets = torch.nn.functional.one_hot(torch.tensor(classes, dtype=torch.long), len(labels)).float()
    return FaceSet(name, labels, tuple(paths), targets)


def require_files(paths: Sequence[Path], reason: str) -> None:
    """Raise a DatasetError with the first missing file, and how many files exist.

    Args:
        paths: The files.
        reason: Why each of them is expected, for the message.
    """
    folders = {path.parent for path in paths}
    listings = {folder: {path.name for path in folder.iterdir()} if folder.is_dir() else set() for folder in folders}
    missing = [path for path in paths if path.name not in listings[path.parent]]
    if missing:
        raise DatasetError(
            f"{missing[0]} is missing ({reason}); {len(paths) - len(missing)} of {len(paths)} files are there.",
            "Copy the dataset completely, in its published layout.",
        )
