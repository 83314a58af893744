from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from dan_model.explain.correlation import rank_correlation


def test_rank_correlation_of_short_lists_by_hand():
    a = torch.tensor([1.0, 2.0, 3.0, 4.0])
    assert rank_correlation(a, a**3) == pytest.approx(1)
    assert rank_correlation(a, -a) == pytest.approx(-1)
    assert rank_correlation(a, torch.tensor([2.0, 1.0, 4.0, 3.0])) == pytest.approx(1 - 6 * 4 / 60)
    assert np.isnan(rank_correlation(a, torch.ones(4)))


def test_equal_values_share_their_ranks_as_scipy_has_it():
    generator = torch.Generator().manual_seed(0)
    for levels in (2, 3, 10, 10_000):
        one, other = (torch.randint(levels, (7, 7), generator=generator).double() for _ in range(2))
        expected = spearmanr(one.flatten().numpy(), other.flatten().numpy()).statistic
        assert rank_correlation(one, other) == pytest.approx(expected, abs=1e-12)
