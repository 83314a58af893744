"""Attended versus used: does the decision depend on the cells that a head attends to?

In the features x, the cells that a head attends to most are replaced by the mean of all other cells, and everything
after the backbone is computed again. The change of the score is compared with the fusion map's evidence in these cells,
and with the change for the same number of random cells.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from dan_model.explain.correlation import rank_correlation
from dan_model.explain.fusion import Fusion
from dan_model.explain.heads import Heads
from dan_model.explain.score import Score
from dan_model.network import DAN

CELLS = 5  # of 49, about a tenth
RANDOM_SETS = 32  # of CELLS cells each
SEED = 0


@dataclass(frozen=True, eq=False)
class AttendedVsUsed:
    """How replacing cells changes the score, on the CPU. Each change is score after - score before.

    Attributes:
        score: What is explained; of all heads together, also where the explanation is of one head.
        cells: Flat indices of the cells that each head attends to most, (H, n).
        predicted: (H,): minus the evidence of the fusion map in these cells.
        measured: (H,): the change when these cells are replaced.
        random: (R,): the change when n random cells are replaced.
        correlation: (H,): Spearman's rank correlation between a head's attention and its own evidence over the cells,
            in [-1, 1]; NaN where one of them is the same in all cells.
    """

    score: Score
    cells: Tensor
    predicted: Tensor
    measured: Tensor
    random: Tensor
    correlation: Tensor


def measure_attended_vs_used(model: DAN, features: Tensor, heads: Heads, fusion: Fusion) -> AttendedVsUsed:
    """Measure one face. The backbone does not run again.

    Args:
        model: The network, in eval mode.
        features: x, (1, C, 7, 7), on the device of the model.
        heads: The heads of this face.
        fusion: The fusion of this face; its score is explained.
    """
    side = math.prod(features.shape[2:])  # 49
    count = min(CELLS, side - 1)
    chosen = heads.spatial.flatten(1).topk(count, dim=1).indices  # (H, n)
    generator = torch.Generator().manual_seed(SEED)
    drawn = torch.rand(RANDOM_SETS, side, generator=generator).topk(count, dim=1).indices  # (R, n)
    replaced = torch.cat([features, *(_replace_cells(features, cells) for cells in (*chosen, *drawn))])
    with torch.no_grad():
        logits = model.attend(replaced).logits.cpu().double()
    score = replace(fusion.score, head=None)
    scores = score.of_logits(logits)
    change = scores[1:] - scores[0]
    evidence = fusion.evidence.sum(dim=0).flatten()[chosen].sum(dim=1)
    correlation = torch.tensor(
        [rank_correlation(a, e) for a, e in zip(heads.spatial, fusion.evidence, strict=True)], dtype=torch.float64
    )
    return AttendedVsUsed(score, chosen, -evidence, change[: len(chosen)], change[len(chosen) :], correlation)


def _replace_cells(features: Tensor, cells: Tensor) -> Tensor:
    """The features with some cells replaced by the mean of the others, channel by channel."""
    flat = features.flatten(2).clone()  # (1, C, N)
    others = torch.ones(flat.shape[2], dtype=torch.bool, device=flat.device)
    others[cells.to(flat.device)] = False
    flat[..., ~others] = flat[..., others].mean(dim=2, keepdim=True)
    return flat.reshape(features.shape)
