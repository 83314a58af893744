"""Datasets in their published layouts: where the images are, and what they show.

Every loader gives a `FaceSet`: paths and one target row for each image, in the order of its labels. Nothing is decoded
yet. A folder that is not what its layout says is refused with the first missing file and how many were found.
"""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torchvision.datasets import ImageFolder
from torchvision.datasets.folder import IMG_EXTENSIONS

from dan_model.errors import DatasetError
from dan_model.published import PRESETS

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


@dataclass(frozen=True, eq=False)
class FaceSet:
    """One split of a dataset.

    Attributes:
        name: Of the dataset and split, for messages.
        labels: The K class names in the order of `targets`.
        paths: Of the N images.
        targets: Part of each class in each image, (N, K), rows sum to 1; one-hot for hard labels.
    """

    name: str
    labels: tuple[str, ...]
    paths: tuple[Path, ...]
    targets: Tensor

    def __len__(self) -> int:
        return len(self.paths)

    @property
    def classes(self) -> Tensor:
        """The class of each image, (N,): the one with the largest part."""
        return self.targets.argmax(dim=1)

    def in_order_of(self, labels: Sequence[str]) -> FaceSet:
        """The same images with targets in another network's order of classes.

        Raises:
            DatasetError: The classes are not the same ones.
        """
        missing, unknown = set(labels) - set(self.labels), set(self.labels) - set(labels)
        if missing or unknown:
            only = "; ".join(
                f"only {who} has {', '.join(sorted(names))}"
                for who, names in (("the network", missing), (self.name, unknown))
                if names
            )
            raise DatasetError(f"{self.name} and the network have different classes: {only}.", "Take others to match.")
        order = [self.labels.index(label) for label in labels]
        return replace(self, labels=tuple(labels), targets=self.targets[:, order])

    def joined(self, other: FaceSet) -> FaceSet:
        """These images and another set's, in this one's order of labels.

        Raises:
            DatasetError: The classes are not the same ones.
        """
        if set(self.labels) != set(other.labels):
            raise DatasetError(f"{self.name} and {other.name} have different classes.", "Join parts of one dataset.")
        other = other.in_order_of(self.labels)
        name = self.name if other.name == self.name else f"{self.name} and {other.name}"
        return FaceSet(name, self.labels, self.paths + other.paths, torch.cat([self.targets, other.targets]))

    def every(self, step: int) -> FaceSet:
        """Every step-th image."""
        return replace(self, paths=self.paths[::step], targets=self.targets[::step])


