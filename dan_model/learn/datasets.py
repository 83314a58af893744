"""Datasets in their published layouts: the paths of the images, and their classes.

Every loader returns a `FaceSet`: the paths, and one row of targets for each image, in the order of its labels. No image
is decoded here. A folder with another layout is refused; the message gives the first missing file and how many files
were found.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from dan_model.errors import DatasetError
from dan_model.faces import image_files, is_image_file, others_note, visible_files
from dan_model.files import write_bytes
from dan_model.learn.face_set import FaceSet
from dan_model.weights import PRESETS

FERPLUS_LABELS = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt")
RAFDB_LABELS = tuple(PRESETS["rafdb"].labels)
SFEW_LABELS = RAFDB_LABELS
AFFECTNET_LABELS = tuple(PRESETS["affectnet8"].labels)
SYNONYMS = {
    "angry": "anger", "disgusted": "disgust", "fearful": "fear", "happy": "happiness", "sad": "sadness",
    "surprised": "surprise",
}  # fmt: skip
SPLITS = ("train", "valid", "test")
MAJORITY, VOTES = "majority", "votes"


def load_faces(dataset: str, root: Path, split: str, protocol: str = MAJORITY) -> FaceSet:
    """Load one split of a dataset in its published layout.

    Args:
        dataset: One of `LOADERS`.
        root: The folder of the dataset.
        split: One of `SPLITS`. RAF-DB uses its test split for validation too, as published. The test labels of
            AffectNet and SFEW are not public.
        protocol: For FER+ only. `MAJORITY`: images with a clear majority of votes, with hard labels. `VOTES`: the
            distribution of the votes as targets.

    Raises:
        DatasetError: There is no such dataset or split, or the folder does not have the published layout.
    """
    if dataset not in LOADERS:
        raise DatasetError(f"There is no dataset {dataset!r}.", f"Choose from: {', '.join(LOADERS)}.")
    if split not in SPLITS:
        raise DatasetError(f"There is no split {split!r}.", f"Choose from: {', '.join(SPLITS)}.")
    if not root.is_dir():
        raise DatasetError(f"{root} is no folder.", f"Give the folder that holds {dataset}.")
    faces = _ferplus(root, split, protocol) if dataset == "ferplus" else LOADERS[dataset](root, split)
    if not len(faces):
        raise DatasetError(f"{faces.name} is empty.", "Copy its images and labels.")
    return faces


def copy_tables(root: Path, out: Path) -> None:
    """Copy all files of a dataset except its images: label tables and annotations."""
    for path in visible_files(root):
        if not is_image_file(path):
            write_bytes(out / path.relative_to(root), path.read_bytes())


def clean_votes(votes: Tensor) -> Tensor:
    """FER+ votes (N, 10) without single votes, which count as mistakes (Barsoum et al. 2016, section 3)."""
    return torch.where(votes > 1, votes, 0)


def _ferplus(root: Path, split: str, protocol: str = MAJORITY) -> FaceSet:
    """FER+: FER2013Train/label.csv with ten votes a line, and the images beside it."""
    # The votes.
    folder = root / {"train": "FER2013Train", "valid": "FER2013Valid", "test": "FER2013Test"}[split]
    table = folder / "label.csv"
    _require_files([table], "FER+ has the votes there")
    with table.open(newline="", encoding="utf-8-sig") as file:
        rows = [row for row in csv.reader(file) if row]
    try:
        numbers = [[int(v) for v in row[2:12]] for row in rows]
        votes = clean_votes(torch.tensor(numbers).reshape(len(rows), 10))
    except (ValueError, RuntimeError) as error:
        raise DatasetError(f"{table} holds something else than ten votes a line.", "Take FER+'s own file.") from error
    # Targets, and the images that the protocol uses. The last two columns are "unknown" and "not a face".
    expressions, total = votes[:, :8].double(), votes.sum(dim=1).double()
    if protocol == MAJORITY:
        used = expressions.amax(dim=1) * 2 > total
        targets = torch.nn.functional.one_hot(expressions.argmax(dim=1), 8).double()
    elif protocol == VOTES:
        used = (expressions.sum(dim=1) * 2 >= total) & (total > 0)
        targets = expressions / expressions.sum(dim=1, keepdim=True).clamp(min=1)
    else:
        raise DatasetError(f"There is no protocol {protocol!r}.", f"Choose {MAJORITY} or {VOTES}.")
    paths = [folder / rows[i][0] for i in used.nonzero().flatten().tolist()]
    _require_files(paths, f"{table} lists it")
    return FaceSet(f"FER+ {split}", FERPLUS_LABELS, tuple(paths), targets[used].float())


def _rafdb(root: Path, split: str) -> FaceSet:
    """RAF-DB: EmoLabel/list_patition_label.txt with a class from 1 to 7 a line, and the images in Image/aligned.

    Also as it is passed around: class folders 1 to 7 below train and test, perhaps in a folder DATASET.
    """
    root = next((one for one in (root, root / "basic", root / "DATASET") if _is_rafdb(one)), root)
    if (root / "train" / "1").is_dir():
        return _rafdb_folders(root, split)
    table = root / "EmoLabel" / "list_patition_label.txt"  # the published spelling
    _require_files([table], "RAF-DB has the labels there")
    prefix = "train" if split == "train" else "test"
    paths, classes = [], []
    for line in table.read_text(encoding="utf-8-sig").split("\n"):
        if not line.startswith(prefix):
            continue
        name, _, number = line.strip().partition(" ")
        if number not in {str(k + 1) for k in range(7)}:
            raise DatasetError(f"{table} says {line!r}.", "Labels run from 1 to 7.")
        paths.append(root / "Image" / "aligned" / f"{Path(name).stem.removesuffix('_aligned')}_aligned.jpg")
        classes.append(int(number) - 1)
    return _hard(f"RAF-DB {split}", RAFDB_LABELS, paths, classes, f"{table} lists it")


def _is_rafdb(root: Path) -> bool:
    """Whether a folder holds RAF-DB: as published, or in class folders."""
    return (root / "EmoLabel").is_dir() or (root / "train" / "1").is_dir()


def _rafdb_folders(root: Path, split: str) -> FaceSet:
    """RAF-DB in folders 1 to 7, numbered as its labels are."""
    folder = root / ("train" if split == "train" else "test")
    names = [str(k + 1) for k in range(len(RAFDB_LABELS))]
    return _by_class(f"RAF-DB {split}", folder, names, RAFDB_LABELS, "RAF-DB's class folders are named 1 to 7.")


def _affectnet(classes: int) -> Callable[[Path, str], FaceSet]:
    """A loader for AffectNet with seven or eight classes, raw or sorted into folders by class number."""
    labels = AFFECTNET_LABELS[:classes]

    def load(root: Path, split: str) -> FaceSet:
        name = f"AffectNet-{classes} {split}"
        if split == "test":
            raise DatasetError("AffectNet's test labels are not public.", "Take its validation split: valid.")
        # The raw layout.
        raw = root / ("train_set" if split == "train" else "val_set")
        if raw.is_dir():
            return _affectnet_raw(name, labels, raw)
        # The layout with class folders.
        folder = _first_folder(root, ("train",) if split == "train" else ("val", "valid"), name)
        remedy = f"AffectNet's folders are named by number: {', '.join(f'{k} {x}' for k, x in enumerate(labels))}."
        return _by_class(name, folder, [str(k) for k in range(classes)], labels, remedy)

    return load


def _affectnet_raw(name: str, labels: tuple[str, ...], folder: Path) -> FaceSet:
    """AffectNet as distributed: annotations/N_exp.npy with the class of images/N.jpg."""
    annotations = sorted(path for path in (folder / "annotations").glob("*_exp.npy") if path.name[0] != ".")
    if not annotations:
        raise DatasetError(f"{folder / 'annotations'} holds no *_exp.npy.", "Copy AffectNet's annotations there.")
    paths, classes = [], []
    for annotation in annotations:
        k = _annotated_class(annotation)
        if k < len(labels):
            paths.append(folder / "images" / f"{annotation.name.removesuffix('_exp.npy')}.jpg")
            classes.append(k)
    return _hard(name, labels, paths, classes, "it has an annotation")


def _annotated_class(path: Path) -> int:
    """The class in one of AffectNet's annotation files: a number, or text that is one, alone or in an array of one."""
    try:
        number = float(str(np.load(path, allow_pickle=False).reshape(()).item()))
        if number != int(number) or number < 0:
            raise ValueError(f"{number:g} is no class")
    except (OSError, ValueError, EOFError, OverflowError) as error:
        raise DatasetError(f"{path} holds no class: {error}.", "AffectNet's own files hold a number each.") from error
    return int(number)


