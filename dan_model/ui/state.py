"""What the page stores of one visitor: the photo in reduced form, what is shown, and a face kept for comparison."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from dan_model.explain.explanation import Explanation
from dan_model.faces import FaceCrop
from dan_model.show.photos import numbered, reduce_photo
from dan_model.texts import translate as _

MAX_FACES = 24  # of one photo
OVERVIEW_SIDE = 640  # pixels
WHOLE = _("whole image")  # instead of the number of a face
THIS_FACE, AVERAGE, DIFFERENCE = COMPARED = (
    _("this face"),
    _("average"),
    _("difference"),
)  # what the tiles of heads show
SMOOTH, NATIVE = _("smooth"), _("native cells")  # how maps are drawn

Weights = tuple[str, str | None]
"""Source and preset, as `load_checkpoint` takes them; an empty source means the weights that the page started with."""

FIRST_WEIGHTS: Weights = ("", None)


@dataclass(frozen=True, eq=False)
class UploadedPhoto:
    """What the page stores of a photo until the next one: reduced pictures, never the photo itself.

    Attributes:
        crops: The faces, cropped, largest first.
        whole: The whole image as one face, which a visitor may choose explicitly.
        reduced: The photo, its longer side reduced to `OVERVIEW_SIDE` pixels.
        boxes: The boxes of the faces in `reduced`.
        weights: The weights that the crops were made for.
        explained: Explanations of all faces that were made in advance; empty for a visitor's photo.
        notes: What was odd about the file, in sentences.
        stretched: Whether its levels were stretched; None where they cannot be, or need not.
        example: The file of an example; None for a visitor's photo, whose file is not kept.
    """

    crops: tuple[FaceCrop, ...]
    whole: FaceCrop
    reduced: np.ndarray
    boxes: tuple[np.ndarray, ...]
    weights: Weights
    explained: tuple[Explanation, ...] = ()
    notes: tuple[str, ...] = ()
    stretched: bool | None = None
    example: Path | None = None

    @classmethod
    def from_crops(
        cls,
        photo: np.ndarray,
        crops: Sequence[FaceCrop],
        whole: FaceCrop,
        weights: Weights,
        explained: Sequence[Explanation] = (),
        notes: Sequence[str] = (),
    ) -> UploadedPhoto:
        """What is stored of a photo (H, W, 3) whose faces, and the whole of it, have been cropped."""
        reduced = reduce_photo(photo, OVERVIEW_SIDE)
        scale = reduced.shape[1] / photo.shape[1]
        boxes = tuple(crop.face.box * scale for crop in crops)
        return cls(tuple(crops), whole, reduced, boxes, weights, tuple(explained), tuple(notes))

    @property
    def numbers(self) -> list[str]:
        """The numbers of the faces, from 1, as the page shows them."""
        return [str(i + 1) for i in range(len(self.crops))]

    def crop(self, choice: str) -> FaceCrop | None:
        """The crop of a face by its number, or of the whole image; None where there is no such face."""
        if choice == WHOLE:
            return self.whole
        return self.crops[self.numbers.index(choice)] if choice in self.numbers else None

    def explanation(self, choice: str) -> Explanation | None:
        """The explanation of a face that was made in advance, by its number; None where there is none."""
        return self.explained[self.numbers.index(choice)] if self.explained and choice in self.numbers else None

    def overview(self, chosen: str | None) -> np.ndarray:
        """The reduced photo with its faces numbered and the chosen one marked."""
        return numbered(self.reduced, self.boxes, self.numbers.index(chosen) if chosen in self.numbers else None)


@dataclass(frozen=True, eq=False)
class PageState:
    """What the results column shows.

    Attributes:
        explanation: The explanation, as far as it is ready.
        pending: Attribution requests, as text, that are still to come.
    """

    explanation: Explanation
    pending: tuple[str, ...] = ()

    def finished(self) -> PageState:
        """The same state with nothing still to come."""
        return replace(self, pending=())


@dataclass(frozen=True, eq=False)
class KeptFace:
    """A face that others are compared with.

    Attributes:
        explanation: As it was shown.
        weights: The weights that it was explained with.
    """

    explanation: Explanation
    weights: Weights
