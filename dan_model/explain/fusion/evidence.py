"""Where on the face the contributions of the heads come from: ledger terms spread over the cells of the maps."""

from __future__ import annotations

import torch
from torch import Tensor


def spread_over_cells(terms: Tensor, features: Tensor, spatial: Tensor) -> tuple[Tensor, float]:
    """Spread each (head, channel) term over the cells in proportion to x_c·a_h, from which it was pooled.

    Args:
        terms: (H, C), signed.
        features: x, (C, 7, 7), >= 0.
        spatial: a, (H, 7, 7), >= 0.

    Returns:
        The evidence, (H, 7, 7), which sums over the cells to Σ_c terms; and the part of Σ|terms|, in [0, 1], whose
        x_c·a_h is zero in all cells. That part has no place of its own and is spread evenly.
    """
    # 1. How much of each channel a head sees, in all cells together.
    cells = features.flatten(1)  # (C, N), N = 49 cells
    attention = spatial.flatten(1)  # (H, N)
    total = attention @ cells.T  # (H, C): Σ over the cells of x_c·a_h
    # 2. Terms with something to see are spread in proportion to it.
    silent = total <= 0
    density = torch.where(silent, 0.0, terms / torch.where(silent, 1.0, total))  # (H, C)
    placed = attention * (density @ cells)  # (H, N)
    # 3. The rest is spread evenly, and its size is reported.
    unplaced = torch.where(silent, terms, 0.0)
    placed = placed + unplaced.sum(dim=1, keepdim=True) / cells.shape[1]
    magnitude = float(terms.abs().sum())
    part = float(unplaced.abs().sum()) / magnitude if magnitude > 0 else 0.0
    return placed.reshape(spatial.shape), part
