from __future__ import annotations

import copy
import gc
import threading
from contextlib import suppress
from dataclasses import replace

import numpy as np
import pytest
import torch
from torchvision.models.resnet import BasicBlock

from dan_model.errors import ArgumentError, DeviceMemoryError, Stopped
from dan_model.explain.attributions import BASELINES, METHODS, Question, Request, attribute, parse_all
from dan_model.explain.attributions.gradients import NODES
from dan_model.explain.attributions.question import BLUR, Scored
from dan_model.explain.explainer import Explainer
from dan_model.explain.fusion import Classifier, fusion_shifts
from dan_model.explain.regions import REGIONS, Regions
from dan_model.explain.score import Score
from dan_model.network import DAN, Block
from dan_model.preprocess import black, normalised
from tests.conftest import EXAMPLES, random_dan

QUICK = {
    "integrated_gradients": "integrated_gradients:steps=8,most=8",
    "smooth_grad": "smooth_grad:samples=2",
    "gradient_shap": "gradient_shap:samples=2",
    "occlusion": "occlusion:window=112,stride=112",
    "region_shapley": "region_shapley:samples=1",
}
EVERY = [QUICK.get(name, name) for name in METHODS]
LINEAR = ["saliency", "input_x_gradient", "layer_grad_cam", "head_grad_cam", "occlusion", "region_ablation"]


@pytest.fixture(scope="module")
def smiling(explainer, astronaut):
    """The astronaut explained for happiness, nothing attributed."""
    return explainer.explain(astronaut)


@pytest.fixture
def asked(explainer, smiling) -> Question:
    return explainer.question(smiling)


@pytest.mark.parametrize(
    "example",
    ["astronaut.jpg", "hopper.jpg", *(f"mean_{name}.png" for name in (
        "neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt"
    ))],
)  # fmt: skip
def test_integrated_gradients_explains_all_but_one_per_cent_on_ten_faces(explainer, example):
    """At default steps; against the logits of face and black image, computed apart from the method."""
    whole = "whole" if example.startswith("mean") else 0
    e = explainer.explain(EXAMPLES / example, attributions=("integrated_gradients",), face=whole)
    result = e.attributions["integrated_gradients"]
    with torch.no_grad():
        start = explainer.model(black(explainer.model.config.preprocess))[0, e.target]
    rise = float(e.prediction.logits[e.target] - start)
    assert result.explained == pytest.approx(rise, abs=1e-3)
    assert abs(float(result.map.double().sum()) - rise) <= 0.01 * max(abs(rise), 0.5) + 1e-3
    assert result.holds
    assert result.backwards <= 480


def test_a_path_cut_into_pieces_adds_up_to_captums_own_sum_over_it(explainer, smiling):
    """With steps that need no refinement, each piece is Captum's rule on that piece: here by plain autograd.

    In float64, where no ReLU turns over because pictures went through the network in another batch.
    """
    exact = Explainer(copy.deepcopy(explainer.model).double(), explainer.detector, explainer.reference)
    asked = exact.question(smiling)
    result = attribute(asked, f"integrated_gradients:steps={2 * NODES},most={2 * NODES}")
    base = asked.baseline("black")
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    total = torch.zeros_like(asked.x)
    for low in (0.0, 0.5):
        for node, weight in zip(nodes, weights, strict=True):
            point = (base + (low + 0.25 * (node + 1)) * (asked.x - base)).requires_grad_()
            (gradient,) = torch.autograd.grad(exact.model(point)[0, 1], point)
            total += 0.25 * weight * gradient * (asked.x - base)
    torch.testing.assert_close(result.map, total[0].sum(dim=0), rtol=1e-6, atol=1e-8)  # Captum weighs in float32


def test_integrated_gradients_of_a_ledger_entry_sums_to_the_entrys_rise(explainer, astronaut):
    e = explainer.explain(astronaut, attributions=("integrated_gradients",), head=0)
    result = e.attributions["integrated_gradients"]
    with torch.no_grad():
        blank = explainer.model.eval().stages(black(explainer.model.config.preprocess))
    weight = Classifier.of(explainer.model).weight[e.target]
    before = float(fusion_shifts(blank.embeddings[0].double())[0] @ weight)
    rise = float(e.fusion.ledger[0, e.target]) - before
    assert float(result.map.double().sum()) == pytest.approx(rise, abs=0.01 * abs(rise) + 1e-3)
    assert e.told == "Head 1's ledger entry for happiness"
    assert float(e.score.evidence(e.fusion).sum()) == pytest.approx(float(e.fusion.ledger[0, e.target]))


