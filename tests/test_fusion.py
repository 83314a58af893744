"""The ledger and its maps: parts sum to wholes, on the embedded weights and where fusion saturates."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from dan_model.explain.fusion import (
    Classifier,
    consensus_logits,
    fusion_shifts,
    read_fusion,
    spread,
)
from dan_model.explain.heads import read_heads
from dan_model.network import DAN, Stages
from tests.conftest import random_dan


def rescaled(model: DAN, stages: Stages, factor: float) -> Stages:
    """The stages if attention, and with it every embedding, were `factor` times as large."""
    embeddings = stages.embeddings * factor
    shares, fused = model.fuse(embeddings)
    with torch.no_grad():
        logits = model.classify(fused)
    return replace(
        stages, spatial=stages.spatial * factor, embeddings=embeddings, shares=shares, fused=fused, logits=logits
    )


@pytest.mark.parametrize("factor", [1e-3, 1e-2, 1e-1, 1.0, 10.0, 1e2, 1e3])
def test_ledger_and_consensus_sum_to_the_logits_and_cells_sum_to_the_ledger(explainer, stages, factor):
    scaled = rescaled(explainer.model, stages, factor)
    logits = scaled.logits[0].double()
    tolerance = 1e-3 * float(logits.max() - logits.min())
    for target in range(8):
        fusion = read_fusion(explainer.model, scaled, target)
        total = fusion.consensus + fusion.ledger.sum(dim=0)
        assert float((total - logits).abs().max()) < tolerance
        torch.testing.assert_close(fusion.residual, logits - total)
        cells = fusion.evidence.sum(dim=(1, 2))
        assert float((cells - fusion.ledger[:, target]).abs().max()) < tolerance
        assert float((fusion.map.sum() - (logits - fusion.consensus)[target]).abs()) < tolerance


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


@pytest.mark.parametrize("factor", [1e-4, 1.0])
def test_the_ledger_equals_integration_by_autograd_on_the_embedded_weights(explainer, stages, factor):
    """Every (head, class) entry against 10,000 points on autograd's gradient of the logits, saturated and not.

    The points lie at α = t⁴ with t on a midpoint rule, for the integrand is steep near 0.
    """
    scaled = rescaled(explainer.model, stages, factor)
    v = scaled.embeddings[0].double()
    shares = torch.softmax(v, dim=0).amax(dim=0)
    assert (float((shares > 0.95).double().mean()) > 0.5) == (factor == 1.0)
    classifier, mean, points = Classifier.of(explainer.model), v.mean(dim=0), 10_000
    t = (torch.arange(points, dtype=torch.float64) + 0.5) / points
    alpha, measure = t**4, 4 * t**3 / points
    expected = torch.zeros(4, 8, dtype=torch.float64)
    for part, weights in zip(alpha.split(1000), measure.split(1000), strict=True):
        path = (mean + part[:, None, None] * (v - mean)).requires_grad_()
        logits = classifier.logits(path)  # (n, K)
        for k in range(8):
            (slope,) = torch.autograd.grad(logits[:, k].sum(), path, retain_graph=True)
            expected[:, k] += (weights[:, None, None] * slope * (v - mean)).sum(dim=(0, 2))
    torch.testing.assert_close(read_fusion(explainer.model, scaled, 0).ledger, expected, rtol=1e-5, atol=1e-5)


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


def test_the_folded_classifier_is_the_networks_own():
    model = random_dan(classes=8)
    fused = torch.randn(5, 512)
    with torch.no_grad():
        torch.testing.assert_close(
            Classifier.of(model).from_fused(fused).float(), model.classify(fused), rtol=1e-4, atol=1e-4
        )


def test_the_consensus_is_the_networks_answer_where_all_heads_say_the_same():
    model = random_dan(heads=4)
    embeddings = torch.rand(4, 512) * 5
    mean = embeddings.mean(dim=0).expand(1, 4, 512)
    with torch.no_grad():
        expected = model.classify(model.fuse(mean)[1])[0]
    classifier = Classifier.of(model)
    consensus = consensus_logits(embeddings.double(), classifier)
    torch.testing.assert_close(consensus.float(), expected, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(consensus_logits(torch.rand(4, 512).double(), classifier), consensus)


def test_a_single_head_has_nothing_to_fuse():
    model = random_dan(heads=1)
    with torch.no_grad():
        stages = model.stages(torch.randn(1, 3, 224, 224))
    fusion = read_fusion(model, stages, 0)
    assert float(fusion.ledger.abs().max()) == 0
    torch.testing.assert_close(fusion.consensus.float(), stages.logits[0], rtol=1e-4, atol=1e-4)
    assert float(fusion.map.abs().max()) == 0


def test_permuting_the_heads_permutes_the_views_and_leaves_the_logits_alone():
    model = random_dan(heads=4)
    order = [2, 0, 3, 1]
    state = model.state_dict()
    permuted_state = {
        key if not key.startswith("cat_head") else f"cat_head{order.index(int(key[8]))}{key[9:]}": value
        for key, value in state.items()
    }
    permuted = DAN(model.config.labels, 4).eval()
    permuted.load_state_dict(permuted_state)
    x = torch.randn(1, 3, 224, 224, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        before, after = model.stages(x), permuted.stages(x)
    torch.testing.assert_close(after.logits, before.logits, rtol=1e-4, atol=1e-4)
    one, other = read_fusion(model, before, 3), read_fusion(permuted, after, 3)
    for name in ("shares", "ledger", "evidence"):
        torch.testing.assert_close(getattr(other, name), getattr(one, name)[order], rtol=1e-4, atol=1e-4)
    for name in ("spatial", "gates", "embeddings"):
        torch.testing.assert_close(getattr(read_heads(after), name), getattr(read_heads(before), name)[order])


def test_terms_are_spread_in_proportion_to_what_they_were_pooled_from():
    features = torch.zeros(2, 2, 2, dtype=torch.float64)
    features[0] = torch.tensor([[1.0, 1.0], [0.0, 2.0]])
    spatial = torch.tensor([[[1.0, 3.0], [5.0, 0.0]]], dtype=torch.float64)
    terms = torch.tensor([[8.0, 2.0]], dtype=torch.float64)  # the second channel is silent everywhere
    placed, unplaced = spread(terms, features, spatial)
    torch.testing.assert_close(placed, torch.tensor([[[2.5, 6.5], [0.5, 0.5]]], dtype=torch.float64))
    assert unplaced == pytest.approx(0.2)
