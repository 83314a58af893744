"""The parts sum to the logits, on the embedded weights and where the fusion saturates."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from dan_model.explain.fusion import Classifier, compute_fusion
from dan_model.explain.heads import compute_heads
from dan_model.network import DAN, Stages
from tests.fixtures.models import random_dan


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
        fusion = compute_fusion(explainer.model, scaled, target)
        total = fusion.consensus + fusion.ledger.sum(dim=0)
        assert float((total - logits).abs().max()) < tolerance
        torch.testing.assert_close(fusion.residual, logits - total)
        cells = fusion.evidence.sum(dim=(1, 2))
        assert float((cells - fusion.ledger[:, target]).abs().max()) < tolerance
        assert float((fusion.map.sum() - (logits - fusion.consensus)[target]).abs()) < tolerance


@pytest.mark.parametrize("factor", [1e-4, 1.0])
def test_the_ledger_equals_integration_by_autograd_on_the_embedded_weights(explainer, stages, factor):
    """Every (head, class) entry against 10,000 points on autograd's gradient of the logits, saturated and not.

    The points lie at α = t⁴ with t on a midpoint rule, for the integrand is steep near 0.
    """
    scaled = rescaled(explainer.model, stages, factor)
    v = scaled.embeddings[0].double()
    shares = torch.softmax(v, dim=0).amax(dim=0)
    assert (float((shares > 0.95).double().mean()) > 0.5) == (factor == 1.0)
    classifier, mean, points = Classifier.from_model(explainer.model), v.mean(dim=0), 10_000
    t = (torch.arange(points, dtype=torch.float64) + 0.5) / points
    alpha, measure = t**4, 4 * t**3 / points
    expected = torch.zeros(4, 8, dtype=torch.float64)
    for part, weights in zip(alpha.split(1000), measure.split(1000), strict=True):
        path = (mean + part[:, None, None] * (v - mean)).requires_grad_()
        logits = classifier.logits(path)  # (n, K)
        for k in range(8):
            (slope,) = torch.autograd.grad(logits[:, k].sum(), path, retain_graph=True)
            expected[:, k] += (weights[:, None, None] * slope * (v - mean)).sum(dim=(0, 2))
    torch.testing.assert_close(compute_fusion(explainer.model, scaled, 0).ledger, expected, rtol=1e-5, atol=1e-5)


def test_a_single_head_has_an_empty_ledger_and_its_logits_are_the_consensus():
    model = random_dan(heads=1)
    with torch.no_grad():
        stages = model.stages(torch.randn(1, 3, 224, 224))
    fusion = compute_fusion(model, stages, 0)
    assert float(fusion.ledger.abs().max()) == 0
    torch.testing.assert_close(fusion.consensus.float(), stages.logits[0], rtol=1e-4, atol=1e-4)
    assert float(fusion.map.abs().max()) == 0


def test_permuting_the_heads_permutes_their_parts_and_keeps_the_logits():
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
    one, other = compute_fusion(model, before, 3), compute_fusion(permuted, after, 3)
    for name in ("shares", "ledger", "evidence"):
        torch.testing.assert_close(getattr(other, name), getattr(one, name)[order], rtol=1e-4, atol=1e-4)
    for name in ("spatial", "gates", "embeddings"):
        torch.testing.assert_close(getattr(compute_heads(after), name), getattr(compute_heads(before), name)[order])
