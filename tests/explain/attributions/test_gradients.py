from __future__ import annotations

import copy

import numpy as np
import pytest
import torch

from dan_model.explain import Explainer
from dan_model.explain.attributions import METHODS, attribute, attribute_in_stages
from dan_model.explain.attributions.gradients import COARSE_NODES, NODES
from dan_model.explain.fusion import Classifier, integrate
from dan_model.faces import black
from tests.fixtures.examples import EXAMPLES
from tests.fixtures.models import embedded_at


@pytest.fixture(scope="module")
def tiny_explainer(detector) -> Explainer:
    """On the embedded weights, with faces of 64 pixels: completeness holds for any size."""
    return Explainer.from_checkpoint(embedded_at(64), torch.device("cpu"), detector)


@pytest.mark.parametrize(
    "example",
    ["astronaut.jpg", "hopper.jpg", *(f"mean_{name}.png" for name in (
        "neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt"
    ))],
)  # fmt: skip
def test_finer_integrated_gradients_explains_all_but_one_per_cent_on_ten_faces(tiny_explainer, example):
    """Against the log-probabilities of the face and of a black image, computed without the method."""
    finer = ",".join(f"{name}={value:g}" for name, value in METHODS["integrated_gradients"].finer.items())
    whole = "whole" if example.startswith("mean") else 0
    e = tiny_explainer.explain(EXAMPLES / example, attributions=(f"integrated_gradients@black:{finer}",), face=whole)
    (result,) = e.attributions.values()
    with torch.no_grad():
        start = tiny_explainer.model(black(tiny_explainer.model.config.preprocess)).log_softmax(dim=1)[0, e.target]
    rise = float(e.prediction.logits.log_softmax(dim=0)[e.target] - start)
    assert result.explained == pytest.approx(rise, abs=1e-3)
    assert abs(float(result.map.double().sum()) - rise) <= 0.01 * max(abs(rise), 0.5) + 1e-3
    assert result.complete
    assert result.tolerance == 0.01
    assert result.backwards <= 480 + COARSE_NODES


def test_a_coarse_result_comes_first_and_the_final_one_states_its_own_residual(small_task):
    coarse, final = attribute_in_stages(small_task, "integrated_gradients")
    assert (coarse.final, final.final) == (False, True)
    assert (coarse.backwards, final.backwards) == (COARSE_NODES, COARSE_NODES + 2 * NODES)
    for one in (coarse, final):
        assert float(one.map.double().sum()) == pytest.approx(one.explained + one.residual, abs=1e-3)
        assert one.tolerance == 0.05


def test_a_path_cut_into_pieces_adds_up_to_captums_own_sum_over_it(small_explainer, small_smiling):
    """With steps that need no refinement, each piece is Captum's rule on that piece: here by plain autograd.

    In float64, where no ReLU changes its sign because the images were in another batch.
    """
    exact = Explainer(copy.deepcopy(small_explainer.model).double(), small_explainer.detector)
    task = exact.task(small_smiling)
    result = attribute(task, f"integrated_gradients@black:steps={2 * NODES},most={2 * NODES}")
    base = task.baseline("black")
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    total = torch.zeros_like(task.x)
    for low in (0.0, 0.5):
        for node, weight in zip(nodes, weights, strict=True):
            point = (base + (low + 0.25 * (node + 1)) * (task.x - base)).requires_grad_()
            (gradient,) = torch.autograd.grad(exact.model(point).log_softmax(dim=1)[0, 1], point)
            total += 0.25 * weight * gradient * (task.x - base)
    torch.testing.assert_close(result.map, total[0].sum(dim=0), rtol=1e-6, atol=1e-8)  # Captum weighs in float32


def test_integrated_gradients_of_a_ledger_entry_sums_to_the_rise_of_the_entry(tiny_explainer, astronaut):
    explainer = tiny_explainer
    e = explainer.explain(
        astronaut,
        attributions=("integrated_gradients@black:steps=49,most=490,tolerance=0.01",),
        head=0,
        target="happiness",
    )
    result = next(iter(e.attributions.values()))
    with torch.no_grad():
        blank = explainer.model.eval().stages(black(explainer.model.config.preprocess))
    blank_ledger = integrate(Classifier.from_model(explainer.model), blank.embeddings[0], e.score).ledger
    rise = float(e.fusion.ledger[0, e.target] - blank_ledger[0, e.target])
    assert result.explained == pytest.approx(rise, abs=1e-3)
    assert float(result.map.double().sum()) == pytest.approx(rise, abs=0.01 * abs(rise) + 1e-3)
    assert e.description == "the contribution of Head 1 to happiness"
    assert float(e.fusion.map.sum()) == pytest.approx(float(e.fusion.ledger[0, e.target]))


def test_deep_lift_is_not_complete_on_dan_and_reports_the_residual(task):
    result = attribute(task, "deep_lift")
    assert float(result.map.double().sum()) == pytest.approx(result.explained + result.residual, abs=1e-3)
    assert not result.complete


def test_noise_is_always_the_same_and_leaves_the_global_generators_alone(task, small_task):
    torch.manual_seed(7)
    before = torch.random.get_rng_state()
    numpy_before = np.random.get_state()[1].copy()
    for text in ("smooth_grad:samples=3", "gradient_shap:samples=3", "gradient_shap:samples=3,noise=0.1"):
        first, second = (attribute(small_task, text).map for _ in range(2))
        assert torch.equal(first, second), text
    assert np.array_equal(np.random.get_state()[1], numpy_before)
    shapley = [attribute(task, "region_shapley:samples=2").by_region for _ in range(2)]
    assert torch.equal(*shapley)
    assert torch.equal(torch.random.get_rng_state(), before)
