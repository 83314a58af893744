from __future__ import annotations

import numpy as np
import pytest
import torch

from dan_model.errors import ArgumentError
from dan_model.explain.faithfulness.controls import RANDOM_MAPS
from dan_model.show.faithfulness_views import faithfulness_views
from tests.fixtures.quick_methods import OF_EACH_KIND


def test_controls_come_first_then_one_map_at_a_time(explanation, measured):
    names = ["head 1", "head 2", "head 3", "head 4", "fusion", *OF_EACH_KIND]
    assert [len(part.maps) for part in measured] == list(range(len(names) + 1))
    assert [one.name.key for one in measured[-1].maps] == names
    assert [part.pending for part in measured] == list(range(len(names), -1, -1))
    assert len(measured[0].random) == RANDOM_MAPS


def test_agreement_is_symmetric_spearman_with_ones_on_the_diagonal(measured):
    matrix = measured[-1].agreement
    assert matrix.shape == (9, 9)
    torch.testing.assert_close(matrix, matrix.T)
    torch.testing.assert_close(matrix.diagonal(), torch.ones(9, dtype=torch.float64))
    a, b = (measured[-1].maps[i].values.flatten().numpy() for i in (0, 5))
    ranks = [(v > v[:, None]).sum(axis=0) + (v == v[:, None]).sum(axis=0) / 2 for v in (a, b)]  # ties share theirs
    assert float(matrix[0, 5]) == pytest.approx(np.corrcoef(*ranks)[0, 1], abs=1e-6)


@pytest.mark.usefixtures("few_controls")
def test_stop_ends_the_measurement_and_keeps_what_is_ready(small_explainer, explanation):
    seen = []
    hook = small_explainer.model.bn.register_forward_hook(lambda *_: seen.append(1))
    try:
        parts, limits = [], []
        stopping = small_explainer.faithfulness(
            explanation, False, should_continue=lambda: len(limits) < 2 or len(seen) < limits[1]
        )
        for part in stopping:
            parts.append(part)
            limits.append(len(seen) + 2)
        assert len(parts) == 2
        assert parts[-1].pending
        assert len(seen) == limits[1]
    finally:
        hook.remove()


@pytest.mark.usefixtures("few_controls", "short_curves")
def test_a_contrast_is_measured_as_a_probability_and_a_contribution_in_nats(small_explainer, astronaut):
    e = small_explainer.explain(astronaut, target="happiness", against="sadness")
    found = next(small_explainer.faithfulness(e, False))
    logits = e.prediction.logits
    own = float(logits[[1, 3]].softmax(dim=0)[0])
    assert found.unit == "probability"
    assert float(found.edges.deletion[0]) == pytest.approx(own, abs=1e-5)
    entry = small_explainer.explain(astronaut, head=1)
    found = next(small_explainer.faithfulness(entry, False))
    assert found.unit == "nats"
    assert float(found.edges.deletion[0]) == pytest.approx(float(entry.fusion.ledger[1, entry.target]), abs=1e-3)


def test_an_unknown_baseline_is_refused(small_explainer, explanation):
    with pytest.raises(ArgumentError, match="no baseline 'green'"):
        next(small_explainer.faithfulness(explanation, baseline="green"))


def test_views_agree_with_the_numbers(measured):
    views = {view.name: view for view in faithfulness_views(measured[-1])}
    best = min(measured[-1].maps, key=lambda one: one.infidelity)
    assert views["infidelity"].sentence.startswith(best.name.title)
    for one in measured[-1].maps:
        both = all(measured[-1].beats_random(one, curve) for curve in ("deletion", "insertion"))
        assert (one.name.title in views["faithfulness"].sentence.split(" On neither")[0]) == both
    assert faithfulness_views(measured[0]) == []
