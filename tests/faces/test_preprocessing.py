from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from dan_model.config import PreprocessConfig
from dan_model.faces import black, to_pixels, to_tensor
from dan_model.weights import load_checkpoint
from tests.fixtures.examples import EXAMPLES


def test_the_tensor_is_normalised_grey_and_without_detail_beyond_the_training_images():
    config = load_checkpoint().model.config.preprocess
    fine = np.zeros((480, 480, 3), np.uint8)
    fine[:, ::2] = 255  # stripes of one pixel: no training image could show them
    x = to_tensor(fine, config)
    assert x.shape == (1, 3, 224, 224)
    inner = x[..., 8:-8, 8:-8]
    np.testing.assert_allclose(inner, 0.0, atol=0.05)  # (127.5/255 - 0.5) / 0.25
    colour = np.zeros((60, 60, 3), np.uint8)
    colour[..., 0] = 255
    red = to_tensor(colour, config)
    assert torch.equal(red[:, 0], red[:, 2])
    np.testing.assert_allclose(red, (76 / 255 - 0.5) / 0.25, atol=1e-5)  # ITU-R 601: 0.299 · 255


def test_pixels_and_tensor_are_inverse_up_to_rounding():
    config = PreprocessConfig()
    pixels = np.random.default_rng(0).integers(0, 256, (224, 224, 3), dtype=np.uint8)
    np.testing.assert_array_equal(to_pixels(to_tensor(pixels, config), config), pixels)
    assert (to_pixels(black(config), config) == 0).all()


def probabilities_by_another_way(explainer, photo: np.ndarray) -> np.ndarray:
    """Probabilities (K,) with the similarity solved as linear equations, and Pillow's own warp and reduction."""
    config = explainer.model.config.preprocess
    landmarks, template = explainer.faces(photo)[0].landmarks, np.array(config.landmark_template.points)
    equations = np.concatenate([
        np.stack([template[:, 0], -template[:, 1], np.ones(5), np.zeros(5)], axis=1),
        np.stack([template[:, 1], template[:, 0], np.zeros(5), np.ones(5)], axis=1),
    ])  # fmt: skip
    a, b, left, top = np.linalg.lstsq(equations, landmarks.T.ravel(), rcond=None)[0]
    side = round(float(np.hypot(a, b)))
    cut = Image.fromarray(photo).transform(
        (side, side), Image.Transform.AFFINE, (a / side, -b / side, left, b / side, a / side, top),
        Image.Resampling.BILINEAR,
    )  # fmt: skip
    grey = np.array(cut.convert("L").resize((48, 48), Image.Resampling.LANCZOS), dtype=np.float32)
    wide = torch.nn.functional.interpolate(torch.from_numpy(grey)[None, None], (224, 224), mode="bilinear")
    with torch.no_grad():
        return explainer.model.eval()(((wide / 255 - 0.5) / 0.25).expand(1, 3, 224, 224)).softmax(dim=1)[0].numpy()


@pytest.mark.parametrize(("name", "label"), [("astronaut.jpg", "happiness"), ("hopper.jpg", "neutral")])
def test_the_portraits_are_classified_as_by_an_independent_preprocessing(explainer, name, label):
    photo = np.array(Image.open(EXAMPLES / name).convert("RGB"))
    prediction = explainer.explain(photo).prediction
    assert prediction.label == label
    np.testing.assert_allclose(
        prediction.probabilities.numpy(), probabilities_by_another_way(explainer, photo), atol=0.05
    )


def test_every_average_is_detected_as_one_face_and_the_clear_ones_are_classified_correctly(explainer):
    read = {}
    for path in sorted(EXAMPLES.glob("mean_*.png")):
        assert len(explainer.faces(path)) == 1, path.name
        read[path.stem.removeprefix("mean_")] = explainer.explain(path).prediction.label
    assert len(read) == 8
    for label in ("neutral", "happiness", "surprise", "disgust"):
        assert read[label] == label
