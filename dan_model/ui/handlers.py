"""What happens on the page, as plain functions: values in, values out."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from dan_model.errors import ImageError, NoFaceError
from dan_model.explain.attributions import METHODS
from dan_model.explain.explainer import Explainer, Explanation
from dan_model.faces import FaceCrop, whole_image
from dan_model.images import read_image
from dan_model.show.photos import numbered, reduce_photo
from dan_model.show.views import LabView, class_views, fusion_views, head_views, transplant_view
from dan_model.ui import html, laboratory

PREDICTED = "the predicted class"
WHOLE = "whole image"
MAX_FACES = 24  # of one photo
OVERVIEW_SIDE = 640  # pixels
FORGET_AFTER = 900.0  # seconds
SMOOTH, NATIVE = "smooth", "native cells"
HEADS, FUSION, CLASSES = "Heads", "Fusion", "Classes"  # the tabs


Weights = tuple[str, str | None]
"""Source and preset, as `load_checkpoint` takes them; an empty source means those that the page started with."""

FIRST_WEIGHTS: Weights = ("", None)

Stream = Callable[[FaceCrop, str | None, list[str]], Iterator[Explanation]]
"""Explains a crop for a class by some methods, as `Explainer.stream_crop` does."""


@dataclass(frozen=True, eq=False)
class Sitting:
    """What the page keeps of one visitor's photo until the next one: reduced pictures, never the photo itself.

    Attributes:
        crops: The faces, cut out, largest first.
        whole: The whole image as a face, for the explicit choice.
        reduced: The photo at `OVERVIEW_SIDE`.
        boxes: The faces' boxes in `reduced`.
        weights: Source and preset of the weights that the crops were made for.
    """

    crops: tuple[FaceCrop, ...]
    whole: FaceCrop
    reduced: np.ndarray
    boxes: tuple[np.ndarray, ...]
    weights: Weights

    @property
    def numbers(self) -> list[str]:
        """The faces' numbers, from 1 on, as people choose them."""
        return [str(i + 1) for i in range(len(self.crops))]

    def overview(self, chosen: str | None) -> np.ndarray:
        """The reduced photo with its faces numbered, the chosen one marked."""
        return numbered(self.reduced, self.boxes, self.numbers.index(chosen) if chosen in self.numbers else None)


@dataclass(frozen=True, eq=False)
class View:
    """One state of the page's right-hand side.

    Attributes:
        explanation: What is shown.
        pending: Names of methods that are still to come.
    """

    explanation: Explanation
    pending: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Donor:
    """A face whose heads can be transplanted into others.

    Attributes:
        embeddings: v, (H, C).
        weights: What they were computed with.
        label: What the network reads in it.
        pixels: The face as the network sees it, (224, 224, 3) uint8.
    """

    embeddings: Tensor
    weights: Weights
    label: str
    pixels: np.ndarray


@dataclass(eq=False)
class Visit:
    """What one visitor wants right now. A new question, or Stop, ends the one before; drawing may change meanwhile.

    Attributes:
        weights: What the next photo is explained with.
        sitting: The visitor's photo, or None.
        view: What is shown, or None.
        smooth: Draw maps smoothly instead of in native cells.
        shared: One colour scale for all heads.
        tab: The tab that is open.
        undrawn: Tabs whose figures are not drawn yet for what is shown; an open tab's are, the others' when opened.
        donor: The face that was kept for transplants, or None.
        asked: How many questions were asked so far.
        stopped: Whether Stop came after the last of them.
        seen: When the visitor was last heard of, in seconds of a steady clock.
    """

    weights: Weights = FIRST_WEIGHTS
    sitting: Sitting | None = None
    view: View | None = None
    smooth: bool = True
    shared: bool = True
    tab: str = HEADS
    undrawn: frozenset[str] = frozenset()
    donor: Donor | None = None
    asked: int = 0
    stopped: bool = False
    seen: float = 0.0

    def ask(self) -> Turn:
        """Start a question; it ends the one before."""
        self.asked += 1
        self.stopped = False
        return Turn(self, self.asked)

    def stop(self) -> None:
        """No question counts any more."""
        self.stopped = True


@dataclass(frozen=True, eq=False)
class Turn:
    """A question's right to go on."""

    visit: Visit
    number: int

    @property
    def superseded(self) -> bool:
        """Whether a newer question was asked."""
        return self.number != self.visit.asked

    @property
    def counts(self) -> bool:
        """Whether the visitor still waits for the answer."""
        return not self.superseded and not self.visit.stopped


