"""Looked at versus used: does it matter to the decision what a head attends? Head maps and fusion map put to the test.

The cells that a head attends most are filled with what the remaining cells show on average, in x, and everything after
the backbone is computed again. The change is compared with what the fusion map says these cells are worth, and with
the same number of cells drawn at random.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from dan_model.explain.correlation import rank_correlation
from dan_model.explain.fusion import Fusion
from dan_model.explain.heads import Heads
from dan_model.network import DAN

CELLS = 5  # of 49, about a tenth
RANDOM_SETS = 32
SEED = 0


@dataclass(frozen=True, eq=False)
class Use:
    """What removing cells does to the explained logit, on the CPU. Each change is logit after - logit before.

    Attributes:
        target: Class index.
        against: Another one, whose logit is taken off the target's; None: nothing is.
        cells: Flat indices of the cells that each head attends most, (H, n).
        predicted: (H,): minus what the fusion map says these cells are worth.
        measured: (H,): the change when they are filled.
        random: (R,): the change when n random cells are filled.
        correlation: (H,): Spearman's rank correlation between a head's attention and its own evidence over the cells,
            in [-1, 1]; NaN where one of them is the same in all cells.
    """

    target: int
    against: int | None
    cells: Tensor
    predicted: Tensor
    measured: Tensor
    random: Tensor
    correlation: Tensor


def read_use(model: DAN, features: Tensor, heads: Heads, fusion: Fusion) -> Use:
    """Measure on one face. The backbone is not run.

    Args:
        model: The network, in eval mode.
        features: x, (1, C, 7, 7), on the model's device.
        heads: Of this face.
        fusion: Of this face; its target (rather than `against`) is explained.
    """
    side = math.prod(features.shape[2:])  # 49
    count = min(CELLS, side - 1)
    chosen = heads.spatial.flatten(1).topk(count, dim=1).indices  # (H, n)
    generator = torch.Generator().manual_seed(SEED)
    drawn = torch.rand(RANDOM_SETS, side, generator=generator).topk(count, dim=1).indices  # (R, n)
    filled = torch.cat([features, *(_fill(features, cells) for cells in (*chosen, *drawn))])
    with torch.no_grad():
        logits = model.attend(filled).logits.cpu().double()
    score = logits[:, fusion.target] - (0 if fusion.against is None else logits[:, fusion.against])
    change = score[1:] - score[0]
    worth = fusion.map.flatten()[chosen].sum(dim=1)
    correlation = torch.tensor(
        [rank_correlation(a, e) for a, e in zip(heads.spatial, fusion.evidence, strict=True)], dtype=torch.float64
    )
    return Use(fusion.target, fusion.against, chosen, -worth, change[: len(chosen)], change[len(chosen) :], correlation)


def _fill(features: Tensor, cells: Tensor) -> Tensor:
    """X with some cells replaced by the mean of the remaining ones, channel by channel."""
    flat = features.flatten(2).clone()  # (1, C, N)
    stays = torch.ones(flat.shape[2], dtype=torch.bool, device=flat.device)
    stays[cells.to(flat.device)] = False
    flat[..., ~stays] = flat[..., stays].mean(dim=2, keepdim=True)
    return flat.reshape(features.shape)
