from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given

from dan_model.explain.fusion import NO_WINNER, Classifier, consensus_logits, tug_of_war
from dan_model.explain.heads import compute_heads
from tests.fixtures.models import some_classifier, some_embeddings


@given(some_embeddings())
def test_pulls_sum_to_the_logits_distance_from_the_consensus(v):
    classifier = some_classifier()
    for target in range(5):
        tug = tug_of_war(classifier, v, target)
        distance = classifier.logits(v)[target] - consensus_logits(v, classifier)[target]
        torch.testing.assert_close(tug.pull.sum(), distance, rtol=1e-8, atol=1e-8)
        assert (tug.pull[tug.order].diff() <= 0).all()
        assert float(tug.top_share.min()) >= 1 / len(v) - 1e-12


def test_winners_shares_and_saturation_by_hand():
    """Four channels: head 0 owns one, leads in one, head 1 leads in one, and in the last all are equal."""
    v = torch.tensor([[9.0, 2.0, 0.0, 1.0], [0.0, 1.0, 1.0, 1.0]], dtype=torch.float64)
    tug = tug_of_war(some_classifier(channels=4), v, 0)
    assert tug.winner.tolist() == [0, 0, 1, NO_WINNER]
    assert tug.won.tolist() == [0.5, 0.25]
    assert tug.saturation == 0.25
    torch.testing.assert_close(tug.top_share[3], torch.tensor(0.5, dtype=torch.float64))
    assert float(tug.top_share[1]) == pytest.approx(1 / (1 + math.exp(-1)))


def test_on_the_embedded_weights_saturation_and_winners_are_the_shares(explainer, stages):
    tug = tug_of_war(Classifier.from_model(explainer.model), compute_heads(stages).embeddings, 1)
    shares = stages.shares[0]  # the network's own, float32
    assert tug.saturation == pytest.approx(float((shares.amax(dim=0) > 0.95).double().mean()))
    led = tug.winner != NO_WINNER
    first, second = shares.topk(2, dim=0).values
    clear = first > second  # a lead of 3e-10 is one, but not in shares of float32
    assert float(clear.double().mean()) > 0.9
    assert torch.equal(tug.winner[clear], shares.argmax(dim=0)[clear])
    assert float(tug.won.sum()) == pytest.approx(float(led.double().mean()))