class Visits:
    """Every visitor's visit, in memory alone. Gone when the visitor leaves, or after `FORGET_AFTER` without a sign.

    Args:
        clock: Seconds of a steady clock.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._visits: dict[str, Visit] = {}
        self._clock = clock

    def __len__(self) -> int:
        return len(self._visits)

    def of(self, session: str | None) -> Visit:
        """The visit of a session, begun where there is none."""
        now = self._clock()
        for other, visit in list(self._visits.items()):
            if now - visit.seen > FORGET_AFTER:
                self.end(other)
        visit = self._visits.setdefault(session or "", Visit())
        visit.seen = now
        return visit

    def end(self, session: str | None) -> None:
        """The visitor has left."""
        visit = self._visits.pop(session or "", None)
        if visit is not None:
            visit.stop()


def look(explainer: Explainer, path: str, weights: Weights = FIRST_WEIGHTS) -> Sitting:
    """Find the faces of an uploaded image, the `MAX_FACES` largest at most, and cut them out for an explainer.

    Raises:
        ImageError: The image cannot be used.
    """
    if not Path(path).is_file():
        raise ImageError("This photo is no longer kept here.", "Choose it again.")
    photo = read_image(path)
    faces = explainer.faces(photo)[:MAX_FACES]
    reduced = reduce_photo(photo, OVERVIEW_SIDE)
    scale = reduced.shape[1] / photo.shape[1]
    return Sitting(
        crops=tuple(explainer.crop(photo, face) for face in faces),
        whole=explainer.crop(photo, whole_image(photo)),
        reduced=reduced,
        boxes=tuple(face.box * scale for face in faces),
        weights=weights,
    )


def explain(stream: Stream, sitting: Sitting, face: str, target: str, methods: Sequence[str]) -> Iterator[View]:
    """Explain a face, by number or `WHOLE`: heads and fusion first, then one method at a time.

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
    for explanation in stream(crop, None if target == PREDICTED else target, asked):
        yield View(explanation, tuple(name for name in asked if name not in explanation.attributions))


TABS: Mapping[str, Callable[[Explanation], list[LabView]]] = {
    HEADS: lambda explanation: head_views(explanation),
    FUSION: lambda explanation: fusion_views(explanation),
    CLASSES: lambda explanation: class_views(explanation),
}
"""The tabs with figures, in order."""


def figures(visit: Visit) -> dict[str, str]:
    """The figures of the open tab, where they are still to be drawn, as HTML by tab."""
    view, tab = visit.view, visit.tab  # either may change while this draws
    if view is None or tab not in visit.undrawn:
        return {}
    drawn = laboratory.views(TABS[tab](view.explanation))
    if visit.view is not view:  # who showed something newer draws that
        return {}
    visit.undrawn -= {tab}
    return {tab: drawn}


def keep(visit: Visit) -> None:
    """Keep the face that is shown, for transplants into others."""
    if visit.view is not None and visit.sitting is not None:
        e = visit.view.explanation
        visit.donor = Donor(e.heads.embeddings, visit.sitting.weights, e.prediction.label, e.input_pixels)


def transplants(visit: Visit) -> str:
    """What the kept face's heads would change here, or what to do first."""
    if visit.view is None or visit.sitting is None:
        return ""
    e, donor = visit.view.explanation, visit.donor
    if len(e.heads.embeddings) == 1:
        return html.notice("Transplants need two heads or more.")
    if donor is None:
        return html.notice(
            "Transplant: keep this face, then choose another one. It gets the heads of this one, one by one."
        )
    face = html.picture(donor.pixels, f"The kept face, read as {donor.label}", "dan-donor")
    if donor.weights != visit.sitting.weights:
        told = html.notice("The kept face was explained with other weights; keep a face anew.", "warning")
    elif torch.equal(donor.embeddings, e.heads.embeddings):
        told = html.notice("This face is kept. Now choose another face, photo or example.")
    else:
        told = laboratory.views([transplant_view(e, donor.embeddings, f"the kept face ({donor.label})")])
    return face + told


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
    most = "The largest" if count == MAX_FACES else ""
    told = ["One face found." if count == 1 else f"{most} {count} faces found, numbered by size.".strip()]
    if explanation.crop.face.score is None:
        told = ["The whole image is explained as if it were a face."]
    if explanation.crop.small:
        told.append(
            f"The crop has only {explanation.crop.side:.1f} pixels a side in the photo, fewer than the network's "
            "training images: read its maps with care."
        )
    return html.notice(" ".join(told), "warning" if explanation.crop.small else "info")
