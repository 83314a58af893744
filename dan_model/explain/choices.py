"""What a caller chooses: a face by its rank, as a face or as the whole image; a class by name or index."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np

from dan_model.errors import ArgumentError, NoFaceError
from dan_model.faces import Face, ImageLike, Photo, read_photo, whole_image

FaceChoice = int | Literal["whole"] | Face


def choose_face(
    image: ImageLike, choice: FaceChoice, find_faces: Callable[[ImageLike], tuple[Photo, tuple[Face, ...]]]
) -> tuple[Photo, Face]:
    """The photo, and the chosen one of its faces.

    Args:
        image: See `read_photo`.
        choice: Its rank by size, from 0; "whole" for the whole image as one face; or a face that was found in it.
        find_faces: `Explainer.find_faces`.

    Raises:
        ImageError: The image cannot be used; or, for the whole of it, too much is missing in the file.
        NoFaceError: There is no such face. The whole image is only taken on request.
    """
    if isinstance(choice, str) and choice == "whole":
        photo = read_photo(image)
        photo.refuse_gaps()
        return photo, whole_image(photo.pixels)
    if isinstance(choice, Face):
        photo = read_photo(image)
        return (photo if photo.frames == 1 else find_faces(image)[0]), choice  # of an animation, its frame
    photo, faces = find_faces(image)
    if not faces:
        raise NoFaceError(
            " ".join(["No face was found in this image.", *photo.notes]),
            'Take another image, or choose the whole one: "whole".',
        )
    index = _integer(choice)
    if index is not None and 0 <= index < len(faces):
        return photo, faces[index]
    raise NoFaceError(f"There is no face {choice!r}.", f"This image has {len(faces)}, numbered from 0 by size.")


def class_index(labels: Sequence[str], target: int | str) -> int:
    """The index of a class given by name or index.

    Raises:
        ArgumentError: There is no such class.
    """
    if isinstance(target, str) and target in labels:
        return labels.index(target)
    index = _integer(target)
    if index is not None and 0 <= index < len(labels):
        return index
    raise ArgumentError(f"There is no class {target!r}.", f"Choose from: {', '.join(labels)}.")


def _integer(value: object) -> int | None:
    """A whole number of any kind, including NumPy's, but no truth value; None for anything else."""
    if isinstance(value, (bool, np.bool_)):
        return None
    try:
        return operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        return None