def _sfew(root: Path, split: str) -> FaceSet:
    """SFEW 2.0: Train and Val, with folders by class name."""
    if split == "test":
        raise DatasetError("SFEW 2.0's test labels are not public.", "Take its validation split: valid.")
    folder = _first_folder(root, ("Train",) if split == "train" else ("Val",), f"SFEW 2.0 {split}")
    return _class_folders(f"SFEW 2.0 {split}", folder, RAFDB_LABELS)


def _folder(root: Path, split: str) -> FaceSet:
    """Any root/split/class/image."""
    names = {"train": ("train", "Train"), "valid": ("valid", "val", "Val"), "test": ("test", "Test")}[split]
    return _class_folders(f"{root.name} {split}", _first_folder(root, names, root.name), None)


LOADERS: Mapping[str, Callable[[Path, str], FaceSet]] = {
    "ferplus": _ferplus,
    "rafdb": _rafdb,
    "affectnet7": _affectnet(7),
    "affectnet8": _affectnet(8),
    "sfew": _sfew,
    "folder": _folder,
}
"""The loader of each dataset, by name; `folder` is any root/split/class/image."""


def _class_folders(name: str, folder: Path, labels: tuple[str, ...] | None) -> FaceSet:
    """Folders by class name; the usual spellings of an expression ("Happy", "happiness") are one class."""
    folders = sorted(path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    if not folders:
        raise DatasetError(f"{folder} has no class folders.", "Put the images of each class into its own.")
    names = tuple(SYNONYMS.get(folder_name.lower(), folder_name.lower()) for folder_name in folders)
    if len(set(names)) < len(names):
        raise DatasetError(f"{folder} has two folders of one class: {', '.join(folders)}.", "Merge them.")
    face_set = _by_class(name, folder, folders, names, "Fill it, or remove the folder.")
    return face_set if labels is None else face_set.in_order_of(labels)


def _by_class(name: str, folder: Path, folders: Sequence[str], labels: tuple[str, ...], remedy: str) -> FaceSet:
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
        raise DatasetError(f"{folder / empty[0]} holds no images; {filled} of {len(folders)} class folders do.", remedy)
    return replace(_hard(name, labels, paths, classes, ""), notes=others_note(folder, others))


def _hard(name: str, labels: tuple[str, ...], paths: list[Path], classes: Sequence[int], reason: str) -> FaceSet:
    """A `FaceSet` with hard labels."""
    _require_files(paths, reason)
    targets = torch.nn.functional.one_hot(torch.tensor(classes), len(labels)).float()
    return FaceSet(name, labels, tuple(paths), targets)


def _require_files(paths: Sequence[Path], reason: str) -> None:
    """Raise a DatasetError with the first missing file, and how many files exist.

    Args:
        paths: The files.
        reason: Why each of them is expected, for the message.
    """
    listings = {folder: set(_names(folder)) for folder in {path.parent for path in paths}}
    missing = [path for path in paths if path.name not in listings[path.parent]]
    if missing:
        raise DatasetError(
            f"{missing[0]} is missing ({reason}); {len(paths) - len(missing)} of {len(paths)} files are there.",
            "Copy the dataset completely, in its published layout.",
        )


def _names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()] if folder.is_dir() else []


def _first_folder(root: Path, names: Sequence[str], content: str) -> Path:
    """The first of the folders that exists."""
    for name in names:
        if (root / name).is_dir():
            return root / name
    raise DatasetError(f"{root / names[0]} is no folder.", f"{content} is expected there.")
