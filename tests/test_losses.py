from __future__ import annotations

import pytest
import torch

from dan_model.losses import affinity_loss


def test_the_affinity_loss_by_hand():
    """Centres (0, 0) and (2, 4): variances 2 and 8. Distances² of (1, 0): 1 and 17; of (2, 4): 20 and 0."""
    centres = torch.tensor([[0.0, 0.0], [2.0, 4.0]])
    pooled = torch.tensor([[1.0, 0.0], [2.0, 4.0]])
    hard = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    assert float(affinity_loss(pooled, hard, centres)) == pytest.approx((1 + 0) / 2 / 10)
    soft = torch.tensor([[0.5, 0.5], [0.25, 0.75]])
    assert float(affinity_loss(pooled, soft, centres)) == pytest.approx((9 + 5) / 2 / 10)
