"""A covered face: only what is covered changes, and it is explained as any photo of it would be."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from dan_model.errors import ArgumentError
from dan_model.explain.cover import FILLS, Cover, cover_crop, explain_covered
from dan_model.faces import read_image, to_tensor
from tests.fixtures.examples import EXAMPLES

CELLS = 8


@pytest.fixture
def crop(explainer):
    photo = read_image(EXAMPLES / "hopper.jpg")
    return explainer.crop(photo, explainer.faces(photo)[0])


def upper_half() -> np.ndarray:
    return np.repeat([True, False], CELLS // 2)[:, None].repeat(CELLS, axis=1)


@pytest.mark.parametrize("fill", FILLS)
def test_only_the_masked_part_changes(explainer, crop, fill):
    covered = cover_crop(crop, Cover(upper_half(), fill), explainer.reference.mean_face)
    half = crop.pixels.shape[0] // 2
    assert np.array_equal(covered.pixels[half + 1 :], crop.pixels[half + 1 :])
    assert (covered.pixels[: half - 1] != crop.pixels[: half - 1]).mean() > 0.5
    assert (covered.pixels.shape, covered.pixels.dtype) == (crop.pixels.shape, np.uint8)


def test_each_fill_shows_what_it_says(explainer, crop):
    everything, mean_face = np.ones((1, 1), dtype=bool), explainer.reference.mean_face
    grey, blur, mean = (cover_crop(crop, Cover(everything, fill), mean_face).pixels for fill in FILLS)
    assert (grey == 128).all()
    # Blurred: the same mean brightness, and hardly any difference between neighbours.
    assert blur.mean() == pytest.approx(crop.pixels.mean(), abs=4)
    assert (
        np.abs(np.diff(blur.astype(float), axis=1)).max() < 6 < np.abs(np.diff(crop.pixels.astype(float), axis=1)).max()
    )
    side = crop.pixels.shape[0]
    expected = Image.fromarray((mean_face[0] * 255).round().to(torch.uint8).numpy()).resize((side, side), 2)
    assert np.abs(mean[..., 0].astype(float) - np.asarray(expected, dtype=float)).mean() < 3


def test_an_empty_mask_explains_the_same_face(explainer):
    e = explainer.explain(EXAMPLES / "hopper.jpg", "anger", against="neutral")
    again = explain_covered(explainer, e, Cover(np.zeros((CELLS, CELLS), dtype=bool)))
    assert torch.equal(again.heads.embeddings, e.heads.embeddings)
    assert torch.equal(again.fusion.ledger, e.fusion.ledger)
    assert again.score == e.score


def test_a_covered_face_is_read_as_the_network_reads_its_pixels(explainer):
    e = explainer.explain(EXAMPLES / "hopper.jpg")
    covered = explain_covered(explainer, e, Cover(upper_half()))
    with torch.no_grad():
        logits = explainer.model(to_tensor(covered.crop.pixels, explainer.model.config.preprocess))[0]
    assert covered.prediction.logits.tolist() == pytest.approx(logits.tolist(), abs=1e-4)
    sums = covered.fusion.consensus[covered.target] + covered.fusion.ledger[:, covered.target].sum()
    assert float(sums) == pytest.approx(float(logits.log_softmax(dim=0)[covered.target]), abs=1e-4)


@pytest.mark.parametrize("mask", [np.zeros((2, 3), dtype=bool), np.zeros(4, dtype=bool), np.zeros((0, 0), dtype=bool)])
def test_a_mask_that_is_not_square_is_refused(mask):
    with pytest.raises(ArgumentError, match="square"):
        Cover(mask)


def test_an_unknown_fill_and_a_missing_mean_face_are_refused(crop):
    with pytest.raises(ArgumentError, match="glitter"):
        Cover(upper_half(), "glitter")
    with pytest.raises(ArgumentError, match="mean face"):
        cover_crop(crop, Cover(upper_half(), "mean face"))
