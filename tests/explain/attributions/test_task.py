from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch
from torchvision.models.resnet import BasicBlock

from dan_model.errors import ArgumentError, DeviceMemoryError
from dan_model.explain.attributions import BASELINES, AttributionRequest, Cost, attribute
from dan_model.explain.attributions.task import BLUR, ScoreFunction
from dan_model.faces import black, normalised
from dan_model.network import Block
from tests.fixtures.quick_methods import EVERY


@pytest.fixture
def task(small_task):
    """Counts and batches do not depend on the size of the input."""
    return small_task


def test_separate_relus_change_no_bit_and_let_deep_lift_and_guided_backpropagation_run(task):
    """torchvision's block uses one in-place ReLU twice; the blocks of DAN have two ReLUs."""
    torch.manual_seed(0)
    tied, untied = BasicBlock(8, 8).eval(), Block(8, 8).eval()
    untied.load_state_dict(tied.state_dict())
    x = torch.randn(2, 8, 9, 9)
    assert torch.equal(tied(x.clone()), untied(x.clone()))

    plain = copy.deepcopy(task.model)
    for module in plain.features.modules():
        if isinstance(module, Block):
            module.relu.inplace = module.relu2.inplace = True
    with torch.no_grad():
        assert torch.equal(plain.eval()(task.x), task.model.eval()(task.x))
    for name in ("deep_lift", "guided_grad_cam"):
        assert bool(attribute(task, name).map.isfinite().all())


def test_baselines_are_a_black_image_the_blurred_face_and_the_mean_face(task, small_explainer):
    assert torch.equal(task.baseline("black"), black(small_explainer.model.config.preprocess))
    blurred = task.baseline("blur")
    assert blurred.shape == task.x.shape
    assert float(blurred.diff(dim=3).abs().max()) < 2 * float(task.x.max() - task.x.min()) / BLUR
    mean = task.baseline("mean")
    again = normalised(torch.nn.functional.interpolate(
        small_explainer.reference.mean_face[None], (112, 112), mode="bilinear"), small_explainer.model.config.preprocess
    )  # fmt: skip
    torch.testing.assert_close(mean, again)
    maps = [attribute(task, f"region_ablation@{name}") for name in BASELINES]
    assert [one.baseline for one in maps] == list(BASELINES)
    assert len({round(float(one.by_region.sum()), 3) for one in maps}) == len(BASELINES)
    with pytest.raises(ArgumentError, match="no mean face"):
        replace(task, mean_face=None).baseline("mean")


def test_passes_are_counted_and_work_goes_in_batches(task):
    sizes = []
    hook = task.model.bn.register_forward_hook(lambda module, inputs, output: sizes.append(len(output)))
    try:
        for text, images, back in (
            ("region_ablation", 9, 0),
            ("occlusion:window=28,stride=28", 1 + 9 + 1 + 16, 0),
            ("saliency", 1, 1),
        ):
            sizes.clear()
            result = attribute(task, text)
            assert (result.forwards, result.backwards) == (images, back)
            assert sum(sizes) == images
            assert max(sizes) <= 8
    finally:
        hook.remove()


def test_the_default_baseline_is_the_mean_face_or_the_blurred_one_for_weights_without(task):
    text, mean_face = "occlusion:window=56,stride=56", torch.rand(1, 48, 48)
    for own, name in ((replace(task, mean_face=mean_face), "mean"), (replace(task, mean_face=None), "blur")):
        default = attribute(own, text)
        assert default.baseline == name
        assert torch.equal(default.map, attribute(own, text.replace(":", f"@{name}:")).map)


FURTHER = (
    "occlusion:window=32,stride=8",
    "integrated_gradients:steps=7,most=28",
    "integrated_gradients:steps=8,most=8,tolerance=0.001",
    "integrated_gradients@black:steps=15,most=80,tolerance=0.0001",
)


@pytest.mark.parametrize("text", [*EVERY, *FURTHER])
def test_a_request_knows_how_many_images_it_sends_at_most(task, text):
    result, most = attribute(replace(task, cost=Cost()), text), AttributionRequest.parse(text).passes_at(112)
    assert most / 12 <= result.forwards + result.backwards <= most


def test_squares_over_a_larger_face_are_more_images():
    request = AttributionRequest.parse("occlusion:window=8,stride=4")
    assert [request.passes_at(side) for side in (112, 224, 448)] == [29**2 + 10, 57**2 + 10, 113**2 + 10]
    assert request.passes == request.passes_at(224)
    assert AttributionRequest.parse("smooth_grad").passes_at(448) == 2 * 24 + 8


def test_methods_that_need_the_same_features_or_gradient_share_one_pass(task):
    """And each gives what it gives alone: its own task computes the pass anew."""
    shared = replace(task, cost=Cost())
    costs, maps = [], {}
    for name in ("layer_grad_cam", "head_grad_cam", "saliency", "input_x_gradient"):
        result = attribute(shared, name)
        maps[name] = result.map
        costs.append((result.forwards, result.backwards))
        torch.testing.assert_close(result.map, attribute(replace(task), name).map, rtol=0, atol=0)
    assert costs == [(1, 0), (0, 0), (1, 1), (0, 0)]
    both = (task.x * shared.gradient)[0].sum(dim=0)
    torch.testing.assert_close(maps["input_x_gradient"], both)
    x = task.x.clone().requires_grad_()
    task.model.eval()(x).log_softmax(dim=1)[0, task.score.target].backward()
    torch.testing.assert_close(maps["saliency"], x.grad[0].sum(dim=0), rtol=1e-3, atol=1e-6)
    task.model.zero_grad()


def test_a_batch_without_memory_is_halved_and_a_single_image_without_memory_is_refused(task, monkeypatch):
    expected = attribute(task, "occlusion:window=28,stride=28").map
    room, tried = 2, []
    forward = ScoreFunction.forward

    def short(self, x):
        tried.append(len(x))
        if len(x) > room:
            raise torch.cuda.OutOfMemoryError("out of memory")
        return forward(self, x)

    monkeypatch.setattr(ScoreFunction, "forward", short)
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: None)
    torch.testing.assert_close(attribute(task, "occlusion:window=28,stride=28").map, expected, rtol=1e-3, atol=1e-3)
    assert {8, 4, 2} <= set(tried)
    room = 0
    with pytest.raises(DeviceMemoryError, match="single pass"):
        attribute(task, "region_ablation")
