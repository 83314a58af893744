"""Attended versus used: the measured change is that of a straight recomputation, and nothing else changes."""

from __future__ import annotations

import math
import statistics

import pytest
import torch

from dan_model.explain import Explainer
from dan_model.explain.attended_vs_used import CELLS, RANDOM_SETS, measure_attended_vs_used
from dan_model.explain.fusion import compute_fusion
from dan_model.explain.heads import compute_heads
from dan_model.explain.score import Score


@pytest.fixture(scope="module")
def measured(explainer, stages):
    heads, fusion = compute_heads(stages), compute_fusion(explainer.model, stages, Score(1))
    return heads, fusion, measure_attended_vs_used(explainer.model, stages.features, heads, fusion)


def test_the_most_attended_cells_are_replaced_and_everything_after_x_is_computed_again(explainer, stages, measured):
    heads, _, found = measured
    for h in range(4):
        attended = heads.spatial[h].flatten().argsort(descending=True)[:CELLS]
        assert set(found.cells[h].tolist()) == set(attended.tolist())
        x = stages.features.clone()
        stays = [i for i in range(49) if i not in attended.tolist()]
        for c in range(512):
            flat = x[0, c].flatten()
            flat[attended] = flat[stays].mean()
            x[0, c] = flat.reshape(7, 7)
        with torch.no_grad():
            after = explainer.model.attend(x).logits[0].log_softmax(dim=0)[1]
            change = after - stages.logits[0].log_softmax(dim=0)[1]
        assert float(found.measured[h]) == pytest.approx(float(change), abs=2e-3)


def test_a_class_rather_than_another_is_measured_as_the_difference_of_both(explainer, stages):
    model, heads = explainer.model, compute_heads(stages)
    both = [
        measure_attended_vs_used(model, stages.features, heads, compute_fusion(model, stages, Score(k))) for k in (1, 3)
    ]
    rather = measure_attended_vs_used(model, stages.features, heads, compute_fusion(model, stages, Score(1, against=3)))
    for name in ("measured", "random", "predicted"):
        a, b, difference = (getattr(one, name) for one in (*both, rather))
        torch.testing.assert_close(difference, a - b, rtol=1e-4, atol=1e-4)


def test_the_prediction_is_minus_the_evidence_of_the_fusion_map_in_these_cells(measured):
    _, fusion, found = measured
    for h in range(4):
        worth = sum(float(fusion.map.flatten()[i]) for i in found.cells[h].tolist())
        assert float(found.predicted[h]) == pytest.approx(-worth)


def test_random_cells_are_the_same_each_time(explainer, stages, measured):
    heads, fusion, found = measured
    again = measure_attended_vs_used(explainer.model, stages.features, heads, fusion)
    assert found.random.shape == (RANDOM_SETS,)
    assert torch.equal(found.random, again.random)
    assert float(found.random.std()) > 0


def test_rank_correlation_by_hand(explainer, stages, measured):
    """Spearman's: the Pearson correlation of the ranks, equal values having the mean of theirs."""
    heads, fusion, found = measured
    for h in range(4):
        a, e = (t.flatten().tolist() for t in (heads.spatial[h], fusion.evidence[h]))
        ranks = [[sum(x < y for x in values) + (values.count(y) - 1) / 2 for y in values] for values in (a, e)]
        assert float(found.correlation[h]) == pytest.approx(statistics.correlation(*ranks), abs=1e-6)


def test_flat_attention_has_no_rank_correlation(explainer, stages, measured):
    heads, fusion, _ = measured
    flat = type(heads)(torch.ones(4, 7, 7), heads.gates, heads.embeddings)
    assert all(
        math.isnan(r)
        for r in measure_attended_vs_used(explainer.model, stages.features, flat, fusion).correlation.tolist()
    )


def test_the_backbone_does_not_run_and_the_stream_measures_before_attributions(explainer, astronaut):
    runs = []
    explainer = Explainer(explainer.model, explainer.detector, explainer.reference, cache_bytes=0)
    hook = explainer.model.features.register_forward_hook(lambda *_: runs.append(1))
    try:
        parts = list(explainer.stream(astronaut, attributions=("layer_grad_cam",), attended_vs_used=True))
    finally:
        hook.remove()
    assert [(part.attended_vs_used is not None, len(part.attributions)) for part in parts] == [
        (False, 0),
        (True, 0),
        (True, 1),
    ]
    assert len(runs) == 2  # the pass of the first results, and that of Grad-CAM
    assert explainer.explain(astronaut).attended_vs_used is None
