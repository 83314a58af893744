from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from dan_model.errors import ArgumentError
from dan_model.explain.fusion import compute_curve_value, compute_fusion, compute_score
from dan_model.explain.score import Score


def test_scores_by_hand():
    """Three classes with the odds 1 : 2 : 5."""
    logits = torch.tensor([[0.0, math.log(2), math.log(5)]]) + 7.0
    assert Score(1).of_logits(logits).item() == pytest.approx(math.log(2 / 8))
    assert Score(1, against=2).of_logits(logits).item() == pytest.approx(math.log(2 / 5))
    assert Score(1, kind="logit").of_logits(logits).item() == pytest.approx(math.log(2) + 7)
    assert Score(1).curve_value(logits).item() == pytest.approx(2 / 8)
    assert Score(1, against=2).curve_value(logits).item() == pytest.approx(2 / 7)


def test_the_log_probability_of_a_nearly_certain_class_is_not_rounded_to_zero():
    """Two classes 30 logits apart: ℓ = -ln(1 + e^-30), which float32 cannot tell from 0 beside the logits."""
    logits = torch.tensor([30.0, 0.0], requires_grad=True)
    own, other = Score(0).of_classes(logits)
    assert own.item() == pytest.approx(-math.exp(-30), rel=1e-5)
    assert other.item() == pytest.approx(-30, rel=1e-6)
    own.backward()
    assert logits.grad[0].item() == pytest.approx(math.exp(-30), rel=1e-5)


def test_the_slope_of_each_score_is_autograds():
    generator = torch.Generator().manual_seed(0)
    weight, fused = (torch.randn(size, generator=generator, dtype=torch.float64) for size in ((4, 6), (3, 6)))
    for score in (Score(1), Score(1, against=3), Score(1, kind="logit")):
        channels = fused.clone().requires_grad_()
        (expected,) = torch.autograd.grad(score.of_logits(channels @ weight.T).sum(), channels)
        torch.testing.assert_close(score.slope(weight, fused @ weight.T), expected)


def test_the_contributions_of_the_heads_sum_to_the_score_less_that_of_the_consensus(explainer, stages):
    model = explainer.model
    for score in (Score(1), Score(1, against=3), Score(1, kind="logit")):
        own = compute_score(model, stages, score)
        entries = [compute_score(model, stages, Score(1, score.against, head=h, kind=score.kind)) for h in range(4)]
        consensus = score.pick(compute_fusion(model, stages, score).consensus)
        assert float(sum(entries) + consensus) == pytest.approx(float(own), abs=1e-3)
        torch.testing.assert_close(compute_curve_value(model, stages, score), score.curve_value(stages.logits))


def test_the_contribution_of_a_head_is_differentiable(explainer, stages):
    v = stages.embeddings.double().requires_grad_()
    score = Score(1, head=2)
    value = compute_score(explainer.model, replace(stages, embeddings=v), score)
    (gradient,) = torch.autograd.grad(value.sum(), v)
    step = torch.zeros_like(v)
    step[0, 2, int(gradient[0, 2].abs().argmax())] = 1e-4
    with torch.no_grad():
        up, down = (
            compute_score(explainer.model, replace(stages, embeddings=v + sign * step, logits=stages.logits.double()),
                          score) for sign in (1, -1)
        )  # fmt: skip
    assert float((up - down) / 2e-4) == pytest.approx(float((gradient * step).sum() / 1e-4), rel=1e-3)


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ({"against": "happiness", "target": "happiness"}, "compared with itself"),
        ({"against": "joy"}, "no class 'joy'"),
        ({"head": 4}, "no head 5"),
        ({"head": -1}, "no head 0"),
        ({"score": "probability"}, "no score 'probability'"),
        ({"score": "contrast"}, "compares two classes"),
        ({"score": "logit", "against": "anger"}, "A logit is not compared with a class"),
        ({"prior": "flat"}, "no prior 'flat'"),
    ],
)
def test_invalid_scores_are_refused_with_the_reason(explainer, astronaut, extra, message):
    with pytest.raises(ArgumentError, match=message):
        explainer.explain(astronaut, **extra)
