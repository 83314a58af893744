from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from dan_model.errors import ArgumentError
from dan_model.explain import faithfulness
from dan_model.explain.attributions import Question, Request
from dan_model.explain.correlation import rank_correlation
from dan_model.explain.faithfulness import (
    NOISE,
    NOISY_COPIES,
    RANDOM_MAPS,
    SEED,
    STEPS,
    Trials,
    edge_map,
    measure_faithfulness,
    random_maps,
)
from dan_model.explain.maps import PATCHES, MapName, in_patches, map_names, new_map, shown_map
from dan_model.explain.score import Score
from dan_model.show.trust import faithfulness_views
from tests.test_attributions import planted

METHODS = ("layer_grad_cam", "saliency", "region_ablation@mean")


@pytest.fixture(scope="module")
def explanation(explainer, astronaut):
    return explainer.explain(astronaut, attributions=METHODS)


@pytest.fixture(scope="module")
def measured(explainer, explanation):
    return list(explainer.faithfulness(explanation, sensitivity=False))


def linear(weight: torch.Tensor) -> SimpleNamespace:
    """A question whose score is the sum of its picture's pixels, each times a weight (1, 1, 224, 224)."""

    def scores(faces):
        return (faces * weight).sum(dim=(1, 2, 3))

    return SimpleNamespace(x=torch.ones(1, 1, 224, 224), scores=scores, answers=scores)


def test_controls_come_first_then_one_map_at_a_time(explanation, measured):
    names = ["head 1", "head 2", "head 3", "head 4", "fusion", *METHODS]
    assert [len(part.maps) for part in measured] == list(range(len(names) + 1))
    assert [one.name.key for one in measured[-1].maps] == names
    assert [part.pending for part in measured] == list(range(len(names), -1, -1))
    assert len(measured[0].random) == RANDOM_MAPS


def test_curves_begin_and_end_at_the_face_and_the_baseline(explainer, explanation, measured):
    own = float(explanation.prediction.probabilities[explanation.target])
    with torch.no_grad():
        blurred = explainer.model.eval()(explainer.question(explanation).baseline("blur")).softmax(dim=1)
    gone = float(blurred[0, explanation.target])
    for one in (*measured[-1].maps, measured[-1].edges, *measured[-1].random):
        assert [float(one.deletion[i]) for i in (0, -1)] == pytest.approx([own, gone], abs=1e-4)
        assert [float(one.insertion[i]) for i in (0, -1)] == pytest.approx([gone, own], abs=1e-4)
        assert one.deletion.shape == one.insertion.shape == (STEPS + 1,)


def test_the_first_deletion_step_takes_the_fourteen_highest_patches(explainer, explanation, measured):
    head = measured[-1].maps[0]
    question = explainer.question(explanation)
    cells = torch.nn.functional.interpolate(
        explanation.heads.spatial[0].double()[None, None], (PATCHES, PATCHES), mode="bilinear"
    )[0, 0]
    highest = np.argsort(-cells.numpy().ravel())[:PATCHES]
    face, baseline = question.x.clone(), question.baseline("blur")
    for i in highest:
        row, column = divmod(int(i), PATCHES)
        place = (..., slice(16 * row, 16 * row + 16), slice(16 * column, 16 * column + 16))
        face[place] = baseline[place]
    with torch.no_grad():
        expected = explainer.model.eval()(face).softmax(dim=1)[0, explanation.target]
    assert float(head.deletion[1]) == pytest.approx(float(expected), abs=1e-4)


def test_areas_of_a_linear_score_are_worked_out_by_hand():
    """A score that lies in one patch alone: the right map takes it away at once, the worst map last."""
    weight = torch.zeros(1, 1, 224, 224)
    weight[..., :16, :16] = 1 / 256
    trials = Trials(linear(weight), torch.zeros(1, 1, 224, 224))
    values = torch.zeros(PATCHES, PATCHES, dtype=torch.float64)
    values[0, 0] = 1.0
    best, worst = trials.measure(MapName("best"), values), trials.measure(MapName("worst"), -values)
    assert best.deletion.tolist() == [1.0] + [0.0] * STEPS
    assert best.deletion_auc == pytest.approx(1 / (2 * STEPS))
    assert best.insertion_auc == pytest.approx(1 - 1 / (2 * STEPS))
    assert worst.deletion_auc == pytest.approx(1 - 1 / (2 * STEPS))
    assert best.infidelity == pytest.approx(0, abs=1e-9)