def test_region_shapley_sums_to_the_full_score_less_the_ablated_one(asked):
    result = attribute(asked, "region_shapley:samples=4")
    with torch.no_grad():
        scores = asked.model.eval()(torch.cat([asked.x, asked.baseline("black")]))[:, 1]
    assert float(result.by_region.sum()) == pytest.approx(float(scores[0] - scores[1]), abs=1e-3)
    assert result.holds
    assert result.map.untyped_storage().nbytes() == result.map.numel() * result.map.element_size()


def test_region_ablation_is_the_fall_when_one_region_is_black(asked):
    result = attribute(asked, "region_ablation")
    mask, base = asked.regions.map, asked.baseline("black")
    for r, name in enumerate(REGIONS):
        covered = torch.where(mask == r, base, asked.x)
        with torch.no_grad():
            scores = asked.model.eval()(torch.cat([asked.x, covered]))[:, 1]
        assert float(result.by_region[r]) == pytest.approx(float(scores[0] - scores[1]), abs=1e-3), name
        if bool((mask == r).any()):
            assert float(result.map[mask == r].unique()) == pytest.approx(float(result.by_region[r]))


def test_occlusion_is_the_fall_of_the_logit_when_a_square_is_covered(asked):
    """With squares that do not overlap, each must hold logit - logit of the covered face, computed one by one."""
    result = attribute(asked, "occlusion:window=112,stride=112")
    baseline = asked.baseline("black")
    with torch.no_grad():
        full_logit = asked.model.eval()(asked.x)[0, 1]
        for rows in (slice(0, 112), slice(112, 224)):
            for columns in (slice(0, 112), slice(112, 224)):
                covered = asked.x.clone()
                covered[..., rows, columns] = baseline[..., rows, columns]
                fall = full_logit - asked.model(covered)[0, 1]
                torch.testing.assert_close(result.map[rows, columns], fall.expand(112, 112), rtol=1e-3, atol=1e-3)


def test_grad_cam_is_the_mean_gradient_times_the_features_of_backbone_and_heads(asked):
    """By its definition, on what follows the backbone alone; of the heads on x·a."""
    model = asked.model.eval()
    with torch.no_grad():
        features = model.features(asked.x)
    features.requires_grad_()
    attended = [head.sa(features) for head in model.heads]
    for one in attended:
        one.retain_grad()
    embeddings = []
    for head, one in zip(model.heads, attended, strict=True):
        pooled = one.mean(dim=(2, 3))
        embeddings.append(pooled * head.ca(pooled))
    model.classify(model.fuse(torch.stack(embeddings, dim=1))[1])[0, 1].backward()

    def cam(layer):
        return (layer.grad.mean(dim=(2, 3), keepdim=True) * layer).sum(dim=1)[0].detach()

    torch.testing.assert_close(attribute(asked, "layer_grad_cam").cells, cam(features), rtol=1e-3, atol=1e-6)
    of_heads = attribute(asked, "head_grad_cam")
    torch.testing.assert_close(of_heads.per_head, torch.stack([cam(one) for one in attended]), rtol=1e-3, atol=1e-5)
    torch.testing.assert_close(of_heads.cells, of_heads.per_head.sum(dim=0))
    model.zero_grad()


def test_a_contrast_is_the_difference_of_its_classes_where_the_method_is_linear_in_the_score(asked):
    for name in LINEAR:
        text = QUICK.get(name, name)
        a, b, contrast = (
            attribute(replace(asked, score=score), text).map for score in (Score(1), Score(3), Score(1, against=3))
        )
        scale = float(contrast.abs().max())
        torch.testing.assert_close(contrast, a - b, rtol=1e-3, atol=2e-3 * scale)


def test_scores_are_what_they_say(explainer, stages):
    logits = stages.logits
    torch.testing.assert_close(Score(1, against=3).read(explainer.model, stages), logits[:, 1] - logits[:, 3])
    torch.testing.assert_close(Score(1).answer(explainer.model, stages), logits.softmax(dim=1)[:, 1])
    two = logits[:, [1, 3]].softmax(dim=1)[:, 0]
    torch.testing.assert_close(Score(1, against=3).answer(explainer.model, stages), two)
    entries = torch.stack([Score(1, head=h).read(explainer.model, stages) for h in range(4)])
    assert float(entries.sum()) == pytest.approx(
        float(logits[0, 1]) - float(Classifier.of(explainer.model).logits(torch.ones(4, 512))[1]), abs=1e-3
    )


