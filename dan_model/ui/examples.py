"""The example photos of the page, with explanations made in advance where they are those of the page's weights."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from dan_model.errors import ArgumentError
from dan_model.explain import Explainer
from dan_model.explain.stored import Example, load_explanations, load_index
from dan_model.faces import read_image, whole_image
from dan_model.show.photos import reduce_photo
from dan_model.ui.state import FIRST_WEIGHTS, PageState, UploadedPhoto
from dan_model.weights import fingerprint

THUMBNAIL_SIDE = 112  # pixels: twice as many as are shown, for dense screens


@dataclass(frozen=True, eq=False)
class ExamplePhoto:
    """An example, ready to be shown.

    Attributes:
        example: Where it comes from, and its caption.
        photo: As the page stores an uploaded photo; None where no explanation was made for the page's weights.
        thumbnail: (h, w, 3) uint8.
    """

    example: Example
    photo: UploadedPhoto | None
    thumbnail: np.ndarray

    @property
    def state(self) -> PageState | None:
        """What the page shows of its first face before the network runs; None without an explanation."""
        if self.photo is None or not self.photo.explained:
            return None
        return PageState(self.photo.explained[0])


def load_examples(folder: Path | None, explainer: Explainer) -> list[ExamplePhoto]:
    """The examples of a folder, in the order of its index; none without a folder or an index."""
    if folder is None:
        return []
    try:
        index = load_index(folder)
    except ArgumentError:
        return []
    weights = fingerprint(explainer.model)
    return [_load(example, explainer, weights) for example in index]


def _load(example: Example, explainer: Explainer, weights: str) -> ExamplePhoto:
    photo = read_image(example.photo)
    thumbnail = reduce_photo(photo, THUMBNAIL_SIDE)
    explained = load_explanations(example.explained, explainer, photo, weights) if example.explained.is_file() else None
    if explained is None:
        return ExamplePhoto(example, None, thumbnail)
    crops, whole = [e.crop for e in explained], explainer.crop(photo, whole_image(photo))
    stored = UploadedPhoto.from_crops(photo, crops, whole, FIRST_WEIGHTS, explained)
    return ExamplePhoto(example, replace(stored, example=example.photo), thumbnail)
