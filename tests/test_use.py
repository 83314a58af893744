"""Looked at versus used: removing cells does what a straight recomputation says, and nothing else changes."""

from __future__ import annotations

import math

import pytest
import torch

from dan_model.explain.explainer import Explainer
from dan_model.explain.fusion import read_fusion
from dan_model.explain.heads import read_heads
from dan_model.explain.use import CELLS, RANDOM_SETS, read_use


@pytest.fixture(scope="module")
def measured(explainer, stages):
    heads, fusion = read_heads(stages), read_fusion(explainer.model, stages, 1)
    return heads, fusion, read_use(explainer.model, stages.features, heads, fusion)


def test_the_most_attended_cells_are_filled_and_everything_after_x_is_computed_again(explainer, stages, measured):
    heads, _, use = measured
    for h in range(4):
        attended = heads.spatial[h].flatten().argsort(descending=True)[:CELLS]
        assert set(use.cells[h].tolist()) == set(attended.tolist())
        x = stages.features.clone()
        stays = [i for i in range(49) if i not in attended.tolist()]
        for c in range(512):
            flat = x[0, c].flatten()
            flat[attended] = flat[stays].mean()
            x[0, c] = flat.reshape(7, 7)
        with torch.no_grad():
            change = explainer.model.attend(x).logits[0, 1] - stages.logits[0, 1]
        assert float(use.measured[h]) == pytest.approx(float(change), abs=2e-3)


def test_a_class_rather_than_another_is_measured_as_the_difference_of_both(explainer, stages):
    model, heads = explainer.model, read_heads(stages)
    both = [read_use(model, stages.features, heads, read_fusion(model, stages, k)) for k in (1, 3)]
    rather = read_use(model, stages.features, heads, read_fusion(model, stages, 1, against=3))
    for name in ("measured", "random", "predicted"):
        a, b, difference = (getattr(one, name) for one in (*both, rather))
        torch.testing.assert_close(difference, a - b, rtol=1e-4, atol=1e-4)


def test_the_prediction_is_what_the_fusion_map_holds_there(measured):
    _, fusion, use = measured
    for h in range(4):
        worth = sum(float(fusion.map.flatten()[i]) for i in use.cells[h].tolist())
        assert float(use.predicted[h]) == pytest.approx(-worth)


def test_random_cells_are_the_same_each_time(explainer, stages, measured):
    heads, fusion, use = measured
    again = read_use(explainer.model, stages.features, heads, fusion)
    assert use.random.shape == (RANDOM_SETS,)
    assert torch.equal(use.random, again.random)
    assert float(use.random.std()) > 0


def test_rank_correlation_by_hand(explainer, stages, measured):
    """Spearman's, from ranks: the Pearson correlation of the two orders (there are no ties here)."""
    heads, fusion, use = measured
    for h in range(4):
        a, e = (t.flatten().double().argsort().argsort().double() for t in (heads.spatial[h], fusion.evidence[h]))
        if len(heads.spatial[h].unique()) < 49 or len(fusion.evidence[h].unique()) < 49:
            continue
        assert float(use.correlation[h]) == pytest.approx(float(torch.corrcoef(torch.stack([a, e]))[0, 1]))


def test_flat_attention_has_no_rank_correlation(explainer, stages, measured):
    heads, fusion, _ = measured
    flat = type(heads)(torch.ones(4, 7, 7), heads.gates, heads.embeddings)
    assert all(math.isnan(r) for r in read_use(explainer.model, stages.features, flat, fusion).correlation.tolist())


def test_the_backbone_does_not_run_and_the_stream_measures_before_attributions(explainer, astronaut):
    runs = []
    explainer = Explainer(explainer.model, explainer.detector, explainer.reference, cache_bytes=0)
    hook = explainer.model.features.register_forward_hook(lambda *_: runs.append(1))
    try:
        parts = list(explainer.stream(astronaut, attributions=("layer_grad_cam",), use=True))
    finally:
        hook.remove()
    assert [(part.use is not None, len(part.attributions)) for part in parts] == [(False, 0), (True, 0), (True, 1)]
    assert len(runs) == 2  # the first results' pass, and Grad-CAM's
    assert explainer.explain(astronaut).use is None
