from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from dan_model.errors import ImageError
from dan_model.faces import read_image


@pytest.fixture
def pattern() -> np.ndarray:
    """20 × 30, four unlike quarters."""
    image = np.zeros((20, 30, 3), dtype=np.uint8)
    image[:10, :15] = (255, 0, 0)
    image[:10, 15:] = (0, 255, 0)
    image[10:, :15] = (0, 0, 255)
    return image


def test_every_exif_orientation_comes_out_upright(pattern, tmp_path):
    undo = {  # how a camera stores an upright picture under each orientation tag
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    for orientation, transpose in undo.items():
        stored = Image.fromarray(pattern).transpose(transpose)
        exif = stored.getexif()
        exif[0x0112] = orientation
        stored.save(tmp_path / "photo.png", exif=exif)
        np.testing.assert_array_equal(read_image(tmp_path / "photo.png"), pattern, err_msg=str(orientation))


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "CMYK", "YCbCr", "HSV"])
def test_colour_modes_keep_a_plain_grey(mode):
    grey = Image.new("RGB", (20, 20), (120, 120, 120)).convert(mode, palette=Image.Palette.ADAPTIVE)
    read = read_image(grey)
    assert read.shape == (20, 20, 3)
    assert read.dtype == np.uint8
    assert np.abs(read.astype(int) - 120).max() <= 3


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (Image.new("1", (20, 20), 1), 255),
        (Image.new("L", (20, 20), 77), 77),
        (Image.new("LA", (20, 20), (0, 0)), 255),  # transparent: white
        (Image.new("RGBa", (20, 20), (0, 0, 0, 0)), 255),
        (Image.new("I;16", (20, 20), 77 * 257), 77),
        (Image.new("I", (20, 20), 77 * 257), 77),
        (Image.new("I", (20, 20), 77), 77),
        (Image.new("F", (20, 20), 0.2), 51),
    ],
)
def test_grey_modes_keep_their_level(image, expected):
    assert (read_image(image) == expected).all()


def test_transparent_pixels_are_put_on_white(tmp_path):
    half = Image.new("RGBA", (20, 20), (0, 0, 0, 128))
    assert abs(int(read_image(half)[0, 0, 0]) - 127) <= 1
    palette = Image.new("P", (20, 20), 0)
    palette.putpalette([0, 0, 0, 255, 0, 0])
    palette.save(tmp_path / "p.png", transparency=0)
    assert (read_image(tmp_path / "p.png") == 255).all()


def test_a_16_bit_png_file_keeps_its_level(tmp_path):
    Image.fromarray(np.full((20, 20), 77 * 257, np.uint16)).save(tmp_path / "deep.png")
    assert (read_image(tmp_path / "deep.png") == 77).all()


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (np.full((20, 20), 200, np.uint8), 200),
        (np.full((20, 20, 1), 200, np.uint8), 200),
        (np.full((20, 20, 3), 200 * 257, np.uint16), 200),
        (np.full((20, 20, 3), 0.2), 51),
        (np.full((20, 20, 4), 0.0, np.float32), 255),
    ],
)
def test_arrays_are_read_by_their_type_and_shape(array, expected):
    before = array.copy()
    read = read_image(array)
    assert (read == expected).all()
    read[:] = 1
    np.testing.assert_array_equal(array, before)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (np.zeros((20, 20, 2), np.uint8), "shape"),
        (np.zeros((1, 20, 20, 3), np.uint8), "shape"),
        (np.zeros(5, np.uint8), "shape"),
        (np.zeros((20, 20, 3), np.int64), "int64"),
        (np.zeros((20, 20), bool), "bool"),
        (np.full((20, 20, 3), np.nan), "NaN"),
        (np.full((20, 20, 3), 128.0), "floats from 128"),
        (np.zeros((1, 1, 3), np.uint8), "1×1"),
        (np.zeros((0, 0, 3), np.uint8), "0×0"),
        (np.array([["a"] * 20] * 20), "is not an image"),
        (Image.new("RGB", (1, 1)), "1×1"),
        (Image.new("F", (20, 20), float("nan")), "NaN"),
        (Image.new("F", (20, 20), -5.0), "grey levels"),
        (Image.new("La", (20, 20)), "colour mode La"),
        (Image.new("L", (10000, 7000)), "too large"),
        (Image.new("L", (61000, 20)), "too large"),
        (b"bytes", "is not an image that can be read"),
        (None, "NoneType"),
    ],
)
def test_bad_images_are_refused_with_what_is_wrong(bad, message):
    with pytest.raises(ImageError, match=message):
        read_image(bad)


def test_bad_files_are_refused_by_name(tmp_path):
    (tmp_path / "text.jpg").write_text("not a picture")
    (tmp_path / "empty.png").write_bytes(b"")
    buffer = io.BytesIO()
    Image.effect_noise((300, 300), 80).save(buffer, "JPEG")
    (tmp_path / "cut.jpg").write_bytes(buffer.getvalue()[: len(buffer.getvalue()) // 2])
    (tmp_path / "stub.png").write_bytes(b"\x89PNG\r\n\x1a\n nothing")
    Image.new("1", (20000, 20000)).save(tmp_path / "bomb.png")
    for name, message in (
        ("text.jpg", "text.jpg is not an image"),
        ("empty.png", "empty.png is not an image"),
        ("cut.jpg", "cut.jpg is cut short: its last 52 % of rows are missing"),
        ("stub.png", "stub.png is damaged or cut short"),
        ("bomb.png", "bomb.png is too large"),
        ("missing.png", "does not exist"),
    ):
        with pytest.raises(ImageError, match=message):
            read_image(tmp_path / name)
    with pytest.raises(ImageError, match="is a folder"):
        read_image(tmp_path)
