"""The photo itself, with its faces numbered, and pictures as text."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

FACE_COLOUR = "#FFD54A"
INK = "#1A1A1A"


def reduce_photo(photo: np.ndarray, side: int) -> np.ndarray:
    """A copy of a photo (H, W, 3) whose longer side is at most `side` pixels, (h, w, 3) uint8."""
    image = Image.fromarray(photo)
    image.thumbnail((side, side))
    return np.asarray(image)


def numbered(photo: np.ndarray, boxes: Sequence[np.ndarray], chosen: int | None = None) -> np.ndarray:
    """A copy of a photo with a numbered box for each face.

    Args:
        photo: (H, W, 3) uint8 RGB.
        boxes: Left, top, right, bottom of each face, (4,), in the order of their numbers, from 1 on.
        chosen: Index of the face to draw with a thicker box.

    Returns:
        (H, W, 3) uint8.
    """
    image = Image.fromarray(photo)
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(max(12, round(max(image.size) / 16)))
    for i, box in enumerate(boxes):
        left, top, right, bottom = box.tolist()
        draw.rectangle((left, top, right, bottom), outline=FACE_COLOUR, width=6 if i == chosen else 3)
        text = draw.textbbox((left, top), str(i + 1), font=font)
        draw.rectangle((text[0] - 4, text[1] - 3, text[2] + 4, text[3] + 3), fill=FACE_COLOUR)
        draw.text((left, top), str(i + 1), font=font, fill=INK)
    return np.asarray(image)


def picture_address(pixels: np.ndarray, exact: bool = False) -> str:
    """A picture, (h, w), (h, w, 3) or (h, w, 4) uint8, as a data: address, so that nothing is written to disk.

    In colour it is a JPEG of high quality, a quarter of the size of a PNG and drawn in a tenth of the time; `exact`, in
    grey, or with opacity it is a PNG.
    """
    buffer = io.BytesIO()
    if exact or pixels.shape[2:] != (3,):
        kind = "png"
        Image.fromarray(pixels).save(buffer, "PNG", compress_level=1)
    else:
        kind = "jpeg"
        Image.fromarray(pixels).save(buffer, "JPEG", quality=95, subsampling=0)
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode()}"