def load_faces(dataset: str, root: Path, split: str, protocol: str = MAJORITY) -> FaceSet:
    """One split of a dataset in its published layout.

    Args:
        dataset: Name in `LOADERS`.
        root: The folder that holds it.
        split: train, valid or test. RAF-DB's test split is its validation split too, as published; AffectNet and SFEW
            have no public test labels.
        protocol: For FER+: `MAJORITY` keeps images with a clear majority and labels them so, `VOTES` keeps the
            distribution of votes.

    Raises:
        DatasetError: No such dataset or split, or the folder is not laid out as published.
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
    """Copy everything of a dataset but its images: label tables and annotations."""
    for path in root.rglob("*"):
        if path.is_file() and not path.name.lower().endswith(IMG_EXTENSIONS):
            place = out / path.relative_to(root)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, place)


def clean_votes(votes: Tensor) -> Tensor:
    """FER+ votes (N, 10) without single ones, which count as mistakes (Barsoum et al., section 3)."""
    return torch.where(votes > 1, votes, 0)


def _ferplus(root: Path, split: str, protocol: str = MAJORITY) -> FaceSet:
    folder = root / {"train": "FER2013Train", "valid": "FER2013Valid", "test": "FER2013Test"}[split]
    table = folder / "label.csv"
    _need([table], "FER+ keeps the votes there")
    with table.open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.reader(file) if row]
    try:
        table_of_votes = [[int(v) for v in row[2:12]] for row in rows]
        votes = clean_votes(torch.tensor(table_of_votes).reshape(len(rows), 10))
    except (ValueError, RuntimeError) as error:
        raise DatasetError(f"{table} holds something else than ten votes a line.", "Take FER+'s own file.") from error
    named, total = votes[:, :8].double(), votes.sum(dim=1).double()
    if protocol == MAJORITY:
        kept = named.amax(dim=1) * 2 > total
        targets = torch.nn.functional.one_hot(named.argmax(dim=1), 8).double()
    elif protocol == VOTES:
        kept = (named.sum(dim=1) * 2 >= total) & (total > 0)  # not mostly "unknown" or "not a face"
        targets = named / named.sum(dim=1, keepdim=True).clamp(min=1)
    else:
        raise DatasetError(f"There is no protocol {protocol!r}.", f"Choose {MAJORITY} or {VOTES}.")
    paths = [folder / rows[i][0] for i in kept.nonzero().flatten().tolist()]
    _need(paths, f"{table} lists it")
    return FaceSet(f"FER+ {split}", FERPLUS_LABELS, tuple(paths), targets[kept].float())


def _rafdb(root: Path, split: str) -> FaceSet:
    table = root / "EmoLabel" / "list_patition_label.txt"  # spelt so
    _need([table], "RAF-DB keeps the labels there")
    prefix = "train" if split == "train" else "test"
    paths, classes = [], []
    for line in table.read_text(encoding="utf-8").split("\n"):
        if not line.startswith(prefix):
            continue
        name, _, number = line.strip().partition(" ")
        if number not in {str(k + 1) for k in range(7)}:
            raise DatasetError(f"{table} says {line!r}.", "Labels run from 1 to 7.")
        paths.append(root / "Image" / "aligned" / f"{Path(name).stem}_aligned.jpg")
        classes.append(int(number) - 1)
    return _hard(f"RAF-DB {split}", RAFDB_LABELS, paths, classes, f"{table} lists it")


def _affectnet(classes: int) -> Callable[[Path, str], FaceSet]:
    labels = AFFECTNET_LABELS[:classes]

    def load(root: Path, split: str) -> FaceSet:
        name = f"AffectNet-{classes} {split}"
        if split == "test":
            raise DatasetError("AffectNet's test labels are not public.", "Take its validation split: valid.")
        raw = root / ("train_set" if split == "train" else "val_set")
        if raw.is_dir():
            return _affectnet_raw(name, labels, raw)
        folder = _first_folder(root, ("train",) if split == "train" else ("val", "valid"), name)
        paths, found = [], []
        for k in range(classes):
            images = _images(folder / str(k))
            if not images:
                there = sum(bool(_images(folder / str(j))) for j in range(classes))
                raise DatasetError(
                    f"{folder / str(k)} holds no images; {there} of {classes} class folders do.",
                    f"AffectNet's folders are named by number: {', '.join(f'{j} {x}' for j, x in enumerate(labels))}.",
                )
            paths += images
            found += [k] * len(images)
        return _hard(name, labels, paths, found, "")

    return load


def _affectnet_raw(name: str, labels: tuple[str, ...], folder: Path) -> FaceSet:
    annotations = sorted((folder / "annotations").glob("*_exp.npy"))
    if not annotations:
        raise DatasetError(f"{folder / 'annotations'} holds no *_exp.npy.", "Copy AffectNet's annotations there.")
    paths, classes = [], []
    for annotation in annotations:
        k = int(np.load(annotation, allow_pickle=False))
        if k < len(labels):
            paths.append(folder / "images" / f"{annotation.name.removesuffix('_exp.npy')}.jpg")
            classes.append(k)
    return _hard(name, labels, paths, classes, "an annotation is there for it")


def _sfew(root: Path, split: str) -> FaceSet:
    if split == "test":
        raise DatasetError("SFEW 2.0's test labels are not public.", "Take its validation split: valid.")
    folder = _first_folder(root, ("Train",) if split == "train" else ("Val",), f"SFEW 2.0 {split}")
    return _class_folders(f"SFEW 2.0 {split}", folder, RAFDB_LABELS)


def _folder(root: Path, split: str) -> FaceSet:
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
"""By name. `folder` is any root/split/class/image."""


def _class_folders(name: str, folder: Path, labels: tuple[str, ...] | None) -> FaceSet:
    """Class folders by name; any spelling of the seven usual expressions is brought to one."""
    try:
        found = ImageFolder(folder, allow_empty=True)
    except FileNotFoundError as error:
        raise DatasetError(f"{folder} has no class folders.", "Put the images of each class into its own.") from error
    names = tuple(SYNONYMS.get(folder_name.lower(), folder_name.lower()) for folder_name in found.classes)
    if len(set(names)) < len(names):
        raise DatasetError(f"{folder} has two folders of one class: {', '.join(found.classes)}.", "Make them one.")
    empty = [found.classes[k] for k in range(len(names)) if k not in found.targets]
    if empty:
        there = len(names) - len(empty)
        raise DatasetError(
            f"{folder / empty[0]} holds no images; {there} of {len(names)} class folders do.", "Fill it."
        )
    face_set = _hard(name, names, [Path(path) for path, _ in found.samples], found.targets, "")
    return face_set if labels is None else face_set.in_order_of(labels)


def _hard(name: str, labels: tuple[str, ...], paths: list[Path], classes: Sequence[int], why: str) -> FaceSet:
    _need(paths, why)
    targets = torch.nn.functional.one_hot(torch.tensor(classes), len(labels)).float()
    return FaceSet(name, labels, tuple(paths), targets)


def _need(paths: Sequence[Path], why: str) -> None:
    """Raise a DatasetError with the first missing file and the count of those that are there."""
    listings = {folder: set(_names(folder)) for folder in {path.parent for path in paths}}
    missing = [path for path in paths if path.name not in listings[path.parent]]
    if missing:
        raise DatasetError(
            f"{missing[0]} is missing ({why}); {len(paths) - len(missing)} of {len(paths)} files are there.",
            "Copy the dataset completely, in its published layout.",
        )


def _names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()] if folder.is_dir() else []


def _images(folder: Path) -> list[Path]:
    return [folder / name for name in sorted(_names(folder)) if name.lower().endswith(IMG_EXTENSIONS)]


def _first_folder(root: Path, names: Sequence[str], what: str) -> Path:
    for name in names:
        if (root / name).is_dir():
            return root / name
    raise DatasetError(f"{root / names[0]} is no folder.", f"{what} is looked for there.")