def test_untied_relus_change_no_bit_and_let_deep_lift_and_guided_backpropagation_run(asked):
    """torchvision's block uses one ReLU, in place, twice; DAN's blocks have two of their own."""
    torch.manual_seed(0)
    tied, untied = BasicBlock(8, 8).eval(), Block(8, 8).eval()
    untied.load_state_dict(tied.state_dict())
    x = torch.randn(2, 8, 9, 9)
    assert torch.equal(tied(x.clone()), untied(x.clone()))

    plain = copy.deepcopy(asked.model)
    for module in plain.features.modules():
        if isinstance(module, Block):
            module.relu.inplace = module.relu2.inplace = True
    with torch.no_grad():
        assert torch.equal(plain.eval()(asked.x), asked.model.eval()(asked.x))
    for name in ("deep_lift", "guided_grad_cam"):
        assert bool(attribute(asked, name).map.isfinite().all())


def test_deep_lift_does_not_keep_its_promise_on_dan_and_says_by_how_much(asked):
    result = attribute(asked, "deep_lift")
    assert float(result.map.double().sum()) == pytest.approx(result.explained + result.residual, abs=1e-3)
    assert not result.holds


def test_baselines_are_what_they_say(asked, explainer):
    assert torch.equal(asked.baseline("black"), black(explainer.model.config.preprocess))
    blurred = asked.baseline("blur")
    assert blurred.shape == asked.x.shape
    assert float(blurred.diff(dim=3).abs().max()) < 2 * float(asked.x.max() - asked.x.min()) / BLUR
    mean = asked.baseline("mean")
    again = normalised(torch.nn.functional.interpolate(
        explainer.reference.mean_face[None], (224, 224), mode="bilinear"), explainer.model.config.preprocess
    )  # fmt: skip
    torch.testing.assert_close(mean, again)
    maps = [attribute(asked, f"region_ablation@{name}") for name in BASELINES]
    assert [one.baseline for one in maps] == list(BASELINES)
    assert len({round(float(one.by_region.sum()), 3) for one in maps}) == len(BASELINES)
    with pytest.raises(ArgumentError, match="no mean face"):
        replace(asked, mean_face=None).baseline("mean")


def planted() -> DAN:
    """DAN made by hand, whose only evidence for class 0 is brightness: where a dark picture is bright decides alone.

    The stem's first channel copies the pixel, every block passes it on. The first head attends all cells alike and
    reads that channel, v_0 = mean brightness · 100 · 1/2; the second attends nothing. So S_0 is close to -v_0, and the
    classifier turns it around.
    """
    model = DAN(["bright", "dark"], 2).eval()
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, (torch.nn.Conv2d, torch.nn.Linear)):
                module.weight.zero_()
                if module.bias is not None:
                    module.bias.zero_()
            if isinstance(module, (torch.nn.BatchNorm2d, torch.nn.BatchNorm1d)):
                module.reset_running_stats()
        model.features[0].weight[0, :, 3, 3] = 1 / 3
        for layer in model.features[4:]:
            for block in layer:
                if block.downsample is not None:
                    block.downsample[0].weight[0, 0] = 1.0
        model.heads[0].sa.conv_3x3[1].bias[0] = 100.0
        model.fc.weight[0, 0] = -1.0
        model.fc.weight[1, 0] = 1.0
    return model


@pytest.mark.parametrize(
    "name", ["occlusion:window=32,stride=16", "integrated_gradients", "input_x_gradient", "layer_grad_cam",
             "head_grad_cam", "deep_lift", "gradient_shap"],
)  # fmt: skip
def test_the_only_evidence_is_found_by_every_method_that_promises_a_place(name):
    model = planted()
    x = torch.full((1, 3, 224, 224), 0.0)
    x[..., 144:192, 128:176] = 4.0
    base = torch.zeros_like(x)
    question = Question(model, x, Score(0))
    with torch.no_grad():
        scores = model(torch.cat([x, base]))[:, 0]
    assert float(scores[0] - scores[1]) > 3
    object.__setattr__(question, "baseline", lambda chosen: base)
    evidence = attribute(question, name).map.clamp(min=0)
    assert float(evidence[112:, 96:].sum()) > 0.9 * float(evidence.sum())
    row, column = divmod(int(evidence.argmax()), 224)
    assert 128 <= row < 208
    assert 112 <= column < 192


