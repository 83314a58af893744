from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from dan_model.explain.faithfulness import (
    PATCHES,
    MapName,
    in_patches,
    measure_faithfulness,
    measurement,
    metrics,
    new_map,
)
from dan_model.explain.faithfulness.measurement import Measurement
from dan_model.explain.faithfulness.metrics import NOISE, NOISY_COPIES, SEED
from tests.fixtures.models import linear_task


def test_infidelity_is_zero_for_the_true_map_one_for_a_constant_map_and_independent_of_scale():
    generator = torch.Generator().manual_seed(1)
    weight = torch.rand(1, 1, PATCHES, PATCHES, generator=generator, dtype=torch.float64)
    wide = torch.nn.functional.interpolate(weight, (224, 224), mode="nearest").float() / 256
    one_face = Measurement(linear_task(wide), torch.zeros(1, 1, 224, 224))
    truth = one_face.measure(MapName("truth"), weight[0, 0])
    assert truth.infidelity == pytest.approx(0, abs=1e-6)
    assert one_face.measure(MapName("scaled"), 1000 * weight[0, 0]).infidelity == pytest.approx(0, abs=1e-6)
    even = torch.ones(PATCHES, PATCHES, dtype=torch.float64)
    assert one_face.measure(MapName("even"), even).infidelity == pytest.approx(1)
    assert one_face.measure(MapName("against"), -weight[0, 0]).infidelity > 1  # the opposite of the true map
    other = torch.rand(PATCHES, PATCHES, generator=generator, dtype=torch.float64)
    assert one_face.measure(MapName("other"), other).infidelity > 0.1


@pytest.mark.usefixtures("few_controls", "short_curves")
def test_sensitivity_is_the_largest_change_of_a_map_under_noise(small_explainer, explanation):
    """The map of a head, compared with a loop over the same noisy copies."""
    task = small_explainer.task(explanation)
    found = list(measure_faithfulness(task, replace(explanation, attributions={}), True))[-1]
    head = found.maps[0]
    true = in_patches(explanation.heads.spatial[0]).flatten()
    generator = torch.Generator().manual_seed(SEED)
    moved = []
    for noise in torch.rand(NOISY_COPIES, *task.x.shape[1:], generator=generator).split(1):
        noisy = replace(task, x=task.x + (2 * noise - 1) * NOISE / 0.25)
        moved.append(float((in_patches(new_map(noisy, head.name)).flatten() - true).norm() / true.norm()))
    assert len(set(moved)) == NOISY_COPIES
    assert head.sensitivity == pytest.approx(max(moved), rel=1e-3)


@pytest.mark.usefixtures("few_controls", "short_curves")
def test_a_constant_method_has_sensitivity_zero_and_a_map_of_zeros_has_none(small_explainer, explanation, monkeypatch):
    fixed = torch.rand(7, 7, dtype=torch.float64)
    monkeypatch.setattr(metrics, "new_map", lambda task, name: fixed)
    monkeypatch.setattr(measurement, "shown_map", lambda e, name: fixed if name.key != "head 2" else 0 * fixed)
    found = list(small_explainer.faithfulness(replace(explanation, attributions={})))[-1]
    assert found.maps[0].sensitivity == 0
    assert found.maps[1].sensitivity is None
