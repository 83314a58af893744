"""The samples of a film as a timeline for each person, of bounded size: the longer the film, the wider its steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from dan_model.explain.film import FilmFace, FilmSample

MOST_STEPS = 1200  # of a timeline; beyond, two steps become one
MOST_PEOPLE = 64  # of whom numbers are kept; beyond, whoever was seen the shortest is left out


@dataclass(frozen=True, eq=False)
class PersonTimeline:
    """One person over time. In a step in which the person was not seen, all values are NaN.

    Attributes:
        person: The number of the person, from 1.
        seen: In how many samples.
        probabilities: Of the classes, (N, K), means over each step.
        won: The fraction of all channels that each head wins, (N, H), means over each step.
        contributions: Of each head, (N, H), means over each step.
    """

    person: int
    seen: int
    probabilities: np.ndarray
    won: np.ndarray
    contributions: np.ndarray

    def spans(self, labels: Sequence[str]) -> list[tuple[str, int, int]]:
        """Runs of steps with one most probable class: label, first step, and the step after the last."""
        best = np.where(np.isnan(self.probabilities[:, 0]), -1, self.probabilities.argmax(axis=1))
        edges = [0, *(np.flatnonzero(np.diff(best)) + 1).tolist(), len(best)]
        return [(labels[best[a]], a, b) for a, b in pairwise(edges) if b > a and best[a] >= 0]


@dataclass(frozen=True, eq=False)
class FilmTimeline:
    """A film over time.

    Attributes:
        labels: The K classes.
        heads: H.
        step: Seconds of a step.
        end: Of the last sample, in seconds.
        samples: How many frames were explained.
        empty: How many of them show no face.
        people: Those who were seen the longest, the longest first.
        others: How many further people there were.
    """

    labels: tuple[str, ...]
    heads: int
    step: float
    end: float
    samples: int
    empty: int
    people: tuple[PersonTimeline, ...]
    others: int

    @property
    def times(self) -> np.ndarray:
        """When the steps begin, in seconds, (N,)."""
        return np.arange(_steps(self.end, self.step)) * self.step


class TimelineBuilder:
    """Collects the samples of a film.

    Args:
        labels: The classes.
        heads: The number of heads.
        rate: Samples a second.
    """

    def __init__(self, labels: Sequence[str], heads: int, rate: float) -> None:
        self._labels, self._heads = tuple(labels), heads
        self._step, self._end = 1 / rate, 0.0
        self._samples = self._empty = 0
        self._dropped: set[int] = set()
        self._people: dict[int, dict[int, np.ndarray]] = {}  # by person and step: sums (K + 2H,), then how many

    def add(self, sample: FilmSample) -> None:
        """Add a sample."""
        self._samples += 1
        self._empty += not sample.faces
        self._end = max(self._end, sample.time)
        while _steps(self._end, self._step) > MOST_STEPS:
            self._step *= 2
            self._people = {person: _merged(steps) for person, steps in self._people.items()}
        step = _steps(sample.time, self._step) - 1
        for face in sample.faces:
            steps = self._people.setdefault(face.person, {})
            steps[step] = steps.get(step, 0.0) + _row(face)
        present = {face.person for face in sample.faces}
        while len(self._people) > MOST_PEOPLE:
            gone = [person for person in self._people if person not in present] or list(self._people)
            shortest = min(gone, key=lambda person: _seen(self._people[person]))
            del self._people[shortest]
            self._dropped.add(shortest)

    def timeline(self, most: int = 4) -> FilmTimeline:
        """The timeline so far, of those who were seen the longest, at most so many."""
        order = sorted(self._people, key=lambda person: (-_seen(self._people[person]), person))
        people = tuple(self._person(person) for person in order[:most])
        others = len(self._dropped.union(order)) - len(people)
        return FilmTimeline(
            self._labels, self._heads, self._step, self._end, self._samples, self._empty, people, others
        )

    def _person(self, person: int) -> PersonTimeline:
        steps = self._people[person]
        classes, heads = len(self._labels), self._heads
        rows = np.full((_steps(self._end, self._step), classes + 2 * heads), np.nan)
        for step, sums in steps.items():
            rows[step] = sums[:-1] / sums[-1]
        probabilities, won, contributions = np.split(rows, [classes, classes + heads], axis=1)
        return PersonTimeline(person, _seen(steps), probabilities, won, contributions)


def _steps(time: float, step: float) -> int:
    """How many steps it takes up to and with a time; times are rounded in films."""
    return int(time / step + 1e-3) + 1


def _row(face: FilmFace) -> np.ndarray:
    return np.concatenate([face.probabilities, face.won, face.contributions, [1.0]])


def _seen(steps: dict[int, np.ndarray]) -> int:
    return round(sum(row[-1] for row in steps.values()))


def _merged(steps: dict[int, np.ndarray]) -> dict[int, np.ndarray]:
    """Two steps become one."""
    merged: dict[int, np.ndarray] = {}
    for step, row in steps.items():
        merged[step // 2] = merged.get(step // 2, 0.0) + row
    return merged
