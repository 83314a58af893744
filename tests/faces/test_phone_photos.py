"""Photos as people have them: each is read as the plain file is, or what is missing is said."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image, ImageCms

from dan_model.errors import ImageError
from dan_model.faces import image_files, read_image, read_photo
from dan_model.faces.images import MAX_PIXELS
from tests.fixtures.examples import EXAMPLES

ORIENTATION = 0x0112


@pytest.fixture(scope="module")
def portrait() -> Image.Image:
    return Image.open(EXAMPLES / "hopper.jpg").convert("RGB")


def encoded(image: Image.Image, kind: str, **settings) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **settings)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["HEIF", "AVIF"])
def test_what_phones_hand_over_is_read(portrait, kind):
    read_image(EXAMPLES / "hopper.jpg")  # registers the format
    data = encoded(portrait, kind, quality=95)
    plain = np.asarray(portrait).astype(int)
    assert np.abs(read_image(data).astype(int) - plain).mean() < 3


def test_a_heic_photo_that_is_stored_on_its_side_comes_out_upright(portrait):
    read_image(EXAMPLES / "hopper.jpg")
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    data = encoded(portrait.transpose(Image.Transpose.ROTATE_90), "HEIF", quality=95, exif=exif.tobytes())
    assert np.abs(read_image(data).astype(int) - np.asarray(portrait)).mean() < 3


def test_bytes_open_files_and_tensors_are_read_as_the_file_is(tmp_path):
    path = EXAMPLES / "hopper.jpg"
    plain = read_image(path)
    np.testing.assert_array_equal(read_image(path.read_bytes()), plain)
    np.testing.assert_array_equal(read_image(io.BytesIO(path.read_bytes())), plain)
    moved = io.BytesIO(path.read_bytes())
    moved.seek(0, io.SEEK_END)  # as after writing
    np.testing.assert_array_equal(read_image(moved), plain)
    address = "data:image/jpeg;base64," + base64.b64encode(path.read_bytes()).decode()
    np.testing.assert_array_equal(read_image(address), plain)
    with pytest.raises(ImageError, match="holds no image"):
        read_image(address[:-3])
    with pytest.raises(ImageError, match="holds no image"):
        read_image("data:image/svg+xml,<svg/>")
    with path.open("rb") as file:
        np.testing.assert_array_equal(read_image(file), plain)
    channels_first = torch.from_numpy(plain).permute(2, 0, 1)
    np.testing.assert_array_equal(read_image(channels_first), plain)
    np.testing.assert_array_equal(read_image(channels_first.double() / 255 * 1.0005), plain)
    with pytest.raises(ImageError, match="floats from"):
        read_image(channels_first.float() / 255 * 1.1)


def test_odd_exif_does_not_matter(portrait):
    exif = Image.Exif()
    exif[ORIENTATION], exif[0x8298] = 3, "somebody"
    data = bytearray(encoded(portrait.transpose(Image.Transpose.ROTATE_180), "JPEG", exif=exif.tobytes(), quality=95))
    at = data.index(b"Exif\x00\x00") + 6
    data[at + 22 : at + 24] = b"\xff\xfe"  # the tag that follows makes no sense
    assert np.abs(read_image(bytes(data)).astype(int) - np.asarray(portrait)).mean() < 3


def test_exif_values_that_cannot_be_written_again_do_not_stop_the_turn(portrait, monkeypatch):
    """Pillow's own turn writes the EXIF again, and fails where a value is none."""
    monkeypatch.setattr(Image.Exif, "tobytes", lambda *_: (_ for _ in ()).throw(ZeroDivisionError()))
    turned = portrait.transpose(Image.Transpose.ROTATE_90)
    turned.getexif()[ORIENTATION] = 6
    np.testing.assert_array_equal(read_image(turned), np.asarray(portrait))


