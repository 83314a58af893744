"""Curves, infidelity and sensitivity for every map of an explanation, next to controls.

All maps are compared in the same patches, so that none profits from finer detail, and with two controls that know
nothing of the network: random maps as coarse as those of the heads, and the edges of the image.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from dan_model.errors import Stopped
from dan_model.explain.attributions import AttributionTask
from dan_model.explain.correlation import rank_correlation
from dan_model.explain.explanation import Explanation
from dan_model.explain.faithfulness.controls import SEED, edge_map, random_maps
from dan_model.explain.faithfulness.curves import PatchRemoval, area_under
from dan_model.explain.faithfulness.maps import MapName, in_patches, map_names, shown_map
from dan_model.explain.faithfulness.metrics import Infidelity, sensitivity

RANDOM, EDGES = "random", "edges"


@dataclass(frozen=True, eq=False)
class MapFaithfulness:
    """The measurements of one map.

    Attributes:
        name: Which map.
        values: The map in patches, (14, 14).
        deletion: `Score.curve_value` while the patches are replaced, highest first, (STEPS + 1,).
        insertion: The same while they are put back onto the baseline, highest first, (STEPS + 1,).
        infidelity: How badly the map predicts the fall of the score when random patches are removed: mean squared
            error at the best positive scale, over that of a constant map; >= 0. 0 predicts every fall, 1 is no better
            than a constant map.
        sensitivity: How far the map moves at most when the face gets invisible noise, relative to its size; >= 0. None
            where it was not measured, or for a map of zeros.
    """

    name: MapName
    values: Tensor
    deletion: Tensor
    insertion: Tensor
    infidelity: float
    sensitivity: float | None = None

    @property
    def deletion_auc(self) -> float:
        """The area under the deletion curve; lower is more faithful."""
        return area_under(self.deletion)

    @property
    def insertion_auc(self) -> float:
        """The area under the insertion curve; higher is more faithful."""
        return area_under(self.insertion)


@dataclass(frozen=True, eq=False)
class Faithfulness:
    """The measurements of all maps of an explanation, and of the controls.

    Attributes:
        description: The score, in words.
        unit: The unit of the curves.
        baseline: What replaced the removed patches, in `BASELINES`.
        random: Random maps, as coarse as those of the heads.
        edges: The edges of the image.
        maps: The maps that are ready, in the order of the explanation.
        pending: How many measurements are still to come.
    """

    description: str
    unit: str
    baseline: str
    random: tuple[MapFaithfulness, ...]
    edges: MapFaithfulness
    maps: tuple[MapFaithfulness, ...] = ()
    pending: int = 0

    def random_areas(self, curve: str) -> list[float]:
        """The area of every random map under one of `CURVES`."""
        return [getattr(one, f"{curve}_auc") for one in self.random]

    def beats_random(self, one: MapFaithfulness, curve: str) -> bool:
        """Whether a map is better on a curve than each of the random maps."""
        area, areas = getattr(one, f"{curve}_auc"), self.random_areas(curve)
        return area < min(areas) if curve == "deletion" else area > max(areas)

    @property
    def agreement(self) -> Tensor:
        """Spearman's rank correlation between all maps, edges last, (M + 1, M + 1); NaN with a constant map."""
        rows = [one.values.flatten() for one in (*self.maps, self.edges)]
        matrix = torch.full((len(rows), len(rows)), float("nan"), dtype=torch.float64)
        for i, a in enumerate(rows):
            for j, b in enumerate(rows[: i + 1]):
                matrix[i, j] = matrix[j, i] = rank_correlation(a, b)
        return matrix

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        from dan_model.show.notebook import faithfulness_html

        return faithfulness_html(self)


class Measurement:
    """Measures maps on one face, all with the same removals.

    Args:
        task: The face and the score.
        baseline: What replaces removed patches, (1, 3, S, S).
    """

    def __init__(self, task: AttributionTask, baseline: Tensor) -> None:
        generator = torch.Generator().manual_seed(SEED)
        self.removal = PatchRemoval(task, baseline, generator)
        self.infidelity = Infidelity(self.removal, generator)

    def measure(self, name: MapName, values: Tensor) -> MapFaithfulness:
        """Curves and infidelity of a map (14, 14)."""
        return MapFaithfulness(name, values, *self.removal.curves(values), self.infidelity(values))


def measure_faithfulness(
    task: AttributionTask, explanation: Explanation, with_sensitivity: bool = True, baseline: str = "blur"
) -> Iterator[Faithfulness]:
    """Measure all maps of an explanation; see `Explainer.faithfulness`."""
    names = map_names(explanation)
    try:
        # Controls first.
        measurement = Measurement(task, task.baseline(baseline))
        random = tuple(
            measurement.measure(MapName(f"{RANDOM} {i + 1}"), values) for i, values in enumerate(random_maps())
        )
        edges = measurement.measure(MapName(EDGES), edge_map(task.x))
        found = Faithfulness(explanation.description, explanation.score.curve_unit, baseline, random, edges)
        pending = len(names) * (2 if with_sensitivity else 1)
        yield replace(found, pending=pending)
        # Curves and infidelity, one map at a time.
        for name in names:
            measured = measurement.measure(name, in_patches(shown_map(explanation, name), name.signed))
            pending -= 1
            found = replace(found, maps=(*found.maps, measured), pending=pending)
            yield found
        # Sensitivity, one map at a time: every map is computed again for each noisy copy.
        for i in range(len(names) if with_sensitivity else 0):
            one = found.maps[i]
            measured = replace(one, sensitivity=sensitivity(task, one.name, one.values))
            pending -= 1
            found = replace(found, maps=(*found.maps[:i], measured, *found.maps[i + 1 :]), pending=pending)
            yield found
    except Stopped:
        return
