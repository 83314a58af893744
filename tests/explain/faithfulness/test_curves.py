from __future__ import annotations

import numpy as np
import pytest
import torch

from dan_model.explain.attributions import AttributionRequest, AttributionTask
from dan_model.explain.faithfulness import PATCHES, MapName, in_patches, new_map
from dan_model.explain.faithfulness.controls import random_maps
from dan_model.explain.faithfulness.curves import STEPS
from dan_model.explain.faithfulness.measurement import Measurement
from dan_model.explain.score import Score
from tests.fixtures.models import linear_task, planted_dan


def test_curves_begin_and_end_at_the_face_and_the_baseline(small_explainer, explanation, measured):
    own = float(explanation.prediction.probabilities[explanation.target])
    with torch.no_grad():
        blurred = small_explainer.model.eval()(small_explainer.task(explanation).baseline("blur")).softmax(dim=1)
    gone = float(blurred[0, explanation.target])
    for one in (*measured[-1].maps, measured[-1].edges, *measured[-1].random):
        assert [float(one.deletion[i]) for i in (0, -1)] == pytest.approx([own, gone], abs=1e-4)
        assert [float(one.insertion[i]) for i in (0, -1)] == pytest.approx([gone, own], abs=1e-4)
        assert one.deletion.shape == one.insertion.shape == (STEPS + 1,)


def test_the_first_deletion_step_takes_the_fourteen_highest_patches(small_explainer, explanation, measured):
    head = measured[-1].maps[0]
    task = small_explainer.task(explanation)
    cells = torch.nn.functional.interpolate(
        explanation.heads.spatial[0].double()[None, None], (PATCHES, PATCHES), mode="bilinear"
    )[0, 0]
    highest = np.argsort(-cells.numpy().ravel())[:PATCHES]
    face, baseline = task.x.clone(), task.baseline("blur")
    for i in highest:
        row, column = divmod(int(i), PATCHES)
        place = (..., slice(8 * row, 8 * row + 8), slice(8 * column, 8 * column + 8))
        face[place] = baseline[place]
    with torch.no_grad():
        expected = small_explainer.model.eval()(face).softmax(dim=1)[0, explanation.target]
    assert float(head.deletion[1]) == pytest.approx(float(expected), abs=1e-4)


def test_areas_of_a_linear_score_by_hand():
    """The score depends on one patch alone: the right map removes it first, the worst map last."""
    weight = torch.zeros(1, 1, 224, 224)
    weight[..., :16, :16] = 1 / 256
    measurement = Measurement(linear_task(weight), torch.zeros(1, 1, 224, 224))
    values = torch.zeros(PATCHES, PATCHES, dtype=torch.float64)
    values[0, 0] = 1.0
    best, worst = measurement.measure(MapName("best"), values), measurement.measure(MapName("worst"), -values)
    assert best.deletion.tolist() == [1.0] + [0.0] * STEPS
    assert best.deletion_auc == pytest.approx(1 / (2 * STEPS))
    assert best.insertion_auc == pytest.approx(1 - 1 / (2 * STEPS))
    assert worst.deletion_auc == pytest.approx(1 - 1 / (2 * STEPS))
    assert best.infidelity == pytest.approx(0, abs=1e-9)


def test_patches_with_equal_values_are_removed_in_no_spatial_order():
    """A constant map must not remove the image from its top."""
    measurement = Measurement(linear_task(torch.full((1, 1, 224, 224), 1.0)), torch.zeros(1, 1, 224, 224))
    seen = []
    images = measurement.removal.images
    measurement.removal.images = lambda removed: seen.append(removed) or images(removed)
    measurement.measure(MapName("even"), torch.ones(PATCHES, PATCHES, dtype=torch.float64))
    first = seen[0][0].view(PATCHES, PATCHES)
    assert int(first.sum()) == PATCHES
    rows, columns = int(first.any(dim=1).sum()), int(first.any(dim=0).sum())
    assert min(rows, columns) > PATCHES // 3  # neither rows nor columns, from whichever side


def test_planted_evidence_is_removed_far_faster_than_at_random():
    model = planted_dan()
    x = torch.zeros(1, 3, 112, 112)
    x[..., 64:96, 64:96] = 4.0
    with torch.no_grad():
        bright, dark = model(torch.cat([x, torch.zeros_like(x)]))
    task = AttributionTask(model, x, Score(int(bright[0] < dark[0]), kind="logit"))  # ℓ is saturated here
    object.__setattr__(task, "baseline", lambda name: torch.zeros_like(x))
    measurement = Measurement(task, torch.zeros_like(x))
    found = new_map(task, MapName("occlusion", request=AttributionRequest.parse("occlusion:window=16,stride=8")))
    occlusion = measurement.measure(MapName("occlusion"), in_patches(found))
    whole, nothing = float(occlusion.deletion[0]), float(occlusion.deletion[-1])
    controls = [measurement.measure(MapName("random"), values) for values in random_maps()]
    fall = [(one.deletion_auc - nothing) / (whole - nothing) for one in controls]
    own = (occlusion.deletion_auc - nothing) / (whole - nothing)
    assert own < 0.15
    assert own < min(fall) - 0.2
