from __future__ import annotations

import copy
import math
import threading

import pytest
import torch

from dan_model.explain import sanity
from dan_model.explain.maps import in_patches
from dan_model.explain.sanity import detail_similarity, layers_from_the_top, randomise
from dan_model.show.trust import sanity_sentence
from tests.conftest import random_dan

METHODS = ("guided_grad_cam", "saliency", "input_x_gradient")


@pytest.fixture(scope="module")
def explanation(explainer, astronaut):
    return explainer.explain(astronaut, attributions=METHODS)


@pytest.fixture(scope="module")
def checked(explainer, explanation):
    before = copy.deepcopy(explainer.model.state_dict())
    parts = list(explainer.sanity(explanation))
    assert all(torch.equal(before[key], value) for key, value in explainer.model.state_dict().items())
    return parts


def test_layers_go_from_the_top_and_hold_every_weight_once():
    model = random_dan()
    layers = layers_from_the_top(model)
    assert list(layers) == [
        "classifier", "channel attention", "spatial attention", "layer4", "layer3", "layer2", "layer1", "stem",
    ]  # fmt: skip
    held = [id(p) for modules in layers.values() for module in modules for p in module.parameters()]
    assert len(held) == len(set(held))
    assert set(held) == {id(p) for p in model.parameters()}


def test_random_weights_are_new_as_wide_as_before_and_always_the_same():
    model, again = random_dan(), random_dan()
    before = model.fc.weight.clone()
    for one in (model, again):
        randomise(one.fc, torch.Generator().manual_seed(0))
    assert torch.equal(model.fc.weight, again.fc.weight)
    assert abs(float(torch.corrcoef(torch.stack([before.flatten(), model.fc.weight.flatten()]))[0, 1])) < 0.1
    assert float(model.fc.weight.std()) == pytest.approx(float(before.std()), rel=0.1)


def test_each_step_adds_a_layer_and_the_maps_of_heads_do_not_know_what_comes_after_them(checked):
    assert [len(part.layers) for part in checked] == list(range(9))
    assert [part.pending for part in checked] == list(range(8, -1, -1))
    last = checked[-1]
    for h in range(4):
        similarity = last.similarity(f"head {h + 1}")
        assert similarity[:3] == pytest.approx([1, 1, 1])  # classifier and channel attention come later
        assert similarity[3] < 0.999  # spatial attention is the head's own
    assert last.similarity("fusion")[1] < 0.999


def test_guided_grad_cams_fine_detail_does_not_mind_a_random_network_and_others_do(checked):
    """Adebayo et al. (2018) on the embedded weights: measured, not assumed."""
    last = checked[-1]
    assert last.detail_stays("guided_grad_cam") in last.layers[:4]
    assert last.detail_stays("saliency") is None
    assert last.detail_stays("input_x_gradient") is None
    assert "Guided Grad-CAM: the fine detail stays" in sanity_sentence(last)
    assert all(math.isnan(value) for value in last.detail["head 1"])


def test_a_map_that_only_shows_the_picture_is_warned_of(explainer, explanation, monkeypatch):
    picture = torch.rand(7, 7, generator=torch.Generator().manual_seed(0))
    monkeypatch.setattr(sanity, "new_map", lambda question, name: picture)
    monkeypatch.setattr(sanity, "shown_map", lambda e, name: picture)
    parts = list(explainer.sanity(explanation))
    assert all(parts[-1].insensitive(name.key) for name in parts[-1].names)
    assert not any(parts[-2].insensitive(name.key) for name in parts[-2].names)  # not before all is random
    assert "hardly changed though the whole network is random" in sanity_sentence(parts[-1])


def test_the_network_is_copied_while_nobody_has_hooks_on_it(explainer, explanation):
    done = threading.Event()
    waiting = threading.Thread(target=lambda: (next(explainer.sanity(explanation)), done.set()))
    with explainer.question(explanation).lock:
        waiting.start()
        assert not done.wait(0.5)
    assert done.wait(30)
    waiting.join()


def test_maps_of_regions_have_no_fine_detail(explainer, astronaut):
    e = explainer.explain(astronaut, attributions=("region_ablation",))
    parts = explainer.sanity(e)
    next(parts)
    assert math.isnan(next(parts).detail["region_ablation"][0])


def test_detail_is_compared_whatever_the_coarse_shape():
    generator = torch.Generator().manual_seed(0)
    detail = torch.rand(224, 224, generator=generator) + 0.5
    hill = torch.linspace(0.1, 3, 224)[:, None]
    assert detail_similarity(detail * hill, detail * hill.flip(0)) > 0.9
    assert abs(detail_similarity(detail, torch.rand(224, 224, generator=generator))) < 0.1
    assert math.isnan(detail_similarity(torch.ones(7, 7), torch.ones(7, 7)))


def test_stop_ends_the_check_and_keeps_what_is_ready(explainer, explanation):
    asked = iter([True] * 12 + [False] * 1000)
    parts = list(explainer.sanity(explanation, lambda: next(asked)))
    assert 1 <= len(parts) < 9
    assert parts[-1].pending


def test_the_similarity_of_the_first_step_is_the_rank_correlation_of_both_maps(checked, explanation):
    last = checked[-1]
    true, first = (last.maps["saliency"][i].flatten() for i in (0, 1))
    torch.testing.assert_close(true, in_patches(explanation.attributions["saliency"].map, signed=False).flatten())
    ranks = torch.stack([values.argsort().argsort().double() for values in (true, first)])
    assert last.similarity("saliency")[1] == pytest.approx(float(torch.corrcoef(ranks)[0, 1]), abs=1e-6)
