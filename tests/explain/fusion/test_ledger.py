"""The ledger: shifts of the fused channels, by hand, by dense quadrature and by autograd."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from dan_model.explain.fusion import Classifier, consensus_logits, integrate
from dan_model.explain.score import Score
from tests.fixtures.models import random_dan


def fusion_shifts(v: Tensor) -> Tensor:
    """How far each head moves each fused channel, (H, C): the ledger of a classifier that passes the channels on."""
    channels = v.shape[1]
    passes_on = Classifier(torch.eye(channels, dtype=torch.float64), torch.zeros(channels, dtype=torch.float64))
    return integrate(passes_on, v, Score(0, kind="logit")).ledger


@pytest.mark.parametrize("scale", [1e-3, 1.0, 30.0, 2500.0, 1e6])
def test_shifts_sum_to_the_fused_channels_distance_from_the_constant(scale):
    v = torch.rand(4, 512, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * scale
    fused = torch.log_softmax(v, dim=0).sum(dim=0)
    torch.testing.assert_close(fusion_shifts(v).sum(dim=0), fused + 4 * math.log(4), rtol=1e-10, atol=1e-10)


def test_shifts_equal_the_integral_by_a_dense_rule():
    """Against a midpoint rule with 200,000 points on autograd's gradient, for a saturated and a mild channel."""
    v = torch.tensor([[120.0, 0.3], [3.0, 0.1], [0.0, 0.8], [40.0, 0.5]], dtype=torch.float64)
    mean = v.mean(dim=0)
    points = 200_000
    alpha = (torch.arange(points, dtype=torch.float64) + 0.5) / points
    path = (mean + alpha[:, None, None] * (v - mean)).requires_grad_()
    torch.log_softmax(path, dim=1).sum().backward()
    expected = path.grad.mean(dim=0) * (v - mean)
    torch.testing.assert_close(fusion_shifts(v), expected, rtol=1e-6, atol=1e-6)


def test_the_fused_channels_are_the_constant_minus_the_divergence_from_uniform():
    """The identity that the page teaches: S = -H ln H - H·KL(uniform ‖ p)."""
    v = torch.rand(3, 5, dtype=torch.float64) * 4
    p = torch.softmax(v, dim=0)
    uniform = torch.full_like(p, 1 / 3)
    divergence = (uniform * (uniform / p).log()).sum(dim=0)
    fused = torch.log_softmax(v, dim=0).sum(dim=0)
    torch.testing.assert_close(fused, -3 * math.log(3) - 3 * divergence)


def test_two_heads_by_hand():
    """H = 2, one channel, v = (t, 0): p = (σ(αt), σ(-αt)), and ∫(1 - 2σ(αt)) dα · t/2 = t/2 - ln((1 + eᵗ)/2)."""
    t = 3.0
    each = t / 2 - math.log((1 + math.exp(t)) / 2)
    shifts = fusion_shifts(torch.tensor([[t], [0.0]], dtype=torch.float64))
    torch.testing.assert_close(shifts, torch.tensor([[each], [each]], dtype=torch.float64))


def test_the_consensus_equals_the_logits_of_the_network_when_all_heads_are_equal():
    model = random_dan(heads=4)
    embeddings = torch.rand(4, 512) * 5
    mean = embeddings.mean(dim=0).expand(1, 4, 512)
    with torch.no_grad():
        expected = model.classify(model.fuse(mean)[1])[0]
    classifier = Classifier.from_model(model)
    consensus = consensus_logits(embeddings.double(), classifier)
    torch.testing.assert_close(consensus.float(), expected, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(consensus_logits(torch.rand(4, 512).double(), classifier), consensus)
