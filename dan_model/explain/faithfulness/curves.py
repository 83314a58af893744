"""Deletion and insertion curves: what the network answers while the patches of a face are replaced, by rank in a map.

*RISE: Randomized Input Sampling for Explanation of Black-box Models*, Petsiuk, Das and Saenko, BMVC 2018.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from dan_model.explain.attributions import AttributionTask
from dan_model.explain.faithfulness.maps import PATCHES

STEPS = 14  # of each curve; one fourteenth of the patches per step
CURVES = ("deletion", "insertion")


class PatchRemoval:
    """One face whose patches can be replaced by a baseline.

    Args:
        task: The face and the score.
        baseline: What replaces a patch, (1, 3, S, S).
        generator: Draws the order of patches with equal values.
    """

    def __init__(self, task: AttributionTask, baseline: Tensor, generator: torch.Generator) -> None:
        self.task, self.baseline = task, baseline
        self.ends = task.curve_values(self.images(torch.tensor([[False], [True]]).expand(2, PATCHES**2)))
        self._tie_order = torch.randperm(PATCHES**2, generator=generator)

    def images(self, removed: Tensor) -> Tensor:
        """The face with some patches replaced, (n, 196) bool -> (n, 3, S, S)."""
        side = self.task.x.shape[-1]
        mask = removed.view(-1, 1, PATCHES, PATCHES).to(self.task.x)
        mask = F.interpolate(mask, size=(side, side), mode="nearest-exact")
        return torch.lerp(self.task.x, self.baseline, mask)

    def curves(self, values: Tensor) -> tuple[Tensor, Tensor]:
        """The deletion and the insertion curve of a map (14, 14), each (STEPS + 1,), in `Score.curve_unit`.

        Deletion replaces the highest patches first; insertion puts the highest patches back first.
        """
        # Rank the patches; among equals, no corner of the image comes first.
        ranked = self._tie_order[values.flatten()[self._tie_order].argsort(descending=True, stable=True)]
        rank = torch.empty_like(ranked).scatter_(0, ranked, torch.arange(len(ranked)))
        upto = torch.arange(1, STEPS)[:, None] * len(ranked) / STEPS
        removed = rank[None] < upto  # (STEPS - 1, 196)
        # Run both curves together; their ends are the same for all maps.
        inner = self.task.curve_values(self.images(torch.cat([removed, ~removed]))).double()
        whole, nothing = self.ends[:1].double(), self.ends[1:].double()
        deletion = torch.cat([whole, inner[: STEPS - 1], nothing])
        insertion = torch.cat([nothing, inner[STEPS - 1 :], whole])
        return deletion, insertion


def area_under(curve: Tensor) -> float:
    """The area under a curve over [0, 1], by trapezoids: its mean height."""
    return float(torch.trapezoid(curve, dx=1 / (len(curve) - 1)))
