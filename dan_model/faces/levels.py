"""Images of 16 bits and more -> levels of 8 bits, also where a file uses a small part of its range."""

from __future__ import annotations

import numpy as np

from dan_model.errors import ImageError

RANGES = (255, 1023, 4095, 16383)
"""Highest level of 8, 10, 12 and 14 bits, as cameras and microscopes put them into files of 16 bits."""
STRETCHING = " To stretch its levels: explain --stretch, or read_photo(…, stretch=True)."


class LevelNote(str):
    """A note on an image whose levels use few bits, and can be stretched or were."""

    __slots__ = ()


def grey_top(lowest: float, highest: float, mode: str, name: str, stretch: bool) -> tuple[float, list[str]]:
    """The level that is white in PIL's 16-bit, 32-bit and float modes, and notes; see `level_top`.

    Where the mode leaves the range open, it follows from the lowest and highest level that occur.

    Raises:
        ImageError: The levels have no known range.
    """
    top = 65535.0 if mode.startswith("I;16") else next((t for t in (1.0, 255.0, 65535.0) if highest <= t), None)
    if top is None or lowest < 0:
        raise ImageError(
            f"{name} has grey levels from {lowest:g} to {highest:g}.", "Save it as an 8-bit or 16-bit image."
        )
    return level_top(int(highest), name, stretch) if top == 65535 else (top, [])


def level_top(brightest: int, name: str, stretch: bool) -> tuple[float, list[str]]:
    """The level of 16 bits that is white, and a note where the levels use a small part of their range.

    Args:
        brightest: The highest level that occurs, at most 65535.
        name: Of the image, for the note.
        stretch: Whether such levels are stretched: the highest level of 8, 10, 12 or 14 bits is white.
    """
    top = next((top for top in RANGES if brightest <= top), 65535)
    if brightest == 0 or top == 65535:
        return 65535, []
    if stretch:
        return top, [LevelNote(f"The levels of {name} were stretched: {top} of 65535 is white.")]
    return 65535, [dark_note(name, str(brightest), top)]


def unit(levels: np.ndarray, top: float) -> np.ndarray:
    """Floating-point levels from 0 to `top` as 8 bits, of the same shape."""
    return np.rint((levels / top).clip(0, 1) * 255).astype(np.uint8)


def of_16_bits(levels: np.ndarray, top: float) -> np.ndarray:
    """Levels of 16 bits as 8 bits, of the same shape, through a table: no copy in floats."""
    table: np.ndarray = unit(np.arange(65536, dtype=np.float64), top)
    return table[levels]


def dark_note(name: str, brightest: str, top: int) -> LevelNote:
    """What is said of an image of 16 bits that is not stretched; `top` is the highest level that it could have."""
    bits = (top + 1).bit_length() - 1
    return LevelNote(
        f"The brightest level of {name} is {brightest} of 65535: it may hold {bits} bits. It is read as it is, nearly "
        f"black.{STRETCHING}"
    )
