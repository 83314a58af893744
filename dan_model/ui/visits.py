"""What the page keeps of each visitor, in memory alone, and who may still go on computing for whom."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from torch import Tensor

from dan_model.explain.attributions import Attribution
from dan_model.explain.cache import Cache
from dan_model.explain.explanation import Explanation
from dan_model.faces import FaceCrop
from dan_model.show.photos import numbered

HEADS, FUSION, ATTRIBUTIONS, FAITHFULNESS, CLASSES = "Heads", "Fusion", "Attributions", "Faithfulness", "Classes"
"""The tabs, in order."""
CACHE_BYTES = 24_000_000  # of attributions, for each visitor: some 100
FORGET_AFTER = 900.0  # seconds

Weights = tuple[str, str | None]
"""Source and preset, as `load_checkpoint` takes them; an empty source means those that the page started with."""

FIRST_WEIGHTS: Weights = ("", None)


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
        pending: Requests, as text, that are still to come.
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
        cache: Attributions that were computed for this visitor; gone with the visit.
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
    cache: Cache[Attribution] = field(default_factory=lambda: Cache(CACHE_BYTES))
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
