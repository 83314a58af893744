from __future__ import annotations

import copy
import pickle
import threading

import numpy as np
import pytest
import torch
from PIL import Image

from dan_model.devices import DEVICES, choose_device
from dan_model.errors import ArgumentError, CheckpointError, NoFaceError
from dan_model.explain import Explainer
from dan_model.explain.attributions import DEFAULT_METHODS
from dan_model.explain.cache import Cache
from dan_model.explain.score import Score
from dan_model.faces import to_tensor
from tests.fixtures.examples import EXAMPLES
from tests.fixtures.models import random_dan
from tests.fixtures.quick_methods import EVERY


@pytest.fixture(scope="module")
def full(explainer, astronaut):
    return explainer.explain(astronaut, attributions=DEFAULT_METHODS)


def test_the_documented_api(full, explainer):
    assert full.prediction.label == "happiness"
    assert full.prediction.probabilities.shape == (8,)
    assert float(full.prediction.probabilities.sum()) == pytest.approx(1)
    assert full.labels == explainer.labels
    assert full.heads.spatial.shape == (4, 7, 7)
    assert full.heads.gates.shape == (4, 512)
    assert full.fusion.shares.shape == (4, 512)
    assert full.fusion.ledger.shape == (4, 8)
    assert full.fusion.consensus.shape == (8,)
    assert full.fusion.evidence.shape == (4, 7, 7)
    assert list(full.attributions) == list(DEFAULT_METHODS)
    for attribution in full.attributions.values():
        assert attribution.map.shape == (224, 224)
        assert attribution.map.device.type == "cpu"
        assert not attribution.map.requires_grad
        assert attribution.score == full.score == Score(1)


def test_heads_and_fusion_come_before_any_attribution(explainer, astronaut):
    parts = list(explainer.stream(astronaut, attributions=("occlusion", "layer_grad_cam")))
    assert [list(part.attributions) for part in parts] == [[], ["occlusion"], ["occlusion", "layer_grad_cam"]]
    assert all(part.heads is parts[0].heads for part in parts)


def test_any_class_can_be_the_target_by_name_or_index(explainer, astronaut):
    by_name = explainer.explain(astronaut, target="anger")
    by_index = explainer.explain(astronaut, target=4)
    assert by_name.target == by_index.target == 4
    assert by_name.prediction.label == "happiness"
    expected = by_name.prediction.logits.double().log_softmax(dim=0)[4] - by_name.fusion.consensus[4]
    torch.testing.assert_close(by_name.fusion.map.sum(), expected, rtol=1e-5, atol=1e-5)


def test_the_prediction_is_the_networks_own(explainer, astronaut, full):
    x = to_tensor(full.crop.pixels, explainer.model.config.preprocess)
    with torch.no_grad():
        torch.testing.assert_close(full.prediction.logits, explainer.model(x)[0])


def test_numpys_whole_numbers_are_whole_numbers(explainer, astronaut):
    assert explainer.explain(astronaut, target=np.int64(4), face=np.int64(0)).target == 4


def test_a_method_named_twice_is_computed_once(explainer, astronaut):
    parts = list(explainer.stream(astronaut, attributions=["layer_grad_cam"] * 3))
    assert len(parts) == 2


def test_a_stream_ends_before_the_next_pass_when_it_should_not_continue(explainer, astronaut):
    crop = explainer.crop(astronaut, explainer.faces(astronaut)[0])
    passes = []
    hook = explainer.model.fc.register_forward_hook(lambda *_: passes.append(1))
    budget = iter([True, True, False])
    try:
        stream = explainer.stream_crop(
            crop, attributions=("occlusion",), should_continue=lambda: next(budget), cache=Cache(0)
        )
        parts = list(stream)
    finally:
        hook.remove()
    assert len(parts) == 1
    assert len(passes) == 3  # the first results, and two batches of occlusion


def test_explanations_in_parallel_are_those_made_one_by_one(small_explainer, astronaut):
    """Methods register hooks on the shared network: no pass or copy of another thread may run into them."""
    explainer = Explainer(small_explainer.model, small_explainer.detector, small_explainer.reference, cache_bytes=0)
    methods = ("layer_grad_cam", "deep_lift", "guided_grad_cam")
    images = [astronaut, np.array(Image.open(EXAMPLES / "hopper.jpg"))]
    alone = [explainer.explain(image, attributions=methods) for image in images]
    together: dict[int, object] = {}
    copies: list[object] = []

    def work(i: int) -> None:
        together[i] = explainer.explain(images[i % 2], attributions=methods)
        copies.append(next(explainer.randomisation(alone[i % 2])))

    threads = [threading.Thread(target=work, args=(i,)) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(together), len(copies)) == (6, 6)
    for i, result in together.items():
        for name, expected in alone[i % 2].attributions.items():
            torch.testing.assert_close(result.attributions[name].map, expected.map)


def test_no_face_is_refused_and_the_whole_image_can_be_chosen(explainer):
    image = EXAMPLES / "no_face.jpg"
    with pytest.raises(NoFaceError, match="whole"):
        explainer.explain(image)
    assert explainer.explain(image, face="whole").crop.face.score is None


