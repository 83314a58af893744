"""FER-2013: as fer2013.csv (emotion, pixels, Usage), or in folders train and test by class name or number."""

from __future__ import annotations

import csv
import io
import math
import sys
from pathlib import Path

from dan_model.errors import DatasetError
from dan_model.faces.images import MIN_SIDE
from dan_model.learn.face_set import FaceSet
from dan_model.learn.layouts.folders import SPLIT_FOLDERS, found_in, hard, root_of, split_folder
from dan_model.learn.layouts.held_out import part_of
from dan_model.learn.layouts.named import split_by_class
from dan_model.learn.layouts.tables import column, text_of
from dan_model.learn.sources import TableImage

FER2013_LABELS = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")
TABLES = ("fer2013.csv", "icml_face_data.csv")
USAGES = {"train": "training", "valid": "publictest", "test": "privatetest"}


def fer2013(root: Path, split: str, whole: bool) -> FaceSet:
    """FER-2013: the table where there is one, else the folders."""
    root = root_of(root, lambda one: _table(one) is not None or _has_folders(one))
    table = _table(root)
    if table is not None:
        return _from_table(table, split, whole)
    if not _has_folders(root):
        expected = f"FER-2013 is expected as {' or '.join(TABLES)} or as folders train and test"
        raise DatasetError(f"{expected}; {found_in(root)}.", "Give the folder that holds them.")
    faces = split_by_class("FER-2013", root, split, whole, FER2013_LABELS)
    return faces.in_order_of(FER2013_LABELS)


def _has_folders(root: Path) -> bool:
    return any(split_folder(root, split) for split in SPLIT_FOLDERS)


def _table(root: Path) -> Path | None:
    return next((root / name for name in TABLES if (root / name).is_file()), None)


def _from_table(table: Path, split: str, whole: bool) -> FaceSet:
    csv.field_size_limit(sys.maxsize)
    rows = csv.reader(io.StringIO(text_of(table), newline=""))
    header = next(rows, [])
    emotion, pixels, usage = (column(header, (name,), table) for name in ("emotion", "pixels", "usage"))
    # The rows by split; without rows for validation, some of those for training are held out.
    kept = [(rows.line_num, row) for row in rows if row]
    for line, row in kept:
        if len(row) != len(header) or row[usage].strip().lower() not in USAGES.values():
            found = row[usage] if len(row) == len(header) else f"{len(row)} columns"
            raise DatasetError(f"{table}, line {line} says {found!r}; expected Training, PublicTest or PrivateTest.")
    divided = (
        split != "test"
        and not (whole and split == "train")
        and all(row[usage].strip().lower() != USAGES["valid"] for _, row in kept)
    )
    stored = "train" if divided else split
    images, classes = [], []
    for line, row in kept:
        if row[usage].strip().lower() == USAGES[stored]:
            images.append(TableImage(table, line, _levels(row[pixels], table, line)))
            classes.append(_class(row[emotion], table, line))
    faces = hard(f"FER-2013 {stored}", FER2013_LABELS, images, classes)
    return part_of(faces, [image.levels for image in images], split, table) if divided else faces


def _levels(text: str, table: Path, line: int) -> bytes:
    """The grey levels of a square image."""
    try:
        levels = bytes(map(int, text.split()))
    except ValueError as error:
        raise DatasetError(f"{table}, line {line}: {error}; expected grey levels from 0 to 255.") from error
    if math.isqrt(len(levels)) ** 2 != len(levels) or len(levels) < MIN_SIDE**2:
        raise DatasetError(f"{table}, line {line} holds {len(levels)} grey levels; expected 48 × 48 = 2304.")
    return levels


def _class(text: str, table: Path, line: int) -> int:
    number = text.strip()
    if number not in map(str, range(len(FER2013_LABELS))):
        raise DatasetError(f"{table}, line {line} says emotion {number!r}; expected a number from 0 to 6.")
    return int(number)
