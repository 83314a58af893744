"""Pretty, or faithful? What the network does when the places that a map names are taken away.

All maps are compared in the same patches, so that none profits from finer cuts, and against two controls that know
nothing of the network: random maps as coarse as the heads', and the picture's edges.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from captum.metrics import infidelity, sensitivity_max
from torch import Tensor

from dan_model.errors import Stopped
from dan_model.explain.attributions import Question
from dan_model.explain.correlation import rank_correlation
from dan_model.explain.explanation import Explanation
from dan_model.explain.maps import PATCHES, MapName, in_patches, map_names, new_map, shown_map

STEPS = 14  # pictures on each curve but one; a fourteenth of the patches more each time
RANDOM_MAPS = 10
REMOVALS = 64  # random sets of patches for infidelity
NOISY_COPIES = 3
NOISE = 4 / 255  # each pixel of a noisy copy differs by up to this, on a [0, 1] scale
SEED = 0
RANDOM, EDGES = "random", "edges"
CURVES = ("deletion", "insertion")


@dataclass(frozen=True, eq=False)
class MapFaithfulness:
    """One map put to the test.

    Attributes:
        name: Which.
        values: The map in patches, (14, 14).
        deletion: The answer as the map's patches are taken away, highest first, (STEPS + 1,), in `Score.unit`.
        insertion: The answer as they are put back onto the baseline, highest first, (STEPS + 1,).
        infidelity: How badly the map's sum over random patches, best scaled but never turned around, predicts the
            score's fall when these are removed: mean squared error, over that of a map that is the same everywhere;
            >= 0: 0 predicts every fall, 1 is no better than saying that every patch counts alike.
        sensitivity: How far the map moves at most, relative to its size, when the face is changed by noise that nobody
            sees; >= 0; None where it was not measured or the map is zero.
    """

    name: MapName
    values: Tensor
    deletion: Tensor
    insertion: Tensor
    infidelity: float
    sensitivity: float | None = None

    @property
    def deletion_auc(self) -> float:
        """Mean height of the deletion curve; lower is more faithful."""
        return _area(self.deletion)

    @property
    def insertion_auc(self) -> float:
        """Mean height of the insertion curve; higher is more faithful."""
        return _area(self.insertion)


@dataclass(frozen=True, eq=False)
class Faithfulness:
    """Every map of an explanation put to the test, next to controls.

    Attributes:
        told: The score, in words.
        unit: Of the curves.
        baseline: What took the place of what was removed.
        random: Random maps, as coarse as the heads'.
        edges: The picture's edges.
        maps: Those that are ready, in the explanation's order.
        pending: How many measurements are still to come.
    """

    told: str
    unit: str
    baseline: str
    random: tuple[MapFaithfulness, ...]
    edges: MapFaithfulness
    maps: tuple[MapFaithfulness, ...] = ()
    pending: int = 0

    def random_areas(self, curve: str) -> list[float]:
        """Every random map's area under one of `CURVES`."""
        return [getattr(one, f"{curve}_auc") for one in self.random]

    def beats_random(self, one: MapFaithfulness, curve: str) -> bool:
        """Whether a map does better on a curve than each of the random maps."""
        area, areas = getattr(one, f"{curve}_auc"), self.random_areas(curve)
        return area < min(areas) if curve == "deletion" else area > max(areas)

    @property
    def agreement(self) -> Tensor:
        """Spearman's rank correlation between all maps, edges last, (M + 1, M + 1); NaN with a map without ranks."""
        rows = [one.values.flatten() for one in (*self.maps, self.edges)]
        matrix = torch.full((len(rows), len(rows)), float("nan"), dtype=torch.float64)
        for i, a in enumerate(rows):
            for j, b in enumerate(rows[: i + 1]):
                matrix[i, j] = matrix[j, i] = rank_correlation(a, b)
        return matrix


