from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from dan_model.config import LandmarkTemplate, PreprocessConfig
from dan_model.errors import NoFaceError
from dan_model.faces import Face, average_face, crop_face, median_template, whole_image
from dan_model.faces.alignment import AVERAGE_SIDE
from dan_model.show.map_drawing import Scale, on_photo, overlay
from tests.fixtures.examples import EXAMPLES

CENTRED = LandmarkTemplate((0.3, 0.4), (0.7, 0.4), (0.5, 0.6), (0.35, 0.75), (0.65, 0.75))


ALIGNED = PreprocessConfig(landmark_template=CENTRED)


def face_with(landmarks: np.ndarray) -> Face:
    low, high = landmarks.min(axis=0), landmarks.max(axis=0)
    return Face(np.concatenate([low, high]), 1.0, landmarks)


def turned(points: np.ndarray, degrees: float, scale: float, shift: tuple[float, float]) -> np.ndarray:
    angle = np.deg2rad(degrees)
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return scale * points @ rotation.T + shift


def test_landmarks_are_mapped_onto_the_template_at_any_angle_and_scale():
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


def test_outside_the_photo_its_edge_is_repeated():
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


def test_large_crops_are_averaged_rather_than_subsampled():
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


def test_maps_lie_on_the_same_part_of_the_face_in_an_exif_rotated_photo(explainer, tmp_path):
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


def test_the_average_of_one_face_is_that_face_aligned_and_rotated_copies_coincide(detector, astronaut):
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


@pytest.mark.parametrize(
    ("shift", "part", "column"), [((-40, 10), 0.5, 4), ((-40, -40), 0.75, 4), ((-60, 10), 0.75, 6), ((10, 10), 0.0, 0)]
)
def test_the_part_of_a_crop_that_is_not_in_the_photo_is_its_area(shift, part, column):
    crop = crop_face(np.zeros((300, 300, 3), np.uint8), face_with(np.array(CENTRED.points) * 80 + shift), ALIGNED)
    assert crop.part_outside == pytest.approx(part)
    assert crop.outside(8)[-1].tolist() == [True] * column + [False] * (8 - column)


def test_the_part_outside_of_a_turned_crop_and_of_a_wide_photo():
    """Turned by 45 degrees with its centre on the edge, half of a square is outside; a wide photo lacks its rest."""
    points = np.array(CENTRED.points)
    landmarks = turned(points - 0.5, 45, 80, (150, 0))
    crop = crop_face(np.zeros((300, 300, 3), np.uint8), face_with(landmarks), ALIGNED)
    assert crop.part_outside == pytest.approx(0.5, abs=0.005)
    wide = np.zeros((200, 300, 3), np.uint8)
    assert crop_face(wide, whole_image(wide), PreprocessConfig()).part_outside == pytest.approx(1 / 3, abs=0.005)
    high = np.zeros((300, 200, 3), np.uint8)
    assert crop_face(high, whole_image(high), PreprocessConfig()).outside(6)[0].tolist() == [True, *[False] * 4, True]
