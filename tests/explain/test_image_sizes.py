"""Every size of input that a configuration allows, in everything that is computed and drawn from a face."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from dan_model.config import MAX_SIDE, PreprocessConfig
from dan_model.errors import ArgumentError, ConfigError
from dan_model.explain import Explainer
from dan_model.explain.attributions import BASELINES, METHODS
from dan_model.explain.cover import FILLS, Cover, explain_covered
from dan_model.explain.faithfulness import measurement
from dan_model.faces import FaceCrop
from dan_model.show.figure_views import all_views
from dan_model.show.report import numbers, panel_png
from dan_model.weights import load_checkpoint
from tests.fixtures.quick_methods import QUICK

SIZES = (32, 33, 100)  # the smallest, one cell and a pixel, and a size between whole cells
DRAWN = (33,)  # of these, whose figures are drawn too: that takes the longest


def explainer_of(image_size: int) -> Explainer:
    """On the embedded weights, for inputs of another size."""
    checkpoint = load_checkpoint()
    config = checkpoint.model.config
    checkpoint.model.config = replace(config, preprocess=replace(config.preprocess, image_size=image_size))
    return Explainer.from_checkpoint(checkpoint, torch.device("cpu"))


@pytest.fixture(scope="module")
def face(explainer, astronaut) -> FaceCrop:
    return explainer.crop(astronaut, explainer.faces(astronaut)[0])


@pytest.mark.parametrize("size", SIZES)
def test_every_method_map_and_view_works(size, face, few_controls):
    explainer = explainer_of(size)
    requests = [QUICK.get(name, name) for name in METHODS if name != "occlusion"] + ["occlusion"]
    e = list(explainer.stream_crop(face, None, requests, attended_vs_used=True))[-1]
    assert len(e.attributions) == len(METHODS)
    for attribution in e.attributions.values():
        assert attribution.map.shape == (size, size)
        assert attribution.map.isfinite().all()
    # What must add up adds up: the regions to the whole difference from the baseline.
    assert e.attributions["region_shapley:samples=1"].complete

    assert numbers(e)["prediction"]["label"] in e.labels
    if size in DRAWN:
        assert all(view.figure is not None for view in all_views(e) if view.name != "usual-maps")
        assert panel_png(e).startswith(b"\x89PNG")
    for fill in FILLS:
        assert explain_covered(explainer, e, Cover(np.eye(7) > 0, fill)).prediction.probabilities.sum() == (
            pytest.approx(1, abs=1e-5)
        )
    first = next(measurement.measure_faithfulness(explainer.task(e), e))
    assert first.edges.values.isfinite().all()
    assert next(iter(explainer.randomisation(e))).names


@pytest.mark.parametrize("baseline", BASELINES)
def test_a_window_as_large_as_the_face_replaces_all_of_it(baseline, face):
    explainer = explainer_of(32)
    e = explainer.explain_stages(face, explainer.model.stages(explainer.input_of(face)))
    task = explainer.task(e)
    with_face, without = task.scores(torch.cat([task.x, task.baseline(baseline)])).tolist()
    found = list(explainer.stream_crop(face, None, [f"occlusion@{baseline}"]))[-1]
    torch.testing.assert_close(
        found.attributions[f"occlusion@{baseline}"].map, torch.full((32, 32), with_face - without), atol=1e-4, rtol=1e-4
    )


@pytest.mark.parametrize("size", [32, 33, 48])
def test_the_blur_of_an_even_face_is_that_face(size, face):
    explainer = explainer_of(size)
    grey = replace(face, pixels=np.full_like(face.pixels, 128))
    task = explainer.task(explainer.explain_stages(grey, explainer.model.stages(explainer.input_of(grey))))
    torch.testing.assert_close(task.baseline("blur"), task.x)


def test_a_window_larger_than_the_face_is_refused_in_words(face):
    with pytest.raises(ArgumentError, match=r"A window of 33 pixels is larger than the face\. Give at most 32\."):
        list(explainer_of(32).stream_crop(face, None, ["occlusion:window=33"]))


@pytest.mark.parametrize(("size", "method"), [(225, "region_ablation@blur"), (MAX_SIDE, "layer_grad_cam")])
def test_sizes_above_the_usual_one_work(size, method, face):
    explainer, cells = explainer_of(size), -(-size // 32)
    e = list(explainer.stream_crop(face, None, [method]))[-1]
    assert e.attributions[method].map.shape == (size, size)
    assert e.heads.spatial.shape == (4, cells, cells)
    assert explainer.task(e).baseline("blur").shape == (1, 3, size, size)


@pytest.mark.parametrize("size", [31, MAX_SIDE + 1, 0, -32, 64.0, True, "64", None])
def test_other_sizes_are_refused(size):
    with pytest.raises(ConfigError, match=f"whole number from 32 to {MAX_SIDE}"):
        PreprocessConfig(image_size=size)
