"""An image of any kind -> its faces: in the frame of an animation that shows one, and in what a cut file still has."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from dan_model.faces.detection import Face
from dan_model.faces.images import ImageLike, Photo, read_frames

TOUCHES = 0.05  # of a face's height or width: how far it may reach into rows that are missing


def find_faces(
    image: ImageLike, detect: Callable[[np.ndarray], tuple[Face, ...]], stretch: bool = False
) -> tuple[Photo, tuple[Face, ...]]:
    """Find all faces of an image.

    Of an animation, the first frame with a face among a few is taken. Faces whose own rows are missing in a file that
    is cut short are left out. Both are said in the notes of the photo.

    Args:
        image: See `read_photo`.
        detect: Finds the faces in pixels (H, W, 3), as `FaceDetector` does.
        stretch: See `read_photo`.

    Returns:
        The photo, and its faces, largest first, in its pixels; without a face, the first frame.

    Raises:
        ImageError: The image cannot be used.
    """
    first, tried = None, 0
    for photo in read_frames(image, stretch):
        found = detect(photo.pixels)
        whole = tuple(face for face in found if not _lacks_rows(face, photo))
        if lost := len(found) - len(whole):
            number = "1 face lies" if lost == 1 else f"{lost} faces lie"
            photo = replace(photo, notes=(*photo.notes, f"{number} in the rows that are missing: left out."))
        if whole:
            return photo, whole
        first, tried = first or photo, tried + 1
    assert first is not None
    if tried > 1:
        first = replace(first, notes=(*first.notes, f"{tried} of its frames were searched for a face."))
    return first, ()


def _lacks_rows(face: Face, photo: Photo) -> bool:
    """Whether a face reaches into what the file lacks."""
    if photo.missing is None:
        return False
    overlap = np.minimum(face.box[2:], photo.missing[2:]) - np.maximum(face.box[:2], photo.missing[:2])
    return bool((overlap > TOUCHES * np.array(face.size)).all())