class Trials:
    """One face with patches taken away: what all maps are judged by.

    Args:
        question: The face, and what is scored.
        baseline: What shows where patches are gone, (1, 3, S, S).
    """

    def __init__(self, question: Question, baseline: Tensor) -> None:
        self.question, self.baseline = question, baseline
        self.ends = question.answers(self.pictures(torch.tensor([[False], [True]]).expand(2, PATCHES**2)))
        generator = torch.Generator().manual_seed(SEED)
        self.order = torch.randperm(PATCHES**2, generator=generator)  # among equals, nobody's corner comes first
        parts = 0.05 + 0.45 * torch.rand(REMOVALS, 1, generator=generator)
        self.removed = torch.rand(REMOVALS, PATCHES**2, generator=generator) < parts  # (R, 196)
        everything = torch.cat([torch.zeros(1, PATCHES**2, dtype=torch.bool), self.removed])
        self.scores = question.scores(self.pictures(everything)).double()  # (1 + R,)
        self._place = {row.numpy().tobytes(): i for i, row in enumerate(~everything)}
        self.even = self._infidelity(torch.ones(PATCHES, PATCHES, dtype=torch.float64)) or 1.0

    def pictures(self, gone: Tensor) -> Tensor:
        """The face without the patches that are gone, (n, 196) bool -> (n, 3, S, S)."""
        side = self.question.x.shape[-1]
        mask = gone.view(-1, 1, PATCHES, PATCHES).to(self.question.x)
        mask = F.interpolate(mask, size=(side, side), mode="nearest-exact")
        return torch.lerp(self.question.x, self.baseline, mask)

    def measure(self, name: MapName, values: Tensor) -> MapFaithfulness:
        """Curves and infidelity of a map (14, 14)."""
        ranked = self.order[values.flatten()[self.order].argsort(descending=True, stable=True)]
        rank = torch.empty_like(ranked).scatter_(0, ranked, torch.arange(len(ranked)))
        upto = torch.arange(1, STEPS)[:, None] * len(ranked) / STEPS
        gone = rank[None] < upto  # (STEPS - 1, 196)
        inner = self.question.answers(self.pictures(torch.cat([gone, ~gone]))).double()
        whole, nothing = self.ends[:1].double(), self.ends[1:].double()
        deletion = torch.cat([whole, inner[: STEPS - 1], nothing])
        insertion = torch.cat([nothing, inner[STEPS - 1 :], whole])
        return MapFaithfulness(name, values, deletion, insertion, self._infidelity(values) / self.even)

    def _infidelity(self, values: Tensor) -> float:
        """Captum's measure on patches, scaled as well as the map allows; a map that speaks against counts as silent."""
        falls = self.scores[0] - self.scores[1:]
        if float((self.removed.double() @ values.flatten()) @ falls) <= 0:  # Captum's scale would turn it around
            return float(falls.square().mean())

        def looked_up(kept: Tensor) -> Tensor:
            return torch.stack([self.scores[self._place[row.bool().numpy().tobytes()]] for row in kept])

        def removals(kept: Tensor) -> tuple[Tensor, Tensor]:
            gone = self.removed.double()
            return gone, kept - gone

        everything = torch.ones(1, PATCHES**2, dtype=torch.float64)
        missed = infidelity(
            looked_up, removals, everything, values.flatten()[None], n_perturb_samples=REMOVALS, normalize=True
        )
        return float(missed[0])


def measure_faithfulness(
    question: Question, explanation: Explanation, sensitivity: bool = True, baseline: str = "blur"
) -> Iterator[Faithfulness]:
    """Measure all maps of an explanation; see `Explainer.faithfulness`."""
    names = map_names(explanation)
    try:
        trials = Trials(question, question.baseline(baseline))
        random = tuple(
            trials.measure(MapName(f"{RANDOM} {i + 1}"), values) for i, values in enumerate(random_maps(RANDOM_MAPS))
        )
        edges = trials.measure(MapName(EDGES), edge_map(question.x))
        found = Faithfulness(explanation.told, explanation.score.unit, baseline, random, edges)
        total = len(names) * (2 if sensitivity else 1)
        yield replace(found, pending=total)
        for name in names:
            judged = trials.measure(name, in_patches(shown_map(explanation, name), name.signed))
            total -= 1
            found = replace(found, maps=(*found.maps, judged), pending=total)
            yield found
        for i in range(len(names) if sensitivity else 0):
            judged = replace(found.maps[i], sensitivity=_sensitivity(question, found.maps[i]))
            total -= 1
            found = replace(found, maps=(*found.maps[:i], judged, *found.maps[i + 1 :]), pending=total)
            yield found
    except Stopped:
        return


def random_maps(count: int) -> list[Tensor]:
    """Maps that know nothing, as coarse as a head's, in patches; always the same."""
    generator = torch.Generator().manual_seed(SEED)
    return [in_patches(torch.rand(PATCHES // 2, PATCHES // 2, generator=generator)) for _ in range(count)]


def edge_map(x: Tensor) -> Tensor:
    """How much the picture (1, 3, S, S) changes from pixel to pixel, in patches."""
    grey = x[0].mean(dim=0)
    down, right = torch.gradient(grey)
    return in_patches((down.square() + right.square()).sqrt().cpu())


def _sensitivity(question: Question, judged: MapFaithfulness) -> float | None:
    """Captum's sensitivity_max of a map, over faces with unseen noise; relative to the map's norm."""
    if not float(judged.values.abs().max()):
        return None
    name = judged.name
    deviation = torch.tensor(question.model.config.preprocess.std).view(1, 3, 1, 1).to(question.x)
    generator = torch.Generator().manual_seed(SEED)

    def noisy(copies: Tensor) -> Tensor:
        noise = torch.rand(copies.shape, generator=generator).to(question.x) * 2 - 1
        return copies + noise * NOISE / deviation

    def explained(inputs: Tensor | tuple[Tensor]) -> tuple[Tensor]:  # Captum gives the face as a tuple, copies bare
        maps = []  # the face's own map is known
        for face in (inputs if isinstance(inputs, Tensor) else inputs[0]).split(1):
            own = torch.equal(face, question.x)
            maps.append(judged.values if own else in_patches(new_map(replace(question, x=face), name), name.signed))
        return (torch.stack(maps)[:, None],)  # (n, 1, 14, 14)

    return float(sensitivity_max(explained, (question.x,), perturb_func=noisy, n_perturb_samples=NOISY_COPIES))


def _area(curve: Tensor) -> float:
    """Under a curve over [0, 1], by trapezoids."""
    return float(torch.trapezoid(curve, dx=1 / (len(curve) - 1)))
