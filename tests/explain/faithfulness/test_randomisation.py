from __future__ import annotations

import copy
import math
import threading

import pytest
import torch

from dan_model.explain.faithfulness import in_patches, randomisation
from dan_model.explain.faithfulness.randomisation import detail_similarity, layers_from_the_top, randomise
from dan_model.show.faithfulness_views import randomisation_sentence
from tests.fixtures.examples import EXAMPLES
from tests.fixtures.models import random_dan

METHODS = ("guided_grad_cam", "saliency", "input_x_gradient")


@pytest.fixture(scope="module")
def explanation(small_explainer):
    return small_explainer.explain(EXAMPLES / "hopper.jpg", attributions=METHODS)


@pytest.fixture(scope="module")
def randomised(small_explainer, explanation):
    before = copy.deepcopy(small_explainer.model.state_dict())
    parts = list(small_explainer.randomisation(explanation))
    assert all(torch.equal(before[key], value) for key, value in small_explainer.model.state_dict().items())
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


def test_random_weights_are_uncorrelated_with_the_old_ones_of_the_same_width_and_reproducible():
    model, again = random_dan(), random_dan()
    before = model.fc.weight.clone()
    for one in (model, again):
        randomise(one.fc, torch.Generator().manual_seed(0))
    assert torch.equal(model.fc.weight, again.fc.weight)
    assert abs(float(torch.corrcoef(torch.stack([before.flatten(), model.fc.weight.flatten()]))[0, 1])) < 0.1
    assert float(model.fc.weight.std()) == pytest.approx(float(before.std()), rel=0.1)


def test_each_step_adds_a_layer_and_the_maps_of_heads_do_not_depend_on_later_layers(randomised):
    assert [len(part.layers) for part in randomised] == list(range(9))
    assert [part.pending for part in randomised] == list(range(8, -1, -1))
    last = randomised[-1]
    for h in range(4):
        similarity = last.similarity(f"head {h + 1}")
        assert similarity[:3] == pytest.approx([1, 1, 1])  # classifier and channel attention come later
        assert similarity[3] < 0.999  # spatial attention is the head's own
    assert last.similarity("fusion")[1] < 0.999


def test_the_fine_detail_of_guided_grad_cam_stays_in_a_random_network_and_that_of_others_does_not(randomised):
    """Adebayo et al. (2018) on the embedded weights: measured, not assumed."""
    last = randomised[-1]
    assert last.detail_stays("guided_grad_cam") in last.layers[:4]
    assert last.detail_stays("saliency") is None
    assert last.detail_stays("input_x_gradient") is None
    assert "Guided Grad-CAM: the fine detail stays" in randomisation_sentence(last)
    assert all(math.isnan(value) for value in last.detail["head 1"])


def test_a_map_that_depends_on_the_image_alone_is_reported_as_insensitive(small_explainer, explanation, monkeypatch):
    image = torch.rand(7, 7, generator=torch.Generator().manual_seed(0))
    monkeypatch.setattr(randomisation, "new_map", lambda task, name: image)
    monkeypatch.setattr(randomisation, "shown_map", lambda e, name: image)
    parts = list(small_explainer.randomisation(explanation))
    assert all(parts[-1].insensitive(name.key) for name in parts[-1].names)
    assert not any(parts[-2].insensitive(name.key) for name in parts[-2].names)  # not before all is random
    assert "hardly changed though the whole network is random" in randomisation_sentence(parts[-1])


def test_the_network_is_not_copied_while_another_task_has_hooks_on_it(small_explainer, explanation):
    done = threading.Event()
    waiting = threading.Thread(target=lambda: (next(small_explainer.randomisation(explanation)), done.set()))
    with small_explainer.task(explanation).lock:
        waiting.start()
        assert not done.wait(0.5)
    assert done.wait(30)
    waiting.join()


def test_maps_of_regions_have_no_fine_detail(small_explainer, astronaut):
    e = small_explainer.explain(astronaut, attributions=("region_ablation",))
    parts = small_explainer.randomisation(e)
    next(parts)
    assert math.isnan(next(parts).detail["region_ablation"][0])


def test_detail_is_compared_independently_of_the_coarse_shape():
    generator = torch.Generator().manual_seed(0)
    detail = torch.rand(224, 224, generator=generator) + 0.5
    hill = torch.linspace(0.1, 3, 224)[:, None]
    assert detail_similarity(detail * hill, detail * hill.flip(0)) > 0.9
    assert abs(detail_similarity(detail, torch.rand(224, 224, generator=generator))) < 0.1
    assert math.isnan(detail_similarity(torch.ones(7, 7), torch.ones(7, 7)))


def test_stop_ends_the_measurement_and_keeps_what_is_ready(small_explainer, explanation):
    predictions = iter([True] * 12 + [False] * 1000)
    parts = list(small_explainer.randomisation(explanation, lambda: next(predictions)))
    assert 1 <= len(parts) < 9
    assert parts[-1].pending


def test_the_similarity_of_the_first_step_is_the_rank_correlation_of_both_maps(randomised, explanation):
    last = randomised[-1]
    true, first = (last.maps["saliency"][i].flatten() for i in (0, 1))
    torch.testing.assert_close(true, in_patches(explanation.attributions["saliency"].map, signed=False).flatten())
    ranks = torch.stack([values.argsort().argsort().double() for values in (true, first)])
    assert last.similarity("saliency")[1] == pytest.approx(float(torch.corrcoef(ranks)[0, 1]), abs=1e-6)