def test_infidelity_is_zero_for_the_truth_one_for_an_even_map_and_does_not_mind_scale():
    generator = torch.Generator().manual_seed(1)
    weight = torch.rand(1, 1, PATCHES, PATCHES, generator=generator, dtype=torch.float64)
    wide = torch.nn.functional.interpolate(weight, (224, 224), mode="nearest").float() / 256
    trials = Trials(linear(wide), torch.zeros(1, 1, 224, 224))
    truth = trials.measure(MapName("truth"), weight[0, 0])
    assert truth.infidelity == pytest.approx(0, abs=1e-6)
    assert trials.measure(MapName("scaled"), 1000 * weight[0, 0]).infidelity == pytest.approx(0, abs=1e-6)
    even = torch.ones(PATCHES, PATCHES, dtype=torch.float64)
    assert trials.measure(MapName("even"), even).infidelity == pytest.approx(1)
    assert trials.measure(MapName("against"), -weight[0, 0]).infidelity > 1  # it speaks against what is true
    other = torch.rand(PATCHES, PATCHES, generator=generator, dtype=torch.float64)
    assert trials.measure(MapName("other"), other).infidelity > 0.1


def test_among_equals_no_corner_is_first():
    """A map that is the same everywhere must not take the picture away from its top."""
    trials = Trials(linear(torch.full((1, 1, 224, 224), 1.0)), torch.zeros(1, 1, 224, 224))
    seen = []
    trials.pictures = lambda gone: seen.append(gone) or Trials.pictures(trials, gone)
    trials.measure(MapName("even"), torch.ones(PATCHES, PATCHES, dtype=torch.float64))
    first = seen[0][0].view(PATCHES, PATCHES)
    assert int(first.sum()) == PATCHES
    assert int(first[: PATCHES // 2].sum()) < PATCHES


def test_the_planted_evidence_is_taken_away_far_faster_than_at_random():
    model = planted()
    x = torch.zeros(1, 3, 224, 224)
    x[..., 144:192, 128:176] = 4.0
    with torch.no_grad():
        bright, dark = model(torch.cat([x, torch.zeros_like(x)]))
    question = Question(model, x, Score(int(bright[0] < dark[0])))
    object.__setattr__(question, "baseline", lambda name: torch.zeros_like(x))
    trials = Trials(question, torch.zeros_like(x))
    found = new_map(question, MapName("occlusion", request=Request.parse("occlusion")))
    occlusion = trials.measure(MapName("occlusion"), in_patches(found))
    whole, nothing = float(occlusion.deletion[0]), float(occlusion.deletion[-1])
    fall = [(one.deletion_auc - nothing) / (whole - nothing) for one in _random(trials)]
    own = (occlusion.deletion_auc - nothing) / (whole - nothing)
    assert own < 0.15
    assert own < min(fall) - 0.2


def test_agreement_is_symmetric_spearman_with_ones_on_the_diagonal(measured):
    matrix = measured[-1].agreement
    assert matrix.shape == (9, 9)
    torch.testing.assert_close(matrix, matrix.T)
    torch.testing.assert_close(matrix.diagonal(), torch.ones(9, dtype=torch.float64))
    a, b = (measured[-1].maps[i].values.flatten().numpy() for i in (0, 5))
    ranks = [(v > v[:, None]).sum(axis=0) + (v == v[:, None]).sum(axis=0) / 2 for v in (a, b)]  # ties share theirs
    assert float(matrix[0, 5]) == pytest.approx(np.corrcoef(*ranks)[0, 1], abs=1e-6)


def test_rank_correlation_of_short_lists_is_worked_out_by_hand():
    a = torch.tensor([1.0, 2.0, 3.0, 4.0])
    assert rank_correlation(a, a**3) == pytest.approx(1)
    assert rank_correlation(a, -a) == pytest.approx(-1)
    assert rank_correlation(a, torch.tensor([2.0, 1.0, 4.0, 3.0])) == pytest.approx(1 - 6 * 4 / 60)
    assert np.isnan(rank_correlation(a, torch.ones(4)))


def test_maps_computed_anew_are_those_that_are_shown(explainer, explanation):
    question = explainer.question(explanation)
    for name in map_names(explanation):
        shown, again = shown_map(explanation, name), new_map(question, name)
        torch.testing.assert_close(again.double(), shown.double(), rtol=1e-3, atol=1e-5 * float(shown.abs().max()))


@pytest.mark.usefixtures("few_controls")
def test_sensitivity_is_how_far_a_map_moves_under_noise(explainer, explanation):
    """Of a head's map, against a loop over the same noisy copies."""
    question = explainer.question(explanation)
    found = list(measure_faithfulness(question, replace(explanation, attributions={}), True))[-1]
    head = found.maps[0]
    true = in_patches(explanation.heads.spatial[0]).flatten()
    generator = torch.Generator().manual_seed(SEED)
    moved = []
    for noise in torch.rand(NOISY_COPIES, *question.x.shape[1:], generator=generator).split(1):
        noisy = replace(question, x=question.x + (2 * noise - 1) * NOISE / 0.25)
        moved.append(float((in_patches(new_map(noisy, head.name)).flatten() - true).norm() / true.norm()))
    assert len(set(moved)) == NOISY_COPIES
    assert head.sensitivity == pytest.approx(max(moved), rel=1e-3)


@pytest.mark.usefixtures("few_controls")
def test_a_map_that_stays_has_no_sensitivity_and_a_zero_map_none(explainer, explanation, monkeypatch):
    fixed = torch.rand(7, 7, dtype=torch.float64)
    monkeypatch.setattr(faithfulness, "new_map", lambda question, name: fixed)
    monkeypatch.setattr(faithfulness, "shown_map", lambda e, name: fixed if name.key != "head 2" else 0 * fixed)
    found = list(explainer.faithfulness(replace(explanation, attributions={})))[-1]
    assert found.maps[0].sensitivity == 0
    assert found.maps[1].sensitivity is None


@pytest.mark.usefixtures("few_controls")
def test_stop_ends_the_measurement_and_keeps_what_is_ready(explainer, explanation):
    seen = []
    hook = explainer.model.bn.register_forward_hook(lambda *_: seen.append(1))
    try:
        parts, limits = [], []
        stopping = explainer.faithfulness(explanation, False, proceed=lambda: len(limits) < 2 or len(seen) < limits[1])
        for part in stopping:
            parts.append(part)
            limits.append(len(seen) + 2)
        assert len(parts) == 2
        assert parts[-1].pending
        assert len(seen) == limits[1]
    finally:
        hook.remove()


@pytest.mark.usefixtures("few_controls")
def test_a_contrast_is_measured_as_the_probability_among_the_two_and_a_ledger_entry_in_logits(explainer, astronaut):
    e = explainer.explain(astronaut, against="sadness")
    found = next(explainer.faithfulness(e, False))
    logits = e.prediction.logits
    own = float(logits[[1, 3]].softmax(dim=0)[0])
    assert found.unit == "probability"
    assert float(found.edges.deletion[0]) == pytest.approx(own, abs=1e-5)
    entry = explainer.explain(astronaut, head=1)
    found = next(explainer.faithfulness(entry, False))
    assert found.unit == "logit"
    assert float(found.edges.deletion[0]) == pytest.approx(float(entry.fusion.ledger[1, entry.target]), abs=1e-3)


def test_an_unknown_baseline_is_refused(explainer, explanation):
    with pytest.raises(ArgumentError, match="no baseline 'green'"):
        next(explainer.faithfulness(explanation, baseline="green"))


def test_edges_are_where_the_picture_changes():
    x = torch.zeros(1, 3, 224, 224)
    x[..., 100:] = 1.0
    columns = edge_map(x).sum(dim=0)
    assert columns.nonzero().flatten().tolist() == [6]  # pixels 96 … 111


def test_views_say_what_the_numbers_say(measured):
    views = {view.name: view for view in faithfulness_views(measured[-1])}
    best = min(measured[-1].maps, key=lambda one: one.infidelity)
    assert views["infidelity"].sentence.startswith(best.name.title)
    for one in measured[-1].maps:
        both = all(measured[-1].beats_random(one, curve) for curve in ("deletion", "insertion"))
        assert (one.name.title in views["faithfulness"].sentence.split(" On neither")[0]) == both
    assert faithfulness_views(measured[0]) == []


def _random(trials: Trials):
    return [trials.measure(MapName("random"), values) for values in random_maps(RANDOM_MAPS)]
