from __future__ import annotations

from itertools import permutations

import pytest
import torch
from hypothesis import given

from dan_model.errors import ArgumentError
from dan_model.explain.fusion import ABSENCES, MAX_HEADS, consensus_logits, shapley_values
from dan_model.explain.score import Score
from tests.fixtures.models import some_classifier, some_embeddings

SCORES = [Score(2), Score(2, against=0), Score(2, kind="logit")]
every_score = pytest.mark.parametrize("score", SCORES, ids=lambda score: score.kind)
every_absence = pytest.mark.parametrize("absence", ABSENCES)


def worth(classifier, v, present: list[int], absence: str) -> torch.Tensor:
    """The logits of a coalition, straight from the definitions, head by head."""
    everybody = range(len(v))
    if absence == "removed":
        if not present:
            return classifier.bias
        shares = torch.softmax(v[present], dim=0)
        return classifier.weight @ shares.log().sum(dim=0) + classifier.bias
    absent = torch.zeros_like(v[0]) if absence == "zero" or not present else v[present].mean(dim=0)
    rows = torch.stack([v[h] if h in present else absent for h in everybody])
    return classifier.weight @ (rows - torch.logsumexp(rows, dim=0)).sum(dim=0) + classifier.bias


@every_absence
@every_score
def test_values_equal_the_average_over_all_orders(absence, score):
    classifier = some_classifier()
    v = torch.rand(4, 40, generator=torch.Generator().manual_seed(5), dtype=torch.float64) * 6
    expected = torch.zeros(4, dtype=torch.float64)
    orders = list(permutations(range(4)))
    for order in orders:
        for i, head in enumerate(order):
            before, after = list(order[:i]), list(order[: i + 1])
            gain = [score.of_logits(worth(classifier, v, present, absence)) for present in (after, before)]
            expected[head] += gain[0] - gain[1]
    torch.testing.assert_close(shapley_values(classifier, v, absence, score).values, expected / len(orders))


@every_absence
@every_score
@given(v=some_embeddings())
def test_efficiency_values_sum_to_full_minus_empty(absence, score, v):
    classifier = some_classifier()
    result = shapley_values(classifier, v, absence, score)
    assert float(result.values.sum()) == pytest.approx(result.full - result.empty, rel=1e-8, abs=1e-8)
    assert result.full == pytest.approx(float(score.of_logits(classifier.logits(v))), rel=1e-9, abs=1e-9)
    if absence == "mean":
        consensus = score.of_logits(consensus_logits(v, classifier))
        assert result.empty == pytest.approx(float(consensus), rel=1e-9, abs=1e-9)


@every_absence
@given(v=some_embeddings())
def test_symmetry_equal_heads_have_equal_values(absence, v):
    v[1] = v[0]
    values = shapley_values(some_classifier(), v, absence, SCORES[0]).values
    torch.testing.assert_close(values[0], values[1], rtol=1e-8, atol=1e-8)


@given(v=some_embeddings())
def test_dummy_a_head_of_zeros_has_value_zero_if_absent_heads_are_zero(v):
    v[1] = 0
    values = shapley_values(some_classifier(), v, "zero", SCORES[0]).values
    torch.testing.assert_close(values[1], torch.zeros((), dtype=torch.float64), rtol=0, atol=1e-9)


def test_dummy_equal_heads_have_value_zero_if_absent_heads_are_the_mean():
    v = torch.rand(40).double().expand(4, 40)
    torch.testing.assert_close(
        shapley_values(some_classifier(), v, "mean", SCORES[0]).values, torch.zeros(4).double(), rtol=0, atol=1e-9
    )


def test_rankings_go_from_the_highest_value_down():
    v = torch.rand(3, 40, dtype=torch.float64) * 10
    result = shapley_values(some_classifier(), v, "removed", SCORES[0])
    ranked = [float(result.values[h]) for h in result.ranking]
    assert ranked == sorted(ranked, reverse=True)


def test_unknown_absences_and_too_few_or_too_many_heads_are_refused():
    with pytest.raises(ArgumentError, match="'gone'"):
        shapley_values(some_classifier(), torch.rand(4, 40), "gone", SCORES[0])
    for heads in (1, MAX_HEADS + 1):
        with pytest.raises(ArgumentError, match=f"{heads} heads"):
            shapley_values(some_classifier(), torch.rand(heads, 40), "zero", SCORES[0])


@every_absence
def test_on_the_embedded_weights_all_heads_together_give_the_score_of_the_network(explainer, astronaut, absence):
    e = explainer.explain(astronaut)
    result = shapley_values(e.fusion.classifier, e.heads.embeddings, absence, e.score)
    assert result.full == pytest.approx(float(e.score.of_logits(e.prediction.logits)), abs=1e-3)
    assert float(result.values.sum()) == pytest.approx(result.full - result.empty, rel=1e-8, abs=1e-8)
