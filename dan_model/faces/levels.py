"""Images of 16 bits and more -> levels on a [0, 1] scale, also where a file uses a small part of its range."""

from __future__ import annotations

import numpy as np

from dan_model.errors import ImageError

RANGES = (255, 1023, 4095, 16383)
"""Highest level of 8, 10, 12 and 14 bits, as cameras and microscopes put them into files of 16 bits."""
STRETCHING = " To stretch its levels: explain --stretch, or read_photo(…, stretch=True)."


class LevelNote(str):
    """A note on an image whose levels use few bits, and can be stretched or were."""

    __slots__ = ()


def unit_grey(values: np.ndarray, mode: str, name: str, stretch: bool) -> tuple[np.ndarray, list[str]]:
    """Grey levels of PIL's 16-bit, 32-bit and float modes on a [0, 1] scale, and notes; see `unit_levels`.

    Where the mode leaves the range open, it follows from the values.

    Raises:
        ImageError: The levels have no known range.
    """
    grey = values.astype(np.float64)
    top = 65535.0 if mode.startswith("I;16") else next((t for t in (1.0, 255.0, 65535.0) if grey.max() <= t), None)
    if top is None or grey.min() < 0:
        raise ImageError(
            f"{name} has grey levels from {grey.min():g} to {grey.max():g}.", "Save it as an 8-bit or 16-bit image."
        )
    return unit_levels(grey, name, stretch) if top == 65535 else (grey / top, [])


def unit_levels(levels: np.ndarray, name: str, stretch: bool) -> tuple[np.ndarray, list[str]]:
    """Levels of 16 bits on a [0, 1] scale, and a note where they use a small part of their range.

    Args:
        levels: At most 65535.
        name: Of the image, for the note.
        stretch: Whether such levels are stretched: the highest level of 8, 10, 12 or 14 bits becomes 1.
    """
    brightest = int(levels.max())
    top = next((top for top in RANGES if brightest <= top), 65535)
    if brightest == 0 or top == 65535:
        return levels / 65535, []
    if stretch:
        return levels / top, [LevelNote(f"The levels of {name} were stretched: {top} of 65535 is white.")]
    return levels / 65535, [dark_note(name, str(brightest), top)]


def dark_note(name: str, brightest: str, top: int) -> LevelNote:
    """What is said of an image of 16 bits that is not stretched; `top` is the highest level that it could have."""
    bits = (top + 1).bit_length() - 1
    return LevelNote(
        f"The brightest level of {name} is {brightest} of 65535: it may hold {bits} bits. It is read as it is, nearly "
        f"black.{STRETCHING}"
    )
