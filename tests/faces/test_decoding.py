"""Files that cost far more time or memory than their size are refused in words, before a decoder starts."""

from __future__ import annotations

import io
import struct
import threading
import zlib

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from dan_model.errors import ImageError
from dan_model.faces import decoding, images, read_image
from dan_model.faces.decoding import LARGE, MAX_SCANS, MAX_SIDE_CHUNKS, check_cost, one_large_at_a_time


def encoded(kind: str, side: int = 64, **settings) -> bytes:
    level = np.linspace(0, 255, side)
    picture = np.stack([np.add.outer(level, level) / 2, np.tile(level, (side, 1)), np.full((side, side), 90.0)], axis=2)
    buffer = io.BytesIO()
    Image.fromarray(picture.astype(np.uint8)).save(buffer, kind, **settings)
    return buffer.getvalue()


def with_scans(count: int) -> bytes:
    """A progressive JPEG whose last scan is repeated."""
    data = encoded("JPEG", progressive=True)
    starts = [i for i in range(len(data)) if data[i : i + 2] == b"\xff\xda"]
    return data[:-2] + data[starts[-1] : -2] * (count - len(starts)) + data[-2:]


@pytest.fixture
def no_decoder(monkeypatch):
    """Decoding fails the test."""

    def opened(*_, **__):
        raise AssertionError("the decoder was started")

    monkeypatch.setattr(images.Image, "open", opened)


def test_scans_are_counted_as_a_decoder_meets_them():
    plain = encoded("JPEG")
    assert decoding._scans(plain) == (1, 64 * 64, len(plain))
    ten = encoded("JPEG", progressive=True)
    assert decoding._scans(ten) == (10, 64 * 64, len(ten))
    assert decoding._scans(with_scans(37))[:2] == (37, 64 * 64)
    # What looks like a scan in a comment, or after the end, is none: phones put thumbnails and films there.
    assert decoding._scans(plain[:2] + b"\xff\xfe" + struct.pack(">H", 802) + b"\xff\xda" * 400 + plain[2:])[0] == 1
    assert decoding._scans(plain + b"\xff\xda" * 5000)[0] == 1


def test_a_jpeg_of_many_scans_is_refused_and_an_ordinary_one_read(no_decoder, monkeypatch):
    for count in (MAX_SCANS + 1, 2000):
        with pytest.raises(ImageError, match=f"more than {MAX_SCANS} scans"):
            read_image(with_scans(count))
    with pytest.raises(ImageError, match=r"or 5000 markers"):
        read_image(encoded("JPEG")[:2] + b"\xff\xfe\x00\x02" * 1_000_000)
    large = bytearray(with_scans(60))
    frame = large.index(b"\xff\xc2")
    large[frame + 5 : frame + 9] = struct.pack(">HH", 10_000, 10_000)  # 100 megapixels, 60 times
    with pytest.raises(ImageError, match="it has 60 scans"):
        read_image(bytes(large))
    monkeypatch.undo()
    np.testing.assert_array_equal(read_image(with_scans(MAX_SCANS)).shape, (64, 64, 3))
    np.testing.assert_array_equal(
        read_image(encoded("JPEG", progressive=True, quality=95)), read_image(encoded("JPEG", quality=95))
    )


def test_a_png_of_many_text_chunks_is_refused_and_one_with_some_read(no_decoder, monkeypatch):
    def texts(count: int) -> bytes:
        info = PngImagePlugin.PngInfo()
        for n in range(count):
            info.add_text(f"key {n}", "text", zip=True)
        return encoded("PNG", pnginfo=info)

    with pytest.raises(ImageError, match=f"{MAX_SIDE_CHUNKS} beside its picture"):
        read_image(texts(MAX_SIDE_CHUNKS))
    monkeypatch.undo()
    np.testing.assert_array_equal(read_image(texts(200)), read_image(encoded("PNG")))


def test_a_png_too_short_for_its_pixels_is_refused_before_they_are_allocated(no_decoder):
    def declared(side: int) -> bytes:
        def chunk(kind: bytes, content: bytes) -> bytes:
            return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

        header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
        return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")

    with pytest.raises(ImageError, match=r"cannot hold 7000×7000 pixels"):
        read_image(declared(7000))


def test_the_densest_png_is_not_taken_for_a_short_one():
    buffer = io.BytesIO()
    Image.new("RGB", (4000, 3000), "white").save(buffer, "PNG", compress_level=9)
    check_cost(buffer.getvalue(), "white")


def test_a_ppm_as_text_is_read_up_to_a_bound(no_decoder, monkeypatch):
    small = b"P3\n16 16\n255\n" + b"10 20 30\n" * 256
    with pytest.raises(ImageError, match="5 MB of numbers as text"):
        read_image(small + b"# filling\n" * 500_000)
    monkeypatch.undo()
    assert (read_image(small) == (10, 20, 30)).all()
    binary = io.BytesIO()
    Image.new("RGB", (1500, 1000), (1, 2, 3)).save(binary, "PPM")
    assert read_image(binary.getvalue()).shape == (1000, 1500, 3)


@pytest.mark.parametrize("kind", ["JPEG2000", "QOI", "ICO", "ICNS", "TGA", "PCX", "SGI", "DDS", "EPS", "PDF"])
def test_formats_that_are_slow_or_hide_another_size_are_not_opened(kind):
    with pytest.raises(ImageError, match="is not an image that can be read"):
        read_image(encoded(kind))


def test_one_large_photo_at_a_time_and_small_ones_beside_it():
    running, most, barrier = 0, 0, threading.Barrier(4)
    lock = threading.Lock()

    def decode(pixels: int) -> None:
        nonlocal running, most
        barrier.wait()
        with one_large_at_a_time(pixels, 1):
            with lock:
                running += pixels > LARGE
                most = max(most, running)
            threading.Event().wait(0.02)
            with lock:
                running -= pixels > LARGE

    threads = [threading.Thread(target=decode, args=(LARGE + 1,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1
    with one_large_at_a_time(LARGE + 1, 1), one_large_at_a_time(LARGE, 1):
        pass