def test_passes_are_counted_and_work_goes_in_batches(asked):
    sizes = []
    hook = asked.model.bn.register_forward_hook(lambda module, inputs, output: sizes.append(len(output)))
    try:
        for text, images, back in (
            ("region_ablation", 9, 0),
            ("occlusion:window=56,stride=56", 17, 0),
            ("saliency", 1, 1),
        ):
            sizes.clear()
            result = attribute(asked, text)
            assert (result.forwards, result.backwards) == (images, back)
            assert sum(sizes) == images
            assert max(sizes) <= 8
    finally:
        hook.remove()


def test_without_memory_for_a_batch_half_of_it_is_tried_and_without_any_it_is_told(asked, monkeypatch):
    expected = attribute(asked, "occlusion:window=56,stride=56").map
    room, tried = 2, []
    forward = Scored.forward

    def short(self, x):
        tried.append(len(x))
        if len(x) > room:
            raise torch.cuda.OutOfMemoryError("out of memory")
        return forward(self, x)

    monkeypatch.setattr(Scored, "forward", short)
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: None)
    torch.testing.assert_close(attribute(asked, "occlusion:window=56,stride=56").map, expected, rtol=1e-3, atol=1e-3)
    assert {8, 4, 2} <= set(tried)
    room = 0
    with pytest.raises(DeviceMemoryError, match="single pass"):
        attribute(asked, "region_ablation")


@pytest.mark.parametrize("name", list(METHODS))
def test_stop_ends_every_method_within_one_pass(asked, name):
    """A counter: after the answer turns to no, no image goes through the network any more."""
    text, seen = QUICK.get(name, name), []
    hook = asked.model.bn.register_forward_hook(lambda *_: seen.append(1))
    try:
        with suppress(Stopped):  # what takes a single pass is done with it
            attribute(replace(asked, proceed=lambda: len(seen) < 1), text)
        assert len(seen) == 1
        with pytest.raises(Stopped):
            attribute(replace(asked, proceed=lambda: False), text)
        assert len(seen) == 1
    finally:
        hook.remove()
    assert not any(module._forward_hooks or module._backward_hooks for module in asked.model.modules())


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("fails", [False, True])
def test_explaining_leaves_model_and_image_as_they_were(detector, astronaut, training, fails):
    model = random_dan().train(training)
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
            question = replace(explainer.question(e), regions=None if "region" not in text else _halves())
            with pytest.raises(RuntimeError, match="on purpose"):
                attribute(question, text)
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
    return Regions((torch.arange(224 * 224).reshape(224, 224) % 224 > 111).long())


def test_noise_is_always_the_same_and_leaves_the_global_generator_alone(asked):
    torch.manual_seed(7)
    before = torch.random.get_rng_state()
    numpy_before = np.random.get_state()[1].copy()
    for text in ("smooth_grad:samples=3", "gradient_shap:samples=3", "gradient_shap:samples=3,noise=0.1"):
        first, second = (attribute(asked, text).map for _ in range(2))
        assert torch.equal(first, second), text
    assert np.array_equal(np.random.get_state()[1], numpy_before)
    shapley = [attribute(asked, "region_shapley:samples=2").by_region for _ in range(2)]
    assert torch.equal(*shapley)
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("magic", "no attribution method 'magic'"),
        ("saliency@black", "Saliency has no baseline"),
        ("occlusion@green", "no baseline 'green'"),
        ("occlusion:size=3", "Occlusion has no setting 'size'"),
        ("occlusion:window=4", r"window must lie in \[8, 112\], got 4"),
        ("occlusion:window=wide", "window must be a whole number, got 'wide'"),
        ("occlusion:window=8", "stride is larger than the window"),
        ("smooth_grad:noise=2", r"noise must lie in \[0, 1\], got 2"),
        ("occlusion:window=" + "9" * 400, r"window must lie in \[8, 112\]"),
        ("integrated_gradients:steps=480,most=8", "most is less than steps"),
    ],
)
def test_requests_that_make_no_sense_say_why(text, told):
    with pytest.raises(ArgumentError, match=told):
        Request.parse(text)