def test_a_jpeg_without_its_end_mark_is_read_whole_and_a_longer_cut_is_said(portrait):
    data = encoded(portrait, "JPEG", quality=92)
    whole = read_photo(data)
    assert whole.notes == ()
    cut = read_photo(data[:-2])
    np.testing.assert_array_equal(cut.pixels, whole.pixels)
    assert "only its end mark is missing" in cut.notes[0]
    shorter = read_photo(data[: int(len(data) * 0.93)])
    assert "of rows are missing" in shorter.notes[0]
    upper = shorter.pixels.shape[0] // 2
    np.testing.assert_array_equal(shorter.pixels[:upper], whole.pixels[:upper])
    with pytest.raises(ImageError, match="of rows are missing"):
        read_image(data[: len(data) // 2])


def test_the_rows_that_a_cut_jpeg_lacks_are_known_to_the_row_also_where_the_photo_itself_is_flat(portrait):
    """Against the whole file, row by row. The lower half of this photo has a single colour, as missing rows have."""
    photo = portrait.copy()
    photo.paste((128, 128, 128), (0, 200, photo.width, photo.height))
    data = encoded(photo, "JPEG", quality=92)
    whole = read_image(data)
    assert read_photo(data[:-2]).missing is None
    for part in (0.3, 0.6, 0.9):
        cut = read_photo(data[: int(len(data) * part)])
        left, top, right, bottom = cut.missing.tolist()
        assert (left, right, bottom) == (0, photo.width, photo.height)
        np.testing.assert_array_equal(cut.pixels[: int(top)], whole[: int(top)])
        assert (cut.pixels[int(top) : int(top) + 16] != whole[int(top) : int(top) + 16]).any()
        assert f"last {round(100 * (1 - top / photo.height))} % of rows" in cut.notes[0]


def test_what_a_cut_jpeg_lacks_is_turned_with_the_photo(portrait):
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    data = encoded(portrait.transpose(Image.Transpose.ROTATE_90), "JPEG", exif=exif.tobytes(), quality=92)
    left, top, right, bottom = read_photo(data[: len(data) // 2]).missing.tolist()
    assert (left, top, bottom) == (0, 0, portrait.height)  # the last rows as stored are the left columns
    assert 0.3 * portrait.width < right < 0.7 * portrait.width


def test_a_cut_progressive_jpeg_is_read_coarsely_and_that_is_said(portrait):
    data = encoded(portrait, "JPEG", quality=92, progressive=True)
    cut = read_photo(data[: int(len(data) * 0.8)])
    assert "its last passes may be missing" in cut.notes[0]
    assert np.abs(cut.pixels.astype(int) - np.asarray(portrait)).mean() < 6


def test_colours_are_converted_to_srgb_by_the_embedded_profile(portrait):
    """An image whose channels are swapped by its profile-to-be comes out as the plain one: here, a linear grey."""
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    plain = read_image(encoded(portrait, "PNG"))
    np.testing.assert_array_equal(read_image(encoded(portrait, "PNG", icc_profile=srgb)), plain)
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()  # no profile of an RGB image
    found = read_photo(encoded(portrait, "PNG", icc_profile=lab))
    np.testing.assert_array_equal(found.pixels, plain)
    assert "cannot be used" in found.notes[0]
    broken = read_photo(encoded(portrait, "PNG", icc_profile=b"no profile"))
    np.testing.assert_array_equal(broken.pixels, plain)
    assert "cannot be used" in broken.notes[0]


def test_a_photo_of_more_pixels_than_are_decoded_is_read_at_a_reduced_scale(tmp_path):
    large = Image.new("L", (9000, 7400), 90)  # 66.6 megapixels
    assert large.width * large.height > MAX_PIXELS
    large.save(tmp_path / "large.jpg")
    found = read_photo(tmp_path / "large.jpg")
    assert found.pixels.shape == (3700, 4500, 3)
    assert (found.pixels == 90).all()
    assert "9000×7400" in found.notes[0]
    large.save(tmp_path / "large.png")
    with pytest.raises(ImageError, match="too large"):
        read_photo(tmp_path / "large.png")


@pytest.mark.parametrize("top", [255, 1023, 4095, 16383])
@pytest.mark.parametrize("kind", ["png", "tif", "array"])
def test_few_bits_in_a_16_bit_image_are_said_and_stretched_to_the_plain_photo(portrait, kind, top, tmp_path):
    grey = np.asarray(portrait.convert("L")).copy()
    grey[0, 0] = 255
    deep = np.rint(grey / 255 * top).astype(np.uint16)
    source = deep if kind == "array" else tmp_path / f"deep.{kind}"
    if kind != "array":
        Image.fromarray(deep).save(source)
    dark = read_photo(source)
    np.testing.assert_array_equal(dark.pixels[..., 0], np.rint(deep / 65535 * 255))
    assert f"{top} of 65535" in dark.notes[0]
    assert "--stretch" in dark.notes[0]
    assert dark.few_bits
    stretched = read_photo(source, stretch=True)
    np.testing.assert_array_equal(stretched.pixels, np.repeat(grey[..., None], 3, axis=2))
    assert stretched.notes[0].endswith(f"{top} of 65535 is white.")
    assert stretched.few_bits


@pytest.mark.parametrize("kind", ["png", "tif"])
def test_few_bits_in_16_bit_colours_are_said_and_stretched_to_the_plain_photo(portrait, kind, tmp_path):
    """Pillow reads such colours with 8 bits, of which none is left."""
    colours = np.asarray(portrait).copy()
    colours[0, 0] = 255
    path = str(tmp_path / f"deep.{kind}")
    assert cv2.imwrite(path, np.rint(colours[..., ::-1] / 255 * 1023).astype(np.uint16))
    assert "10 bits" in read_photo(path).notes[0]
    np.testing.assert_array_equal(read_photo(path, stretch=True).pixels, colours)


def test_an_image_that_uses_its_16_bits_is_read_as_it_is(tmp_path):
    for bright in (np.full((20, 20), 40000, np.uint16), np.zeros((20, 20), np.uint16)):
        Image.fromarray(bright).save(tmp_path / "bright.png")
        for source in (bright, tmp_path / "bright.png"):
            for stretch in (False, True):
                found = read_photo(source, stretch)
                assert found.notes == ()
                assert not found.few_bits
                assert (found.pixels == round(int(bright[0, 0]) / 65535 * 255)).all()


@pytest.mark.parametrize("data", [b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 64 64\nshowpage\n", b"%PDF-1.4\n"])
def test_formats_that_start_other_programs_are_not_opened(data, tmp_path, monkeypatch):
    monkeypatch.setattr("subprocess.Popen", lambda *_, **__: pytest.fail("a program was started"))
    (tmp_path / "selfie.jpg").write_bytes(data)
    with pytest.raises(ImageError, match=r"selfie\.jpg is not an image"):
        read_image(tmp_path / "selfie.jpg")


def test_jpeg_xl_is_refused_by_name(tmp_path):
    (tmp_path / "new.jxl").write_bytes(b"\xff\x0a" + bytes(40))
    with pytest.raises(ImageError, match="JPEG XL"):
        read_image(tmp_path / "new.jxl")


def test_hidden_files_are_no_data_and_others_are_counted(tmp_path):
    for name in ("a.HEIC", "b/c.jpg", "b/d.jxl", "b/._c.jpg", ".ipynb_checkpoints/e.jpg", "notes.pdf", ".DS_Store"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    images, others = image_files(tmp_path)
    assert [path.relative_to(tmp_path) for path in images] == [Path("a.HEIC"), Path("b/c.jpg"), Path("b/d.jxl")]
    assert others == 1
