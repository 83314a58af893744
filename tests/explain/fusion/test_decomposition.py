"""The parts sum to the score: all classes, embedded and random weights, saturated and not."""

from __future__ import annotations

import copy
import math
from dataclasses import replace

import pytest
import torch

from dan_model.explain.fusion import Classifier, compute_fusion, consensus_logits, integrate
from dan_model.explain.heads import compute_heads
from dan_model.explain.score import Score
from dan_model.network import DAN, Stages
from tests.fixtures.models import random_dan

LOGIT = Score(0, kind="logit")


@pytest.fixture(scope="module")
def random_stages() -> tuple[DAN, Stages]:
    """Random weights whose classes are far apart, and a random face."""
    model = random_dan(heads=4)
    with torch.no_grad():
        model.fc.weight.mul_(20)
        return model, model.stages(torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(1)))


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
@pytest.mark.parametrize("weights", ["embedded", "random"])
def test_ledger_sums_to_the_log_probability_and_cells_sum_to_the_ledger(
    explainer, stages, random_stages, weights, factor
):
    """In float64, to 1e-5 nats, for every class; the network's own float32 logits add their rounding to `residual`."""
    model, found = (explainer.model, stages) if weights == "embedded" else random_stages
    scaled = rescaled(model, found, factor)
    classifier, v = Classifier.from_model(model), scaled.embeddings[0].double()
    exact = classifier.logits(v).log_softmax(dim=0) - consensus_logits(v, classifier).log_softmax(dim=0)
    for target in range(len(model.config.labels)):
        fusion = compute_fusion(model, scaled, Score(target))
        assert float((fusion.ledger.sum(dim=0) - exact).abs().max()) < 1e-5
        cells = fusion.evidence.sum(dim=(1, 2))
        assert float((cells - fusion.ledger[:, target]).abs().max()) < 1e-5
        torch.testing.assert_close(cells, fusion.contributions)
        assert float((fusion.pull.sum() - exact[target]).abs()) < 1e-5
        own = scaled.logits[0].double().log_softmax(dim=0)
        torch.testing.assert_close(fusion.residual, own - fusion.consensus - fusion.ledger.sum(dim=0))


@pytest.mark.parametrize("factor", [1e-3, 1.0, 1e3])
def test_the_ledger_of_logits_sums_to_the_logits(explainer, stages, factor):
    scaled = rescaled(explainer.model, stages, factor)
    fusion = compute_fusion(explainer.model, scaled, LOGIT)
    logits = Classifier.from_model(explainer.model).logits(scaled.embeddings[0])
    torch.testing.assert_close(fusion.consensus + fusion.ledger.sum(dim=0), logits, rtol=0, atol=1e-5)
    torch.testing.assert_close(fusion.map.sum(), (logits - fusion.consensus)[0], rtol=0, atol=1e-5)


def test_one_number_added_to_all_logits_changes_no_view(explainer, stages):
    model, shifted = (copy.deepcopy(explainer.model).double() for _ in range(2))  # no rounding of the shift
    with torch.no_grad():
        shifted.bn.bias += 5.0
        own, moved = (one.eval().attend(stages.features.double()) for one in (model, shifted))
    for score in (Score(1), Score(1, against=3), Score(1, head=2)):
        one, other = compute_fusion(model, own, score), compute_fusion(shifted, moved, score)
        for name in ("ledger", "consensus", "evidence", "pull", "map"):
            torch.testing.assert_close(getattr(other, name), getattr(one, name), rtol=0, atol=1e-9)
    rise = compute_fusion(shifted, moved, LOGIT).consensus - compute_fusion(model, own, LOGIT).consensus
    torch.testing.assert_close(rise, torch.full((8,), 5.0, dtype=torch.float64))


def test_a_contrast_is_the_difference_of_two_log_probabilities(explainer, stages):
    a, b, contrast = (compute_fusion(explainer.model, stages, s) for s in (Score(0), Score(2), Score(0, against=2)))
    torch.testing.assert_close(contrast.contributions, a.contributions - b.contributions, rtol=0, atol=1e-6)
    torch.testing.assert_close(contrast.evidence, a.evidence - b.evidence, rtol=0, atol=1e-6)
    torch.testing.assert_close(contrast.pull, a.pull - b.pull, rtol=0, atol=1e-6)


