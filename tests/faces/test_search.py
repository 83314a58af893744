"""The faces of animations and of files that are cut short."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from dan_model.errors import ImageError, NoFaceError
from dan_model.faces import Face, find_faces, read_photo
from dan_model.faces.images import FRAMES
from tests.fixtures.examples import EXAMPLES


@pytest.fixture(scope="module")
def portrait() -> Image.Image:
    return Image.open(EXAMPLES / "hopper.jpg").convert("RGB").resize((240, 240))


def animation(portrait: Image.Image, kind: str, count: int, first: int) -> bytes:
    """Empty frames, of a grey each, and from the frame `first` on the portrait, ever darker."""
    frames = [Image.new("RGB", portrait.size, (90 + i % 60,) * 3) for i in range(first)]
    frames += [portrait.point(lambda v, i=i: v - i % 60) for i in range(count - first)]
    buffer = io.BytesIO()
    settings = {"lossless": True} if kind == "WEBP" else {}
    frames[0].save(buffer, kind, save_all=True, append_images=frames[1:], duration=40, **settings)
    return buffer.getvalue()


def has_colour(pixels: np.ndarray) -> tuple[Face, ...]:
    """A detector that finds the whole image where it is no plain grey."""
    height, width = pixels.shape[:2]
    return (Face(np.array([0.0, 0.0, width, height]), 1.0),) if pixels.std() > 20 else ()


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
@pytest.mark.parametrize(("count", "first", "frame"), [(6, 3, 4), (6, 0, 1), (40, 12, 16), (80, 3, 9)])
def test_the_first_frame_with_a_face_is_taken_and_named(portrait, kind, count, first, frame):
    """Of 40 frames every 5th is tried: 1, 6, 11, 16 …; of 80, those below 64: 1, 9 …"""
    photo, faces = find_faces(animation(portrait, kind, count, first), has_colour)
    assert len(faces) == 1
    assert photo.notes == (f"The image is an animation: this is frame {frame} of {count}.",)
    darker = np.asarray(portrait).astype(int) - (frame - 1 - first)
    assert np.abs(photo.pixels - darker.clip(0)).mean() < (6 if kind == "GIF" else 0.1)


def test_an_animation_without_a_face_gives_its_first_frame_and_how_many_were_searched(portrait):
    photo, faces = find_faces(animation(portrait, "GIF", 20, 20), has_colour)
    assert faces == ()
    assert (photo.pixels == 90).all()
    assert photo.notes[-1] == f"{FRAMES} of its frames were searched for a face."


def test_an_animation_is_explained_as_its_frame_is_also_by_a_face_that_was_found_in_it(small_explainer, portrait):
    data = animation(portrait, "WEBP", 5, 2)
    plain = small_explainer.explain(portrait)
    for face in (0, small_explainer.faces(data)[0]):
        e = small_explainer.explain(data, face=face)
        assert e.notes == ("The image is an animation: this is frame 3 of 5.",)
        np.testing.assert_array_equal(e.prediction.probabilities, plain.prediction.probabilities)
    assert small_explainer.explain(data, face="whole").notes == ("The image is an animation: this is frame 1 of 5.",)


def two_faces_one_above_the_other() -> tuple[bytes, int]:
    """The portrait twice as JPEG, and where its data for the lower half begin, roughly."""
    face = Image.open(EXAMPLES / "hopper.jpg").convert("RGB").resize((240, 240))
    photo = Image.new("RGB", (240, 480))
    photo.paste(face, (0, 0))
    photo.paste(face, (0, 240))
    upper, whole = io.BytesIO(), io.BytesIO()
    face.save(upper, "JPEG", quality=92)
    photo.save(whole, "JPEG", quality=92)
    return whole.getvalue(), len(upper.getvalue())


def test_of_a_cut_jpeg_the_face_whose_rows_are_there_is_explained_and_the_other_named(small_explainer):
    data, middle = two_faces_one_above_the_other()
    whole = small_explainer.find_faces(data)[1]
    assert len(whole) == 2
    upper = min(whole, key=lambda face: face.box[1])
    cut = data[: round(middle * 1.6)]  # within the lower face
    photo, faces = small_explainer.find_faces(cut)
    assert 0.1 < photo.part_missing < 0.3
    assert len(faces) == 1
    np.testing.assert_allclose(faces[0].box, upper.box, atol=2)
    expected = small_explainer.explain(data, face=upper).prediction.probabilities
    found = small_explainer.explain(cut, face=upper).prediction.probabilities
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_a_face_whose_rows_are_missing_is_refused_with_what_is_missing(small_explainer):
    data = (EXAMPLES / "hopper.jpg").read_bytes()
    with pytest.raises(NoFaceError, match=r"last \d+ % of rows are missing"):
        small_explainer.explain(data[: len(data) // 4])
    with pytest.raises(ImageError, match=r"last \d+ % of rows are missing"):
        small_explainer.explain(data[: len(data) // 2], face="whole")
    box = np.array([0.0, 0.0, 1.0, 1.0]) * np.tile(Image.open(io.BytesIO(data)).size, 2)
    photo, faces = find_faces(data[: len(data) // 2], lambda _: (Face(box, 1.0),))
    assert faces == ()
    assert photo.notes[-1] == "1 face lies in the rows that are missing: left out."


def test_a_photo_that_was_read_is_not_read_again(portrait):
    photo = read_photo(np.asarray(portrait).astype(np.uint16) * 4, stretch=True)
    again = read_photo(photo)
    np.testing.assert_array_equal(again.pixels, photo.pixels)
    assert again.notes == photo.notes
    assert again.pixels is not photo.pixels
