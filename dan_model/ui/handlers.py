"""What happens on the page, as plain functions: values in, values out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from dan_model.errors import NoFaceError
from dan_model.explain.attributions import METHODS
from dan_model.explain.explainer import Explainer, Explanation
from dan_model.faces import FaceCrop, whole_image
from dan_model.images import read_image
from dan_model.show.photos import numbered_photo
from dan_model.ui import html

PREDICTED = "the predicted class"
WHOLE = "whole image"
SMOOTH, NATIVE = "smooth", "native cells"


@dataclass(frozen=True, eq=False)
class Sitting:
    """What the page remembers of one visitor's photo until the next one: small pictures, not the photo.

    Attributes:
        crops: Every face, cut out, largest first.
        whole: The whole image as a face, for the explicit choice.
        overview: The photo, reduced, with its faces numbered, one picture for each chosen face; or the photo alone.
    """

    crops: tuple[FaceCrop, ...]
    whole: FaceCrop
    overview: tuple[np.ndarray, ...]

    @property
    def numbers(self) -> list[str]:
        """The faces' numbers, from 1 on, as people choose them."""
        return [str(i + 1) for i in range(len(self.crops))]


@dataclass(frozen=True, eq=False)
class View:
    """One state of the page's right-hand side.

    Attributes:
        explanation: What is shown.
        pending: Names of methods that are still to come.
    """

    explanation: Explanation
    pending: tuple[str, ...] = ()


@dataclass(eq=False)
class Visit:
    """What one visitor wants right now. A new question, or Stop, ends the one before; drawing may change meanwhile.

    Attributes:
        smooth: Draw maps smoothly instead of in native cells.
        shared: One colour scale for all heads.
        turn: The question that still counts, or None.
    """

    smooth: bool = True
    shared: bool = True
    turn: object | None = None

    def ask(self) -> Callable[[], bool]:
        """Start a question; what comes back says whether it still counts."""
        turn = self.turn = object()
        return lambda: self.turn is turn

    def stop(self) -> None:
        """No question counts any more."""
        self.turn = None


def look(explainer: Explainer, path: str) -> Sitting:
    """Find the faces of an uploaded image.

    Raises:
        ImageError: The image cannot be used.
    """
    photo = read_image(path)
    faces = explainer.faces(photo)
    overview = tuple(numbered_photo(photo, faces, chosen) for chosen in range(len(faces)))
    return Sitting(
        crops=tuple(explainer.crop(photo, face) for face in faces),
        whole=explainer.crop(photo, whole_image(photo)),
        overview=overview or (numbered_photo(photo, ()),),
    )


def explain(
    explainer: Explainer,
    sitting: Sitting,
    face: str,
    target: str,
    methods: Sequence[str],
    proceed: Callable[[], bool] = lambda: True,
) -> Iterator[View]:
    """Explain a face, by number or `WHOLE`: heads and fusion first, then one method at a time, while `proceed` says so.

    Raises:
        ArgumentError: There is no such class or method.
        NoFaceError: There is no such face.
    """
    if face == WHOLE:
        crop = sitting.whole
    elif face in sitting.numbers:
        crop = sitting.crops[sitting.numbers.index(face)]
    else:
        raise NoFaceError(f"There is no face {face!r} in this photo.", "Choose one of the numbered faces.")
    asked = [name for name in METHODS if name in methods]
    for explanation in explainer.stream_crop(crop, None if target == PREDICTED else target, asked, proceed):
        yield View(explanation, tuple(name for name in asked if name not in explanation.attributions))


def stopped(view: View) -> View:
    """The same view, with nothing more to come."""
    return replace(view, pending=())


def news(sitting: Sitting, explanation: Explanation | None = None) -> str:
    """What the reader should know about the faces, as a notice."""
    count = len(sitting.crops)
    if explanation is None:
        return html.notice(
            f"No face was found in this photo. Take another one, or choose “{WHOLE}” to explain all of it as a face.",
            "warning",
        )
    told = ["One face found." if count == 1 else f"{count} faces found, numbered by size."]
    if explanation.crop.face.score is None:
        told = ["The whole image is explained as if it were a face."]
    if explanation.crop.small:
        told.append(
            f"This face is only {explanation.crop.side:.0f} pixels wide in the photo, fewer than the network was "
            "trained on: read its maps with care."
        )
    return html.notice(" ".join(told), "warning" if explanation.crop.small else "info")
