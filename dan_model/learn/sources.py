"""Where the pixels of a dataset's image are: in a file, in a part of one, or written out in a table."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dan_model.errors import ImageError
from dan_model.faces import read_image


@dataclass(frozen=True)
class TableImage:
    """A grey square image that is written out in a line of a table, as in fer2013.csv.

    Attributes:
        table: The table.
        line: Counted from 1.
        levels: Its grey levels, row by row.
    """

    table: Path
    line: int
    levels: bytes

    def __str__(self) -> str:
        return f"{self.table}, line {self.line}"


@dataclass(frozen=True)
class BoxImage:
    """A face in a larger picture, as in AffectNet's lists.

    Attributes:
        path: The picture.
        box: Left, top, width and height of the face, in its pixels.
    """

    path: Path
    box: tuple[int, int, int, int]

    def __str__(self) -> str:
        return str(self.path)


ImageSource = Path | TableImage | BoxImage


def pixels_of(source: ImageSource) -> np.ndarray:
    """The pixels of an image, (H, W, 3) uint8 RGB.

    Raises:
        ImageError: It cannot be used.
    """
    if isinstance(source, TableImage):
        side = round(len(source.levels) ** 0.5)
        return read_image(np.frombuffer(source.levels, np.uint8).reshape(side, side))
    if isinstance(source, BoxImage):
        photo = read_image(source.path)
        left, top, width, height = source.box
        face = photo[max(0, top) : max(0, top + height), max(0, left) : max(0, left + width)]
        if not face.size:
            raise ImageError(f"The face box {source.box} is not in {source.path.name}.", "Correct the list.")
        return read_image(face)
    return read_image(source)