@pytest.mark.parametrize("kind", ["log-probability", "logit"])
@pytest.mark.parametrize("factor", [1e-4, 1.0, 4.0])
def test_the_ledger_equals_integration_by_autograd_on_the_embedded_weights(explainer, stages, factor, kind):
    """Every (head, class) entry against 20,000 points on autograd's gradient of the score, saturated and not.

    The points lie at α = t⁴ with t on a midpoint rule, for the integrand is steep near 0.
    """
    scaled = rescaled(explainer.model, stages, factor)
    v = scaled.embeddings[0].double()
    shares = torch.softmax(v, dim=0).amax(dim=0)
    assert (float((shares > 0.95).double().mean()) > 0.5) == (factor > 1)
    classifier, mean, points = Classifier.from_model(explainer.model), v.mean(dim=0), 20_000
    t = (torch.arange(points, dtype=torch.float64) + 0.5) / points
    alpha, measure = t**4, 4 * t**3 / points
    expected = torch.zeros(4, 8, dtype=torch.float64)
    classes = [0, 1, 2] if kind == "log-probability" else [0]  # of the others the sums are tested above
    for part, weights in zip(alpha.split(1000), measure.split(1000), strict=True):
        path = (mean + part[:, None, None] * (v - mean)).requires_grad_()
        values = classifier.logits(path)  # (n, K)
        if kind == "log-probability":
            values = values.log_softmax(dim=1)
        for k in classes:
            (slope,) = torch.autograd.grad(values[:, k].sum(), path, retain_graph=True)
            expected[:, k] += (weights[:, None, None] * slope * (v - mean)).sum(dim=(0, 2))
    ledger = compute_fusion(explainer.model, scaled, Score(0, kind=kind)).ledger
    torch.testing.assert_close(ledger[:, classes], expected[:, classes], rtol=1e-5, atol=1e-5)


def test_pieces_are_halved_where_the_answer_changes():
    """Two heads, one channel, two classes: the odds turn from e^255 to e^-706 far from the beginning of the path."""
    weight, bias = torch.tensor([[4000.0], [0.0]]).double(), torch.tensor([4000 * 1.45, 0.0]).double()
    classifier = Classifier(weight, bias)
    v = torch.tensor([[1.0], [0.0]], dtype=torch.float64)
    found = integrate(classifier, v, Score(0))
    odds = [4000 * (1.45 - 2 * math.log(2)), 4000 * (1.45 - math.log(1 + math.e) - math.log(1 + 1 / math.e))]
    expected = [-math.log1p(math.exp(-odds[0])), odds[1] - math.log1p(math.exp(odds[1]))]
    assert float(found.ledger[:, 0].sum()) == pytest.approx(expected[1] - expected[0], abs=1e-5)
    assert found.pieces > 4


def test_a_single_head_has_an_empty_ledger_and_its_score_is_the_consensus():
    model = random_dan(heads=1)
    with torch.no_grad():
        stages = model.stages(torch.randn(1, 3, 64, 64))
    fusion = compute_fusion(model, stages, Score(0))
    assert float(fusion.ledger.abs().max()) == 0
    torch.testing.assert_close(fusion.consensus.float(), stages.logits[0].log_softmax(0), rtol=1e-4, atol=1e-4)
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
    x = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        before, after = model.stages(x), permuted.stages(x)
    torch.testing.assert_close(after.logits, before.logits, rtol=1e-4, atol=1e-4)
    one, other = compute_fusion(model, before, Score(3)), compute_fusion(permuted, after, Score(3))
    for name in ("shares", "ledger", "evidence"):
        torch.testing.assert_close(getattr(other, name), getattr(one, name)[order], rtol=1e-4, atol=1e-4)
    for name in ("spatial", "gates", "embeddings"):
        torch.testing.assert_close(getattr(compute_heads(after), name), getattr(compute_heads(before), name)[order])
