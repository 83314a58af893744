"""How similarly two maps rank the same places."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def rank_correlation(one: Tensor, other: Tensor) -> float:
    """Spearman's rank correlation of two tensors of one shape on the CPU, in [-1, 1]; NaN where one is constant."""
    if one.max() == one.min() or other.max() == other.min():
        return math.nan
    return float(torch.corrcoef(torch.stack([_ranks(one), _ranks(other)]))[0, 1])


def _ranks(values: Tensor) -> Tensor:
    """The rank of every value; equal ones share the mean of their ranks. (SciPy's takes seconds to import.)"""
    _, which, counts = values.flatten().unique(return_inverse=True, return_counts=True)
    counts = counts.double()
    return (counts.cumsum(dim=0) - (counts - 1) / 2)[which]
