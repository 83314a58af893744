from __future__ import annotations

import numpy as np
import pytest
import torch

from dan_model.explain.correlation import rank_correlation


def test_rank_correlation_of_short_lists_by_hand():
    a = torch.tensor([1.0, 2.0, 3.0, 4.0])
    assert rank_correlation(a, a**3) == pytest.approx(1)
    assert rank_correlation(a, -a) == pytest.approx(-1)
    assert rank_correlation(a, torch.tensor([2.0, 1.0, 4.0, 3.0])) == pytest.approx(1 - 6 * 4 / 60)
    assert np.isnan(rank_correlation(a, torch.ones(4)))
