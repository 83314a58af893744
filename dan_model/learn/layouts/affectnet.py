"""AffectNet: class folders by number, as distributed (images and annotations), or as lists of pictures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from dan_model.errors import DatasetError
from dan_model.learn.face_set import FaceSet
from dan_model.learn.layouts.folders import by_class, found_in, hard, label_of, require_files, root_of
from dan_model.learn.layouts.tables import CLASS_COLUMNS, IMAGE_COLUMNS, column, rows_of
from dan_model.learn.sources import BoxImage, ImageSource
from dan_model.weights import PRESETS

AFFECTNET_LABELS = tuple(PRESETS["affectnet8"].labels)
OTHERS = ("none", "uncertain", "no face")  # classes 8 to 10
NUMBERS = {str(k): label for k, label in enumerate((*AFFECTNET_LABELS, *OTHERS))}
RAW = {"train": "train_set", "valid": "val_set"}
FOLDERS = {"train": ("train",), "valid": ("val", "valid")}
TABLES = {
    "train": ("training.csv", "train.csv", "train_labels.csv"),
    "valid": ("validation.csv", "valid.csv", "val.csv", "valid_labels.csv", "val_labels.csv"),
}
TABLE_FOLDERS = ("", "Manually_Annotated_file_lists")
HEADER = [
    "subDirectory_filePath", "face_x", "face_y", "face_width", "face_height", "facial_landmarks", "expression",
    "valence", "arousal",
]  # fmt: skip
BOX = ("face_x", "face_y", "face_width", "face_height")
PICTURES = (
    "", "Manually_Annotated_Images", "Manually_Annotated", "Manually_Annotated/Manually_Annotated_Images", "images",
)  # fmt: skip


def affectnet(classes: int) -> Callable[[Path, str, bool], FaceSet]:
    """A loader for AffectNet with seven or eight classes."""
    labels = AFFECTNET_LABELS[:classes]

    def load(root: Path, split: str, whole: bool) -> FaceSet:
        name = f"AffectNet-{classes} {split}"
        if split == "test":
            raise DatasetError("AffectNet's test labels are not public.", "Take its validation split: valid.")
        root = root_of(root, _is_affectnet)
        if (root / RAW[split]).is_dir():
            return _annotated(name, labels, root / RAW[split])
        folder = next((root / one for one in FOLDERS[split] if (root / one).is_dir()), None)
        table = _table(root, split)
        if folder is not None and (table is None or any((folder / str(k)).is_dir() for k in range(classes))):
            numbered = ", ".join(f"{k} {label}" for k, label in enumerate(labels))
            remedy = f"AffectNet's folders are named by number: {numbered}; by class name it is the dataset `folder`."
            return by_class(name, folder, [str(k) for k in range(classes)], labels, remedy)
        if table is not None:
            return _listed(name, labels, root, table, split)
        raise DatasetError(
            f"{name} is expected as {FOLDERS[split][0]}/0 to {classes - 1}, {RAW[split]}/annotations or "
            f"{TABLES[split][0]}; {found_in(root)}.",
            "Give the folder that holds one of these.",
        )

    return load


def _is_affectnet(root: Path) -> bool:
    """Whether a folder holds a split of AffectNet in one of its layouts."""
    return any(
        (root / RAW[split] / "annotations").is_dir()
        or any((root / one / "0").is_dir() for one in FOLDERS[split])
        or _table(root, split) is not None
        for split in RAW
    )


def _table(root: Path, split: str) -> Path | None:
    paths = [root / folder / name for folder in TABLE_FOLDERS for name in TABLES[split]]
    return next((path for path in paths if path.is_file()), None)


def _annotated(name: str, labels: tuple[str, ...], folder: Path) -> FaceSet:
    """As distributed: annotations/N_exp.npy with the class of images/N.jpg."""
    annotations = sorted(path for path in (folder / "annotations").glob("*_exp.npy") if path.name[0] != ".")
    if not annotations:
        raise DatasetError(
            f"{folder / 'annotations'} holds no *_exp.npy; {found_in(folder)}.", "Copy AffectNet's annotations there."
        )
    paths: list[ImageSource] = [
        folder / "images" / f"{annotation.name.removesuffix('_exp.npy')}.jpg" for annotation in annotations
    ]
    return _of_labels(name, labels, paths, [_annotation(path) for path in annotations], "it has an annotation")


def _annotation(path: Path) -> str:
    """The class in an annotation file: a number, or text that is one, alone or in an array of one."""
    try:
        value = np.load(path, allow_pickle=False)
        found = f"{value.size} values"
        if value.size == 1:
            item = value.reshape(()).item()
            found = repr(item)
            number = float(item.decode() if isinstance(item, bytes) else str(item))
            if number == int(number) and str(int(number)) in NUMBERS:
                return NUMBERS[str(int(number))]
    except EOFError:
        found = "nothing"
    except (OSError, ValueError, OverflowError) as error:
        found = f"something else ({error})"  # such as a pickled object, which could run a program
    raise DatasetError(
        f"{path} holds no class: expected a number from 0 to 10, found {found}.", "AffectNet's own files hold one each."
    )


def _listed(name: str, labels: tuple[str, ...], root: Path, table: Path, split: str) -> FaceSet:
    """A list of pictures with their classes, by number or name, and perhaps the box of the face in each."""
    rows = rows_of(table)
    # AffectNet's own list of the validation images has no header.
    first = rows[0] if rows else []
    own = len(first) == len(HEADER) and first[6].strip() in NUMBERS
    header, rows = (HEADER, rows) if own else (first, rows[1:])
    image, label = column(header, IMAGE_COLUMNS, table), column(header, CLASS_COLUMNS, table)
    names = [entry.strip().lower() for entry in header]
    box = [names.index(side) for side in BOX] if set(BOX) <= set(names) else None
    if not rows:
        raise DatasetError(f"{table} lists no images.", "Copy it completely.")
    # Where the pictures are.
    files = [row[image].strip().replace("\\", "/") if len(row) == len(header) else "" for row in rows]
    places = [root / place for place in (*PICTURES, *FOLDERS[split], RAW[split])]
    place = next((place for place in places if files[0] and (place / files[0]).is_file()), None)
    if place is None:
        below = ", ".join(str(place.relative_to(root)) for place in places[1:])
        raise DatasetError(f"{table} lists {files[0]!r}, which is neither in {root} nor below it in {below}.")
    # The rows.
    sources: list[ImageSource] = []
    classes = []
    for file, row in zip(files, rows, strict=True):
        try:
            sides = () if box is None else tuple(int(float(row[k])) for k in box)
            text = row[label].strip()
            classes.append(NUMBERS.get(text) or _named(text))
        except (IndexError, ValueError) as error:
            raise DatasetError(f"{table} says {','.join(row)[:200]!r} ({error}).", "Correct this line.") from error
        sources.append(BoxImage(place / file, (sides[0], sides[1], sides[2], sides[3])) if sides else place / file)
    return _of_labels(name, labels, sources, classes, f"{table} lists it")


def _named(text: str) -> str:
    if (label := label_of(text)) not in NUMBERS.values():
        raise ValueError(f"{text!r} is none of {', '.join(AFFECTNET_LABELS)}, nor a number from 0 to 10")
    return label


def _of_labels(
    name: str, labels: tuple[str, ...], sources: list[ImageSource], classes: list[str], reason: str
) -> FaceSet:
    """The images of these classes; a note counts the others."""
    kept = [i for i, label in enumerate(classes) if label in labels]
    chosen = [sources[i] for i in kept]
    require_files([one.path if isinstance(one, BoxImage) else Path(str(one)) for one in chosen], reason)
    faces = hard(name, labels, chosen, [labels.index(classes[i]) for i in kept])
    if len(kept) == len(classes):
        return faces
    others = ", ".join(label for label in NUMBERS.values() if label not in labels)
    note = f"{name}: {len(classes) - len(kept):,} images of other classes ({others}) are left out."
    return replace(faces, notes=(note,))
