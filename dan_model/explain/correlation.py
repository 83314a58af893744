"""How similarly two maps rank the same places."""

from __future__ import annotations

import math

from scipy.stats import spearmanr
from torch import Tensor


def rank_correlation(one: Tensor, other: Tensor) -> float:
    """Spearman's rank correlation of two tensors of one shape on the CPU, in [-1, 1]; NaN where one is constant."""
    if one.max() == one.min() or other.max() == other.min():
        return math.nan
    return float(spearmanr(one.flatten(), other.flatten()).statistic)
