"""Photos as people have them: each is read as the plain file is, or what is missing is said."""

from __future__ import annotations

import io
from pathlib import Path

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
    with path.open("rb") as file:
        np.testing.assert_array_equal(read_image(file), plain)
    channels_first = torch.from_numpy(plain).permute(2, 0, 1)
    np.testing.assert_array_equal(read_image(channels_first), plain)
    np.testing.assert_array_equal(read_image(channels_first.double() / 255 * 1.0005), plain)
    with pytest.raises(ImageError, match="floats from"):
        read_image(channels_first.float() / 255 * 1.1)


def test_odd_exif_does_not_matter(portrait):
    exif = Image.Exif()
    exif[ORIENTATION] = 3
    data = bytearray(encoded(portrait.transpose(Image.Transpose.ROTATE_180), "JPEG", exif=exif.tobytes(), quality=95))
    at = data.index(b"Exif\x00\x00") + 6
    data[at + 10 : at + 12] = b"\xff\xfe"  # the tag that follows makes no sense
    assert read_image(bytes(data)).shape == np.asarray(portrait).shape


@pytest.mark.parametrize("value", [(-1, 0), "a text"])
def test_exif_values_that_cannot_be_written_again_do_not_stop_the_turn(portrait, value, monkeypatch):
    """Pillow's own turn writes the EXIF again, and fails where a value is none."""
    monkeypatch.setattr(Image.Exif, "tobytes", lambda *_: (_ for _ in ()).throw(ZeroDivisionError(str(value))))
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
    with pytest.raises(ImageError, match="of its rows are missing"):
        read_photo(data[: len(data) // 2])


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


def test_twelve_bits_in_a_16_bit_file_are_said(tmp_path):
    Image.fromarray(np.full((20, 20), 4000, np.uint16)).save(tmp_path / "deep.png")
    assert "4000 of 65535" in read_photo(tmp_path / "deep.png").notes[0]
    assert "200 of 65535" in read_photo(np.full((20, 20), 200, np.uint16)).notes[0]
    assert read_photo(np.full((20, 20), 40000, np.uint16)).notes == ()


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
