from __future__ import annotations

import pytest
import torch

from dan_model.explain.attributions import attribute, attribute_in_stages
from dan_model.explain.regions import REGIONS


def test_region_shapley_sums_to_the_full_score_less_the_ablated_one(task):
    result = attribute(task, "region_shapley@black:samples=4")
    with torch.no_grad():
        scores = task.model.eval()(torch.cat([task.x, task.baseline("black")])).log_softmax(dim=1)[:, 1]
    assert float(result.by_region.sum()) == pytest.approx(float(scores[0] - scores[1]), abs=1e-3)
    assert result.complete
    assert result.map.untyped_storage().nbytes() == result.map.numel() * result.map.element_size()


def test_region_ablation_is_the_fall_when_one_region_is_black(task):
    result = attribute(task, "region_ablation@black")
    mask, base = task.regions.map, task.baseline("black")
    for r, name in enumerate(REGIONS):
        covered = torch.where(mask == r, base, task.x)
        with torch.no_grad():
            scores = task.model.eval()(torch.cat([task.x, covered])).log_softmax(dim=1)[:, 1]
        assert float(result.by_region[r]) == pytest.approx(float(scores[0] - scores[1]), abs=1e-3), name
        if bool((mask == r).any()):
            assert float(result.map[mask == r].unique()) == pytest.approx(float(result.by_region[r]))


def test_regions_follow_the_input_size(small_task):
    """At 112 pixels each takes the region of the pixel at its lower right of the 224 × 224 drawing."""
    result = attribute(small_task, "region_ablation@black")
    mask, base = small_task.regions.map[1::2, 1::2], small_task.baseline("black")
    assert result.map.shape == mask.shape == (112, 112)
    nose = REGIONS.index("nose")
    with torch.no_grad():
        covered = torch.where(mask == nose, base, small_task.x)
        scores = small_task.model.eval()(torch.cat([small_task.x, covered])).log_softmax(dim=1)[:, 1]
    assert float(result.by_region[nose]) == pytest.approx(float(scores[0] - scores[1]), abs=1e-3)
    assert float(result.map[mask == nose].unique()) == pytest.approx(float(result.by_region[nose]))


def test_occlusion_is_the_fall_of_the_score_when_a_square_is_covered(task):
    """With squares that do not overlap, each must hold ℓ - ℓ of the covered face, computed one by one."""
    result = attribute(task, "occlusion@black:window=112,stride=112")
    baseline = task.baseline("black")
    with torch.no_grad():
        full = task.model.eval()(task.x).log_softmax(dim=1)[0, 1]
        for rows in (slice(0, 112), slice(112, 224)):
            for columns in (slice(0, 112), slice(112, 224)):
                covered = task.x.clone()
                covered[..., rows, columns] = baseline[..., rows, columns]
                fall = full - task.model(covered).log_softmax(dim=1)[0, 1]
                torch.testing.assert_close(result.map[rows, columns], fall.expand(112, 112), rtol=1e-3, atol=1e-3)


def test_a_coarse_occlusion_of_nine_squares_comes_before_one_square_per_cell(small_task):
    coarse, final = attribute_in_stages(small_task, "occlusion@black:window=16,stride=16")
    assert (coarse.final, final.final) == (False, True)
    assert (coarse.forwards, final.forwards) == (1 + 9, 1 + 9 + 1 + 49)
    assert len(coarse.map.unique()) <= 9
    first = small_task.x.clone()
    first[..., :16, :16] = small_task.baseline("black")[..., :16, :16]
    with torch.no_grad():
        own, covered = small_task.model.eval()(torch.cat([small_task.x, first])).log_softmax(dim=1)[:, 1]
    torch.testing.assert_close(final.map[:16, :16], (own - covered).expand(16, 16), rtol=1e-3, atol=1e-3)
