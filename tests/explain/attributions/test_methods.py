"""What holds for many methods, or for all."""

from __future__ import annotations

import copy
import gc
import threading
from contextlib import suppress
from dataclasses import replace

import numpy as np
import pytest
import torch

from dan_model.errors import Stopped
from dan_model.explain import Explainer
from dan_model.explain.attributions import METHODS, AttributionTask, attribute
from dan_model.explain.regions import Regions
from dan_model.explain.score import Score
from tests.fixtures.models import planted_dan, random_dan
from tests.fixtures.quick_methods import EVERY, QUICK

LINEAR = ["saliency", "input_x_gradient", "layer_grad_cam", "head_grad_cam", "occlusion", "region_ablation"]


def test_a_contrast_is_the_difference_of_its_classes_where_the_method_is_linear_in_the_score(small_task):
    task, quick = small_task, {**QUICK, "occlusion": "occlusion:window=56,stride=56"}
    for name in LINEAR:
        text = quick.get(name, name)
        a, b, contrast = (
            attribute(replace(task, score=score), text).map for score in (Score(1), Score(3), Score(1, against=3))
        )
        scale = float(contrast.abs().max())
        torch.testing.assert_close(contrast, a - b, rtol=1e-3, atol=2e-3 * scale)


@pytest.mark.parametrize(
    "name", ["occlusion:window=64,stride=32", "integrated_gradients", "input_x_gradient", "layer_grad_cam",
             "head_grad_cam", "deep_lift", "gradient_shap"],
)  # fmt: skip
def test_the_only_evidence_is_found_by_every_method_that_locates_it(name):
    model = planted_dan()
    x = torch.full((1, 3, 224, 224), 0.0)
    x[..., 144:192, 128:176] = 4.0
    base = torch.zeros_like(x)
    task = AttributionTask(model, x, Score(0))
    with torch.no_grad():
        scores = model(torch.cat([x, base]))[:, 0]
    assert float(scores[0] - scores[1]) > 3
    object.__setattr__(task, "baseline", lambda chosen: base)
    evidence = attribute(task, name).map.clamp(min=0)
    assert float(evidence[112:, 96:].sum()) > 0.9 * float(evidence.sum())
    row, column = divmod(int(evidence.argmax()), 224)
    assert 128 <= row < 208
    assert 112 <= column < 192


@pytest.mark.parametrize("name", list(METHODS))
def test_stop_ends_every_method_within_one_pass(task, name):
    """Once `should_continue` returns False, no image goes through the network any more."""
    text, seen = QUICK.get(name, name), []
    hook = task.model.bn.register_forward_hook(lambda *_: seen.append(1))
    try:
        with suppress(Stopped):  # a method that needs a single pass is finished after it
            attribute(replace(task, should_continue=lambda: len(seen) < 1), text)
        assert len(seen) == 1
        with pytest.raises(Stopped):
            attribute(replace(task, should_continue=lambda: False), text)
        assert len(seen) == 1
    finally:
        hook.remove()
    assert not any(module._forward_hooks or module._backward_hooks for module in task.model.modules())


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("fails", [False, True])
def test_explaining_leaves_model_and_image_as_they_were(detector, astronaut, training, fails):
    model = random_dan(image_size=112).train(training)
    model.fc.weight.requires_grad_(False)
    explainer = Explainer(model, detector)
    state = copy.deepcopy(model.state_dict())
    flags = [p.requires_grad for p in model.parameters()]
    image = astronaut.copy()
    if fails:
        for text in EVERY:

            def break_down(*_):
                raise RuntimeError("broken on purpose")

            e = explainer.explain(image, face="whole")
            hook = model.fc.register_forward_hook(break_down)
            task = replace(explainer.task(e), regions=None if "region" not in text else _halves())
            with pytest.raises(RuntimeError, match="on purpose"):
                attribute(task, text)
            hook.remove()
    else:
        explainer.explain(image, attributions=[text for text in EVERY if "region" not in text], face="whole")
    assert all(torch.equal(state[key], value) for key, value in model.state_dict().items())
    assert [p.requires_grad for p in model.parameters()] == flags
    assert all(module.training is training for module in model.modules())
    assert all(p.grad is None for p in model.parameters())
    for module in model.modules():
        assert not module._forward_hooks
        assert not module._forward_pre_hooks
        assert not module._backward_hooks
        assert not hasattr(module, "input")
    np.testing.assert_array_equal(image, astronaut)


def _halves() -> Regions:
    return Regions((torch.arange(112 * 112).reshape(112, 112) % 112 > 55).long())


def test_many_explanations_with_changing_methods_leave_no_hooks_and_no_memory():
    """Two hundred explanations, on faces of 32 pixels, of a network of one head."""
    model = random_dan(classes=8, heads=1, image_size=32)
    methods = ["layer_grad_cam", "head_grad_cam", "saliency", "guided_grad_cam", "deep_lift"]
    small = torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    tensors = []
    for i in range(200):
        task = AttributionTask(model, small, Score(i % 8), threading.RLock())
        object.__setattr__(task, "baseline", lambda name: torch.zeros_like(small))
        attribute(task, methods[i % len(methods)])
        if i in (49, 199):
            gc.collect()
            tensors.append(sum(isinstance(one, torch.Tensor) for one in gc.get_objects()))
    assert tensors[1] <= tensors[0] * 1.02
    assert not any(m._forward_hooks or m._forward_pre_hooks or m._backward_hooks for m in model.modules())
