"""RAF-DB: as published, or as it is passed around, in class folders or with a CSV file."""

from __future__ import annotations

from pathlib import Path

from dan_model.errors import DatasetError
from dan_model.learn.face_set import FaceSet
from dan_model.learn.layouts.folders import by_class, found_in, hard, require_files, root_of
from dan_model.learn.layouts.tables import CLASS_COLUMNS, IMAGE_COLUMNS, column, rows_of, text_of
from dan_model.weights import PRESETS

RAFDB_LABELS = tuple(PRESETS["rafdb"].labels)
NUMBERS = tuple(str(k + 1) for k in range(len(RAFDB_LABELS)))
TABLE = Path("EmoLabel", "list_patition_label.txt")  # the published spelling


def rafdb(root: Path, split: str, whole: bool) -> FaceSet:
    """RAF-DB; its test split serves for validation too, as published."""
    root = root_of(root, _is_rafdb)
    part = "train" if split == "train" else "test"
    name, folder = f"RAF-DB {split}", root / part
    if (root / TABLE.parent).is_dir():
        return _published(name, root, part)
    if any((folder / number).is_dir() for number in NUMBERS):
        return by_class(name, folder, NUMBERS, RAFDB_LABELS, "RAF-DB's class folders are named 1 to 7.")
    table = root / f"{part}_labels.csv"
    if folder.is_dir() and table.is_file():
        return _listed(name, folder, table)
    raise DatasetError(
        f"{root / TABLE} is missing (RAF-DB has the labels there), and there are no class folders {part}/1 to 7; "
        f"{found_in(root)}.",
        "Give RAF-DB's folder, as published or with class folders 1 to 7; by class name it is the dataset `folder`.",
    )


def _is_rafdb(root: Path) -> bool:
    return (root / TABLE.parent).is_dir() or any(
        (root / part / NUMBERS[0]).is_dir() or (root / f"{part}_labels.csv").is_file() for part in ("train", "test")
    )


def _published(name: str, root: Path, part: str) -> FaceSet:
    """A class from 1 to 7 a line, and the images in Image/aligned."""
    table = root / TABLE
    require_files([table], "RAF-DB has the labels there")
    folder = root / "Image" / "aligned"
    folder = folder / "aligned" if (folder / "aligned").is_dir() else folder
    paths, classes = [], []
    for line in text_of(table).splitlines():
        if not line.startswith(part):
            continue
        file, *numbers = line.split()
        if len(numbers) != 1 or numbers[0] not in NUMBERS:
            raise DatasetError(f"{table} says {line!r}.", "Labels run from 1 to 7.")
        paths.append(folder / f"{Path(file).stem.removesuffix('_aligned')}_aligned.jpg")
        classes.append(NUMBERS.index(numbers[0]))
    require_files(paths, f"{table} lists it")
    return hard(name, RAFDB_LABELS, paths, classes)


def _listed(name: str, folder: Path, table: Path) -> FaceSet:
    """All images in one folder, their classes in a CSV file."""
    header, *rows = rows_of(table) or [[]]
    image, label = column(header, IMAGE_COLUMNS, table), column(header, CLASS_COLUMNS, table)
    paths, classes = [], []
    for row in rows:
        if len(row) != len(header) or row[label].strip() not in NUMBERS:
            raise DatasetError(f"{table} says {','.join(row)!r}.", "Labels run from 1 to 7.")
        paths.append(folder / row[image].strip())
        classes.append(NUMBERS.index(row[label].strip()))
    require_files(paths, f"{table} lists it")
    return hard(name, RAFDB_LABELS, paths, classes)