def test_requests_read_what_they_write():
    for name, method in METHODS.items():
        assert Request.parse(name).text == name
        if method.baselines:
            assert Request.parse(f"{name}@black").text == name
            assert Request.parse(f"{name}@blur").text == f"{name}@blur"
    text = "occlusion@mean:window=16,stride=8"
    assert Request.parse(text).text == text
    assert Request.parse("occlusion:stride=16").text == "occlusion"


def test_all_methods_or_none_may_be_asked_for_by_that_word():
    assert [request.method for request in parse_all(["all"])] == list(METHODS)
    assert parse_all(["none"]) == []
    assert [request.text for request in parse_all(["saliency", "none", "all"])] == [
        "saliency", *(name for name in METHODS if name != "saliency"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("extra", "told"),
    [
        ({"against": "happiness", "target": "happiness"}, "rather than itself"),
        ({"against": "joy"}, "no class 'joy'"),
        ({"head": 4}, "no head 5"),
        ({"head": -1}, "no head 0"),
    ],
)
def test_scores_that_make_no_sense_say_why(explainer, astronaut, extra, told):
    with pytest.raises(ArgumentError, match=told):
        explainer.explain(astronaut, **extra)


def test_a_single_head_has_no_ledger_to_explain_and_all_else_works(detector, astronaut):
    explainer = Explainer(random_dan(heads=1), detector)
    e = explainer.explain(astronaut, attributions=EVERY, against=2, target=1)
    assert list(e.attributions) == EVERY
    with pytest.raises(ArgumentError, match="single head"):
        explainer.explain(astronaut, head=0)


def test_without_landmarks_regions_are_refused_with_the_reason(explainer, astronaut):
    with pytest.raises(ArgumentError, match="not known"):
        explainer.explain(astronaut, attributions=("region_ablation",), face="whole")


def test_the_same_request_is_answered_from_the_cache_and_another_face_or_score_is_not(explainer, astronaut, smiling):
    seen = []
    hook = explainer.model.bn.register_forward_hook(lambda *_: seen.append(1))
    try:
        first = explainer.explain(astronaut, attributions=("saliency",), target=5)
        passes = len(seen)
        second = explainer.explain(astronaut, attributions=("saliency",), target=5)
        assert second.attributions["saliency"] is first.attributions["saliency"]
        assert len(seen) == passes + 1  # the first results
        other = explainer.explain(astronaut, attributions=("saliency",), target=6)
        assert other.attributions["saliency"] is not first.attributions["saliency"]
        mirrored = explainer.explain(astronaut[:, ::-1].copy(), attributions=("saliency",), target=5)
        assert mirrored.attributions["saliency"] is not first.attributions["saliency"]
    finally:
        hook.remove()
    assert explainer.cache.nbytes <= explainer.cache.limit


def test_weights_that_change_are_asked_anew(detector, astronaut):
    explainer = Explainer(random_dan(), detector)
    before = explainer.explain(astronaut, attributions=("saliency",), target=1).attributions["saliency"]
    with torch.no_grad():
        explainer.model.fc.weight.mul_(-1)
    after = explainer.explain(astronaut, attributions=("saliency",), target=1).attributions["saliency"]
    assert after is not before


def test_many_explanations_with_changing_methods_leave_no_hooks_and_no_memory(explainer, smiling):
    """Two hundred, on small faces: what is cheap is enough to find what is left behind."""
    model, methods = explainer.model, ["layer_grad_cam", "head_grad_cam", "saliency", "guided_grad_cam", "deep_lift"]
    small = torch.nn.functional.interpolate(explainer.question(smiling).x, (64, 64), mode="bilinear")
    tensors = []
    for i in range(200):
        question = Question(model, small, Score(i % 8), threading.RLock())
        object.__setattr__(question, "baseline", lambda name: torch.zeros_like(small))
        attribute(question, methods[i % len(methods)])
        if i in (49, 199):
            gc.collect()
            tensors.append(sum(isinstance(one, torch.Tensor) for one in gc.get_objects()))
    assert tensors[1] <= tensors[0] * 1.02
    assert not any(m._forward_hooks or m._forward_pre_hooks or m._backward_hooks for m in model.modules())
