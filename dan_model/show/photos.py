"""The photo itself, with its faces numbered."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from dan_model.faces import Face

FACE_COLOUR = "#FFD54A"
INK = "#1A1A1A"


def numbered_photo(photo: np.ndarray, faces: Sequence[Face], chosen: int | None = None, side: int = 640) -> np.ndarray:
    """A reduced copy of a photo (H, W, 3) with a numbered box for each face, (h, w, 3) uint8.

    Args:
        photo: (H, W, 3) uint8 RGB.
        faces: In the order of their numbers, from 1 on.
        chosen: Index of the face to draw with a thicker box.
        side: The longer side of the result, at most.
    """
    height, width = photo.shape[:2]
    factor = min(1.0, side / max(height, width))
    image = Image.fromarray(photo).resize((max(1, round(width * factor)), max(1, round(height * factor))))
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(max(12, round(max(image.size) / 16)))
    for i, face in enumerate(faces):
        left, top, right, bottom = (float(v) for v in face.box * factor)
        draw.rectangle((left, top, right, bottom), outline=FACE_COLOUR, width=6 if i == chosen else 3)
        text = draw.textbbox((left, top), str(i + 1), font=font)
        plate = (text[0] - 4, text[1] - 3, text[2] + 4, text[3] + 3)
        draw.rectangle(plate, fill=FACE_COLOUR)
        draw.text((left, top), str(i + 1), font=font, fill=INK)
    return np.asarray(image)
