from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from torch import Tensor

from dan_model.explain.fusion import (
    NO_WINNER,
    Classifier,
    Fusion,
    TugOfWar,
    compute_fusion,
    consensus_logits,
    integrate,
    tug_of_war,
)
from dan_model.explain.heads import compute_heads
from dan_model.explain.score import Score
from tests.fixtures.models import some_classifier, some_embeddings

SCORES = [Score(2), Score(2, against=0), Score(2, kind="logit")]


def tug(classifier: Classifier, v: Tensor, score: Score) -> TugOfWar:
    nothing = torch.zeros(0)
    pull = integrate(classifier, v, score).terms.sum(dim=0)
    return tug_of_war(Fusion(score, classifier, nothing, nothing, nothing, nothing, pull, 0.0, nothing), v)


@given(some_embeddings())
def test_pulls_sum_to_the_scores_distance_from_the_consensus(v):
    classifier = some_classifier()
    for score in SCORES:
        found = tug(classifier, v, score)
        distance = score.of_logits(classifier.logits(v)) - score.of_logits(consensus_logits(v, classifier))
        torch.testing.assert_close(found.pull.sum(), distance, rtol=1e-6, atol=1e-7)
        assert (found.pull[found.order].diff() <= 0).all()
        assert float(found.top_share.min()) >= 1 / len(v) - 1e-12


def test_the_pull_on_a_logit_is_the_weight_times_the_channels_distance_from_the_constant():
    v = torch.rand(4, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 9
    classifier = some_classifier(channels=6)
    fused = torch.log_softmax(v, dim=0).sum(dim=0)
    expected = classifier.weight[2] * (fused + 4 * math.log(4))
    torch.testing.assert_close(tug(classifier, v, Score(2, kind="logit")).pull, expected)


def test_winners_shares_and_saturation_by_hand():
    """Four channels: head 0 owns one, leads in one, head 1 leads in one, and in the last all are equal."""
    v = torch.tensor([[9.0, 2.0, 0.0, 1.0], [0.0, 1.0, 1.0, 1.0]], dtype=torch.float64)
    found = tug(some_classifier(channels=4), v, Score(0))
    assert found.winner.tolist() == [0, 0, 1, NO_WINNER]
    assert found.won.tolist() == [0.5, 0.25]
    assert found.saturation == 0.25
    torch.testing.assert_close(found.top_share[3], torch.tensor(0.5, dtype=torch.float64))
    assert float(found.top_share[1]) == pytest.approx(1 / (1 + math.exp(-1)))


def test_on_the_embedded_weights_saturation_and_winners_are_the_shares(explainer, stages):
    found = tug_of_war(compute_fusion(explainer.model, stages, Score(1)), compute_heads(stages).embeddings)
    shares = stages.shares[0]  # the network's own, float32
    assert found.saturation == pytest.approx(float((shares.amax(dim=0) > 0.95).double().mean()))
    led = found.winner != NO_WINNER
    first, second = shares.topk(2, dim=0).values
    clear = first > second  # a lead of 3e-10 is one, but not in shares of float32
    assert float(clear.double().mean()) > 0.9
    assert torch.equal(found.winner[clear], shares.argmax(dim=0)[clear])
    assert float(found.won.sum()) == pytest.approx(float(led.double().mean()))