def test_every_face_can_be_chosen(explainer):
    image = EXAMPLES / "two_faces.jpg"
    assert explainer.explain(image, face=0).prediction.label == "neutral"
    assert explainer.explain(image, face=1).prediction.label == "happiness"
    assert explainer.explain(image, face=explainer.faces(image)[1]).prediction.label == "happiness"
    with pytest.raises(NoFaceError, match="has 2"):
        explainer.explain(image, face=2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"target": "joy"}, "no class 'joy'. Choose from: neutral, happiness"),
        ({"target": 8}, "no class 8"),
        ({"target": -1}, "no class -1"),
        ({"target": True}, "no class True"),
        ({"attributions": ("grad_cam",)}, "no attribution method 'grad_cam'"),
    ],
)
def test_unknown_classes_and_methods_are_refused_by_name(explainer, astronaut, arguments, message):
    with pytest.raises(ArgumentError, match=message):
        explainer.explain(astronaut, **arguments)


def test_devices_by_name():
    assert choose_device("cpu") == torch.device("cpu")
    assert choose_device("auto").type in DEVICES
    absent = next(name for name in ("mps", "cuda") if name != choose_device("auto").type)
    with pytest.raises(ArgumentError, match=f"no device '{absent}' here"):
        choose_device(absent)
    with pytest.raises(ArgumentError, match="'gpu'"):
        Explainer.from_pretrained(device="gpu")


def test_the_error_family():
    with pytest.raises(CheckpointError):
        Explainer.from_pretrained("no/such/folder")
    assert issubclass(ArgumentError, ValueError)


@pytest.mark.gpu
def test_results_from_an_accelerator_come_back_to_the_cpu(detector, astronaut):
    if not torch.cuda.is_available():
        pytest.skip("no accelerator")
    e = Explainer(random_dan().cuda(), detector).explain(astronaut, attributions=DEFAULT_METHODS)
    assert e.heads.spatial.device.type == "cpu"
    assert all(a.map.device.type == "cpu" for a in e.attributions.values())


def test_without_landmarks_regions_are_refused_with_the_reason(explainer, astronaut):
    with pytest.raises(ArgumentError, match="not known"):
        explainer.explain(astronaut, attributions=("region_ablation",), face="whole")


def test_a_single_head_has_no_ledger_to_explain_and_all_else_works(detector, astronaut):
    explainer = Explainer(random_dan(heads=1), detector)
    e = explainer.explain(astronaut, attributions=EVERY, against=2, target=1)
    assert list(e.attributions) == EVERY
    with pytest.raises(ArgumentError, match="single head"):
        explainer.explain(astronaut, head=0)


def test_the_same_request_comes_from_the_cache_and_another_face_or_score_does_not(explainer, astronaut):
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


def test_changed_weights_are_explained_again(detector, astronaut):
    explainer = Explainer(random_dan(), detector)
    before = explainer.explain(astronaut, attributions=("saliency",), target=1).attributions["saliency"]
    with torch.no_grad():
        explainer.model.fc.weight.mul_(-1)
    after = explainer.explain(astronaut, attributions=("saliency",), target=1).attributions["saliency"]
    assert after is not before


def test_one_attribution_may_be_given_as_a_text(small_explainer, astronaut):
    assert list(small_explainer.explain(astronaut, attributions="layer_grad_cam").attributions) == ["layer_grad_cam"]


def test_autocast_around_an_explanation_changes_nothing(small_explainer, astronaut):
    """Explained in float32 to the last digit; the caller's autocast holds between the parts."""
    methods = ("occlusion:window=56,stride=56", "layer_grad_cam")
    plain = small_explainer.explain(astronaut, attributions=methods, attended_vs_used=True)
    small_explainer.cache = Cache(0)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        cast = small_explainer.explain(astronaut, attributions=methods, attended_vs_used=True)
        for _ in small_explainer.stream(astronaut):
            assert torch.is_autocast_enabled("cpu")
    torch.testing.assert_close(cast.prediction.probabilities, plain.prediction.probabilities, rtol=0, atol=0)
    torch.testing.assert_close(cast.fusion.ledger, plain.fusion.ledger, rtol=0, atol=0)
    for name, attribution in plain.attributions.items():
        torch.testing.assert_close(cast.attributions[name].map, attribution.map, rtol=0, atol=0)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))])
def test_an_explainer_that_has_detected_can_be_copied(small_explainer, astronaut, copied):
    plain = small_explainer.explain(astronaut, attributions="layer_grad_cam")
    other = copied(small_explainer)
    assert other.model is not small_explainer.model
    again = other.explain(astronaut, attributions="layer_grad_cam")
    np.testing.assert_array_equal(again.crop.pixels, plain.crop.pixels)
    torch.testing.assert_close(again.prediction.probabilities, plain.prediction.probabilities, rtol=0, atol=0)
    torch.testing.assert_close(
        again.attributions["layer_grad_cam"].map, plain.attributions["layer_grad_cam"].map, rtol=0, atol=0
    )
