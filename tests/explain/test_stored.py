"""Explanations made in advance: what is read back is what was computed, and the shipped ones are the live network's."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import torch

from dan_model.errors import ArgumentError, ImageError
from dan_model.explain.attributions import DEFAULT_METHODS
from dan_model.explain.stored import load_explanations, load_index, write_explanations
from dan_model.faces import read_image
from dan_model.weights import fingerprint
from tests.fixtures.examples import EXAMPLES

INDEX = load_index(EXAMPLES)


@pytest.fixture(scope="module")
def passes(small_explainer):
    """Counts the passes of both explainers' backbones."""
    seen = []
    hook = small_explainer.model.features[0].register_forward_hook(lambda *_: seen.append(1))
    yield seen
    hook.remove()


def test_what_is_read_back_is_what_was_computed_and_costs_no_pass(small_explainer, passes, tmp_path):
    photo = read_image(EXAMPLES / "two_faces.jpg")
    wanted = ("head_grad_cam", "region_ablation", "integrated_gradients:steps=7,most=7")
    assert write_explanations(tmp_path / "two.npz", small_explainer, photo, wanted) == 2
    live = [small_explainer.explain(photo, attributions=wanted, face=face, attended_vs_used=True) for face in (0, 1)]
    passes.clear()
    stored = load_explanations(tmp_path / "two.npz", small_explainer, photo, fingerprint(small_explainer.model))
    assert passes == []
    for one, other in zip(stored, live, strict=True):
        assert (one.score, one.prior, one.labels) == (other.score, other.prior, other.labels)
        np.testing.assert_array_equal(one.crop.pixels, other.crop.pixels)
        for name in ("spatial", "gates", "embeddings"):
            assert torch.equal(getattr(one.heads, name), getattr(other.heads, name))
        assert torch.equal(one.prediction.logits, other.prediction.logits)
        assert torch.equal(one.fusion.ledger, other.fusion.ledger)
        torch.testing.assert_close(one.class_distances.distances, other.class_distances.distances)
        assert torch.equal(one.attended_vs_used.measured, other.attended_vs_used.measured)
        assert list(one.attributions) == list(other.attributions)
        for text, attribution in one.attributions.items():
            same = other.attributions[text]
            torch.testing.assert_close(attribution.map, same.map, rtol=1e-3, atol=1e-6)
            assert (attribution.explained, attribution.residual) == (same.explained, same.residual)
            assert (attribution.unit, attribution.baseline, attribution.score) == (same.unit, same.baseline, same.score)
        assert torch.equal(one.attributions["head_grad_cam"].per_head, other.attributions["head_grad_cam"].per_head)


def test_explanations_of_other_weights_and_damaged_files_are_not_shown(small_explainer, tmp_path):
    photo = read_image(EXAMPLES / "hopper.jpg")
    stored = EXAMPLES / "explained" / "hopper.npz"
    assert load_explanations(stored, small_explainer, photo, "0" * 16) is None
    cut = tmp_path / "cut.npz"
    cut.write_bytes(stored.read_bytes()[:5000])
    with pytest.raises(ImageError, match=r"cut\.npz holds no explanations"):
        load_explanations(cut, small_explainer, photo, "0" * 16)


@pytest.mark.parametrize("example", INDEX, ids=lambda one: one.photo.stem)
def test_the_shipped_explanations_are_the_live_networks(explainer, example):
    """If this fails after the weights changed: `python -m dan_model examples`."""
    photo = read_image(example.photo)
    stored = load_explanations(example.explained, explainer, photo, fingerprint(explainer.model))
    faces = explainer.faces(photo)
    assert len(stored) == len(faces)
    for one, face in zip(stored, faces, strict=True):
        first = example.photo.stem == "hopper"  # of one of them all attributions
        live = explainer.explain(photo, face=face, attributions=DEFAULT_METHODS if first else ("layer_grad_cam",))
        torch.testing.assert_close(one.prediction.probabilities, live.prediction.probabilities, rtol=1e-3, atol=1e-4)
        torch.testing.assert_close(one.heads.spatial, live.heads.spatial, rtol=1e-3, atol=1e-2)
        torch.testing.assert_close(one.fusion.contributions, live.fusion.contributions, rtol=1e-3, atol=1e-3)
        cells = live.attributions["layer_grad_cam"].cells
        torch.testing.assert_close(one.attributions["layer_grad_cam"].cells, cells, rtol=1e-2, atol=1e-5)
        assert list(one.attributions) == list(DEFAULT_METHODS)
        for name, made in live.attributions.items():
            close = {"rtol": 1e-2, "atol": 2e-3 * float(made.map.abs().max()) + 6e-8}  # the smallest step of float16
            torch.testing.assert_close(one.attributions[name].map, made.map, **close)


def test_an_index_that_is_missing_or_of_another_form_is_refused(tmp_path):
    with pytest.raises(ArgumentError, match="no index of examples"):
        load_index(tmp_path)
    shutil.copy(EXAMPLES / "hopper.jpg", tmp_path)
    (tmp_path / "index.json").write_text(json.dumps([{"file": "hopper.jpg"}]))
    with pytest.raises(ArgumentError, match="caption"):
        load_index(tmp_path)
