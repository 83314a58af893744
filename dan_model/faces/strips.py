"""An image in memory -> RGB pixels, a strip of rows at a time: beside the image, only the result needs memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from PIL import Image

from dan_model.errors import ImageError
from dan_model.faces.colours import in_srgb, over_white
from dan_model.faces.levels import grey_top, unit

STRIP = 1_000_000  # pixels
ORIENTATION = 0x0112
BGR = (2, 1, 0, 3)  # where RGB and transparency are in OpenCV's pixels

Rows = Callable[[int, int], Image.Image]
"""Gives the rows of an image from one up to another."""


def rgb_pixels(
    image: Image.Image, name: str, stretch: bool, notes: list[str], decoded: np.ndarray | None = None
) -> np.ndarray:
    """The pixels of an image, (H, W, 3) uint8 RGB: upright, in sRGB, over white where it is transparent.

    Args:
        image: Decoded, unless `decoded` is given.
        name: Of the image, for messages.
        stretch: See `read_photo`.
        notes: What is odd about the image is added.
        decoded: Its pixels (H, W, 3 or 4) uint8, BGR or BGRA, where OpenCV decoded it.

    Raises:
        ImageError: Its levels have no known range, or its colour mode is not known.
    """
    width, height = image.size

    def rows(top: int, bottom: int) -> Image.Image:
        if decoded is not None:
            return Image.fromarray(np.ascontiguousarray(decoded[top:bottom][..., BGR[: decoded.shape[2]]]))
        return image.crop((0, top, width, bottom))

    strips = list(_strips(width, height))
    if image.mode.startswith(("I", "F")):
        convert = _grey(rows, strips, image.mode, name, stretch, notes)
    else:
        convert = _colours(image, name, notes)
    stored, upright = _places(width, height, orientation(image))
    for top, bottom in strips:
        stored[top:bottom] = convert(rows(top, bottom))
    return upright


def orientation(image: Image.Image) -> int:
    """The EXIF orientation, 1 where there is none; whatever else is in the EXIF, even nonsense, does not matter."""
    try:
        return int(image.getexif().get(ORIENTATION, 1))
    except Exception:
        return 1


def turned(stored: np.ndarray, turn: int) -> np.ndarray:
    """A view of a picture as it is stored, (H, W, …), turned upright by its EXIF orientation."""
    quarters = {3: 2, 5: 1, 6: 3, 7: 3, 8: 1}.get(turn, 0)  # counterclockwise
    mirrored = stored[:, ::-1] if turn in (2, 5, 7) else stored[::-1] if turn == 4 else stored
    return np.rot90(mirrored, quarters)


def _places(width: int, height: int, turn: int) -> tuple[np.ndarray, np.ndarray]:
    """Room for the pixels, as they are stored and upright: the second is what is returned, whole in memory."""
    upright = np.empty((width, height, 3) if turn in (5, 6, 7, 8) else (height, width, 3), np.uint8)
    undo = {6: 8, 8: 6}.get(turn, turn)  # all others undo themselves
    return turned(upright, undo), upright


def _strips(width: int, height: int) -> Iterator[tuple[int, int]]:
    rows = max(1, STRIP // width)
    for top in range(0, height, rows):
        yield top, min(top + rows, height)


def _colours(image: Image.Image, name: str, notes: list[str]) -> Callable[[Image.Image], np.ndarray]:
    """Converts rows of 8-bit colours."""
    to_srgb = in_srgb(image.mode, image.info.get("icc_profile"), name, notes)
    transparent = bool({"A", "a"} & set(image.getbands())) or "transparency" in image.info

    def convert(rows: Image.Image) -> np.ndarray:
        rows = to_srgb(rows)
        if transparent:
            rows = over_white(rows, name)
        try:
            return np.asarray(rows.convert("RGB"))
        except ValueError as error:
            raise ImageError(f"{name} has the colour mode {image.mode}.", "Save it as RGB or grey.") from error

    return convert


def _grey(
    rows: Rows, strips: list[tuple[int, int]], mode: str, name: str, stretch: bool, notes: list[str]
) -> Callable[[Image.Image], np.ndarray]:
    """Converts rows of 16-bit, 32-bit and float grey levels, which PIL's own conversion clips."""
    lowest, highest = np.inf, -np.inf
    for top, bottom in strips:
        levels = np.asarray(rows(top, bottom))
        if not np.isfinite(levels).all():
            raise ImageError(f"{name} holds NaN or infinite values.", "Replace them before explaining it.")
        lowest, highest = min(lowest, float(levels.min())), max(highest, float(levels.max()))
    white, found = grey_top(lowest, highest, mode, name, stretch)
    notes.extend(found)

    def convert(rows: Image.Image) -> np.ndarray:
        return np.repeat(unit(np.asarray(rows).astype(np.float64), white)[..., None], 3, axis=2)

    return convert
