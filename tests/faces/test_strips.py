"""Images are converted strip by strip: the same pixels, in a memory that is bounded by their number."""

from __future__ import annotations

import io
import multiprocessing
import sys

import numpy as np
import pytest
from PIL import Image, ImageCms

from benchmarks.photo_memory import encoded
from campaigns.measuring import peak_of
from dan_model.errors import ImageError
from dan_model.faces import images, read_image, strips
from dan_model.faces.decoding import MAX_SCANS
from tests.faces.test_decoding import with_scans

BYTES_OF_A_PIXEL = 10  # 4 in Pillow's memory, 3 in the result, and what a decoder holds beside them
VIDEO = {"HEIC": 8_000_000, "AVIF": 8_000_000}  # bytes: what decoders of films hold for any picture
WIDTH, HEIGHT = 1400, 1000


@pytest.mark.skipif(sys.platform != "linux", reason="reads the memory of the process from /proc")
def test_a_photo_of_any_format_takes_ten_bytes_of_each_pixel_at_most():
    with multiprocessing.get_context("spawn").Pool(1) as fresh:  # memory that is free but held would hide what is used
        used = fresh.apply(peaks)
    assert len(used) >= 18
    bound = BYTES_OF_A_PIXEL * WIDTH * HEIGHT
    assert {name: peak for name, peak in used.items() if peak > bound + VIDEO.get(name, 0)} == {}


def peaks() -> dict[str, int]:
    """By format: bytes used while a photo is read, in strips as many as 50 megapixels have."""
    images.LARGE, strips.STRIP = WIDTH * HEIGHT - 1, WIDTH * HEIGHT // 50
    for _, data in encoded(160, 120):  # what a decoder loads once
        read_image(data)
    return {name: peak_of(lambda data=data: read_image(data)) for name, data in encoded(WIDTH, HEIGHT)}


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "L", "LA", "CMYK", "I;16", "I", "F", "1"])
@pytest.mark.parametrize("turn", range(1, 9))
def test_strips_and_the_whole_give_the_same_pixels(mode, turn, monkeypatch):
    noise = np.random.default_rng(turn).integers(0, 256, (37, 23, 4), dtype=np.uint8)
    if mode in ("I;16", "I", "F"):
        kind = {"I;16": np.uint16, "I": np.int32, "F": np.float32}[mode]
        image = Image.fromarray(noise[..., 0].astype(kind) * 257)
    else:
        image = Image.fromarray(noise).convert("RGB" if mode != "RGBA" else mode).convert(mode)
    image.getexif()[0x0112] = turn
    whole = read_image(image)
    monkeypatch.setattr(strips, "STRIP", 70)  # three rows, and one at the end
    np.testing.assert_array_equal(read_image(image), whole)
    # What Pillow itself makes of it where it can.
    if mode in ("RGB", "L", "CMYK", "1", "P"):
        upright = {5: (37, 23), 6: (37, 23), 7: (37, 23), 8: (37, 23)}.get(turn, (23, 37))
        assert whole.shape == (*reversed(upright), 3)
        expected = np.asarray(images.Image.Image.convert(image, "RGB"))
        np.testing.assert_array_equal(np.sort(whole.reshape(-1, 3), 0), np.sort(expected.reshape(-1, 3), 0))


def test_a_profile_is_applied_to_every_strip(monkeypatch):
    noise = np.random.default_rng(0).integers(0, 256, (37, 23, 3), dtype=np.uint8)
    image = Image.fromarray(noise)
    # A profile whose red and blue are exchanged: sRGB's own, with two tags renamed.
    own = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    for name, other in ((b"rXYZ", b"bXY_"), (b"bXYZ", b"rXYZ"), (b"bXY_", b"bXYZ")):
        own[:] = own.replace(name, other)
    own[:] = own.replace("sRGB".encode("utf-16-be"), "else".encode("utf-16-be"))
    image.info["icc_profile"] = bytes(own)
    whole = read_image(image)
    assert np.abs(whole.astype(int) - noise[..., ::-1]).max() <= 2
    monkeypatch.setattr(strips, "STRIP", 70)
    np.testing.assert_array_equal(read_image(image), whole)


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
@pytest.mark.parametrize("lossless", [True, False])
def test_a_large_webp_is_read_by_another_decoder_with_the_same_pixels(mode, lossless, monkeypatch):
    noise = np.random.default_rng(0).integers(0, 256, (40, 30, len(mode)), dtype=np.uint8)
    image = Image.fromarray(noise)
    image.getexif()[0x0112] = 6
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", lossless=lossless, exif=image.getexif())
    as_ever = read_image(buffer.getvalue())
    monkeypatch.setattr(images, "LARGE", 0)
    np.testing.assert_array_equal(read_image(buffer.getvalue()), as_ever)
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", save_all=True, append_images=[image.transpose(Image.Transpose.ROTATE_180)])
    with pytest.raises(ImageError, match=r"The image is an animation of 30×40 pixels. Give one of its frames"):
        read_image(buffer.getvalue())


def tiff_with(jpeg: bytes, count: int = 1) -> bytes:
    """A TIFF of 64 × 64 pixels whose strips are copies of a JPEG."""
    tags = [
        (256, 3, 1, 64), (257, 4, 1, 64 * count), (258, 3, 1, 8), (259, 3, 1, 7), (262, 3, 1, 6), (277, 3, 1, 3),
        (278, 3, 1, 64),
    ]  # fmt: skip
    start = 8
    offsets = [start + n * len(jpeg) for n in range(count)]
    body = jpeg * count
    if count == 1:
        tags += [(273, 4, 1, start), (279, 4, 1, len(jpeg))]
    else:
        places = start + len(body)
        body += b"".join(n.to_bytes(4, "little") for n in offsets) + len(jpeg).to_bytes(4, "little") * count
        tags += [(273, 4, count, places), (279, 4, count, places + 4 * count)]
    entries = b"".join(
        tag.to_bytes(2, "little") + kind.to_bytes(2, "little") + n.to_bytes(4, "little") + value.to_bytes(4, "little")
        for tag, kind, n, value in sorted(tags)
    )
    directory = len(tags).to_bytes(2, "little") + entries + bytes(4)
    return b"II*\0" + (start + len(body)).to_bytes(4, "little") + body + directory


def test_jpeg_data_inside_a_tiff_is_examined_as_a_jpeg_is(monkeypatch):
    assert read_image(tiff_with(with_scans(1))).shape == (64, 64, 3)
    assert read_image(tiff_with(with_scans(20), 2)).shape == (128, 64, 3)
    with pytest.raises(ImageError, match="101 scans in one of its parts"):
        read_image(tiff_with(with_scans(MAX_SCANS + 1)))
    monkeypatch.setattr("dan_model.faces.decoding.MAX_SCANNED", 64 * 64 * 30)
    with pytest.raises(ImageError, match="20 scans in one of its parts"):
        read_image(tiff_with(with_scans(20), 2))
