"""A JPEG that is cut short: which of its rows the file still has."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

END = b"\xff\xd9"  # marks the end of a JPEG
FILLERS = (b"", bytes(range(1, 255)), bytes(range(254, 0, -1)))
"""Continuations of a file: what the decoder makes of them differs wherever the file itself says nothing."""
BLOCK_ROWS = 8  # rows of one block; in a progressive JPEG, what is missing at the end is flat in whole blocks


def with_end(data: bytes) -> bytes:
    """The data of a JPEG that is cut short, so that decoders read what is there."""
    return data + END


def rows_there(data: bytes, size: tuple[int, int]) -> int:
    """How many rows, from the top as they are stored, are in a JPEG that is cut short.

    Args:
        data: The file.
        size: Width and height at which it is decoded; less than its own for large ones.
    """
    first, *others = (_decoded(data + filler + END, size) for filler in FILLERS)
    with Image.open(io.BytesIO(with_end(data)), formats=("JPEG", "MPO")) as image:
        if image.info.get("progressive"):
            return len(first) - _flat_rows(first)
    differs = np.any([(first != other).any(axis=(1, 2)) for other in others], axis=0)
    return int(differs.argmax()) if differs.any() else len(first)


def _decoded(data: bytes, size: tuple[int, int]) -> np.ndarray:
    with Image.open(io.BytesIO(data), formats=("JPEG", "MPO")) as image:
        image.draft(None, size)
        return np.asarray(image.convert("RGB"))


def _flat_rows(pixels: np.ndarray) -> int:
    """How many rows at the bottom have a single colour each, in whole blocks."""
    flat = (pixels == pixels[:, :1]).all(axis=(1, 2))
    count = int(np.argmin(flat[::-1])) if not flat.all() else len(flat)
    return count // BLOCK_ROWS * BLOCK_ROWS
