from __future__ import annotations

import pytest
import torch

from dan_model.explain.fusion import spread_over_cells


def test_terms_are_spread_in_proportion_to_the_values_they_were_pooled_from():
    features = torch.zeros(2, 2, 2, dtype=torch.float64)
    features[0] = torch.tensor([[1.0, 1.0], [0.0, 2.0]])
    spatial = torch.tensor([[[1.0, 3.0], [5.0, 0.0]]], dtype=torch.float64)
    terms = torch.tensor([[8.0, 2.0]], dtype=torch.float64)  # the second channel is silent everywhere
    placed, unplaced = spread_over_cells(terms, features, spatial)
    torch.testing.assert_close(placed, torch.tensor([[[2.5, 6.5], [0.5, 0.5]]], dtype=torch.float64))
    assert unplaced == pytest.approx(0.2)
