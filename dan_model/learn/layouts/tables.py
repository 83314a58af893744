"""Lists of images and classes: the text of a table whatever its encoding, and its columns by name."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Sequence
from pathlib import Path

from dan_model.errors import DatasetError

IMAGE_COLUMNS = (
    "image", "file", "filename", "file_name", "name", "path", "pth", "filepath", "file_path", "subdirectory_filepath",
)  # fmt: skip
CLASS_COLUMNS = ("label", "expression", "emotion", "exp", "class")


def text_of(table: Path) -> str:
    """The text of a table: UTF-8 with or without a byte-order mark, or UTF-16 with one."""
    content = table.read_bytes()
    encoding = "utf-16" if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        raise DatasetError(f"{table} is not a text in UTF-8 ({error}).", "Save it as UTF-8.") from error


def rows_of(table: Path) -> list[list[str]]:
    """The rows of a CSV file, without empty ones."""
    return [row for row in csv.reader(io.StringIO(text_of(table), newline="")) if row]


def column(header: Sequence[str], names: Sequence[str], table: Path) -> int:
    """Where a column is that may have several names.

    Raises:
        DatasetError: It is not there.
    """
    found = [name.strip().lower() for name in header]
    for name in names:
        if name in found:
            return found.index(name)
    raise DatasetError(
        f"{table} has no column {' or '.join(names)}; its first line is {','.join(header)[:200]!r}.",
        "Name its columns.",
    )
