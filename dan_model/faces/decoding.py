"""What a decoder may spend: files that cost far more time or memory than their size are refused before it starts."""

from __future__ import annotations

import re
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from PIL import Image

from dan_model.errors import ImageError

MAX_SCANS = 100  # of a JPEG; progressive ones have about ten. A decoder goes through the whole picture for each
MAX_SCANNED = 2_500_000_000  # pixels times scans: a dozen scans of the largest JPEG that is read
MAX_MARKERS = 5000  # of a JPEG; a profile or thumbnail of megabytes has some hundreds
MAX_CHUNKS = 100_000  # of a PNG; one of 40 MB in pieces of 8 kB has 5,000
MAX_SIDE_CHUNKS = 1000  # of a PNG, beside those of the picture: texts, times, profiles
MAX_PLAIN_BYTES = 4_000_000  # of a PPM written as text, which is read number by number
DEFLATE_RATIO = 1032  # bytes that one compressed byte can become at most
LARGE = 12_000_000  # pixels; of the photos above, one at a time is decoded in a process

_JPEG_START = re.compile(rb"\xff\xd8\xff")
_MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")  # of a JPEG: no stuffed byte, no restart, no filling
_PICTURE_CHUNKS = (b"IDAT", b"fdAT", b"fcTL")
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # by PNG's colour type
_large = threading.Lock()


def check_cost(data: bytes, name: str) -> None:
    """Refuse a file whose decoding would cost far more than an ordinary one of its kind.

    Args:
        data: The bytes of the file.
        name: The file, for messages.

    Raises:
        ImageError: It would; the message says what there is too much of.
    """
    if data[:3] == b"\xff\xd8\xff":
        scans, pixels, _ = _scans(data)
        if scans > MAX_SCANS:
            raise _too_costly(name, f"more than {MAX_SCANS} scans or {MAX_MARKERS} markers")
        if scans * pixels > MAX_SCANNED:
            raise _too_costly(name, f"{scans} scans")
    elif data[:8] == b"\x89PNG\r\n\x1a\n":
        _check_png(data, name)
    elif data[:2] in (b"P1", b"P2", b"P3") and len(data) > MAX_PLAIN_BYTES:
        raise _too_costly(name, f"{len(data) / 1e6:.0f} MB of numbers as text")


def check_tiff(image: Image.Image, data: bytes, name: str) -> None:
    """Refuse a TIFF whose JPEG data would cost far more than an ordinary one's.

    Args:
        image: Of `data`, opened and not decoded; other formats pass.
        data: The bytes of the file.
        name: The file, for messages.

    Raises:
        ImageError: As `check_cost`.
    """
    if image.format != "TIFF" or "jpeg" not in str(image.info.get("compression")):
        return
    position, spent = 0, 0
    while (found := _JPEG_START.search(data, position)) is not None:  # each strip or tile is a JPEG of its own
        scans, pixels, position = _scans(data, found.start())
        spent += scans * pixels
        if scans > MAX_SCANS or spent > MAX_SCANNED:
            raise _too_costly(name, f"{scans} scans in one of its parts")


@contextmanager
def one_large_at_a_time(width: int, height: int) -> Iterator[None]:
    """Wait for one's turn with a large photo: two at once would need more memory than a small server has."""
    if width * height <= LARGE:
        yield
        return
    with _large:
        yield


def _scans(data: bytes, start: int = 0) -> tuple[int, int, int]:
    """How often a JPEG that starts there goes through its picture, its pixels, and where it ends.

    Where markers have no end, the first is one above `MAX_SCANS`.
    """
    position, scans, pixels = start + 2, 0, 0
    markers = 0
    while scans <= MAX_SCANS and (found := _MARKER.search(data, position)) is not None:
        marker, inside, markers = data[found.end() - 1], found.end(), markers + 1
        if markers > MAX_MARKERS:
            return MAX_SCANS + 1, pixels, inside
        if marker == 0xD9:  # the end; what follows belongs to no decoder
            return scans, pixels, inside
        scans += marker == 0xDA
        length = 0 if marker in (0x01, 0xD8) else int.from_bytes(data[inside : inside + 2], "big")
        if marker in (0xC0, 0xC1, 0xC2) and len(data) >= inside + 7:
            height, width = struct.unpack(">HH", data[inside + 3 : inside + 7])
            pixels = max(pixels, height * width)
        position = inside + length
    return scans, pixels, len(data)


def _check_png(data: bytes, name: str) -> None:
    """Refuse a PNG with too many chunks, or one that cannot hold the picture that it declares."""
    position, chunks, beside = 8, 0, 0
    while position + 8 <= len(data):
        length, kind = struct.unpack(">I4s", data[position : position + 8])
        chunks, beside = chunks + 1, beside + (kind not in _PICTURE_CHUNKS)
        if chunks > MAX_CHUNKS or beside > MAX_SIDE_CHUNKS:
            raise _too_costly(name, f"more than {MAX_CHUNKS} chunks, or {MAX_SIDE_CHUNKS} beside its picture")
        position += length + 12
    if data[12:16] == b"IHDR" and len(data) >= 26:
        width, height, bits, colour = struct.unpack(">IIBB", data[16:26])
        raw = height * (width * bits * _CHANNELS.get(colour, 1) // 8)
        if raw > len(data) * DEFLATE_RATIO:
            raise ImageError(
                f"{name} is damaged or cut short: {len(data)} bytes cannot hold {width}×{height} pixels.",
                "Save or send it again.",
            )


def _too_costly(name: str, what: str) -> ImageError:
    return ImageError(f"{name} would take too long to decode: it has {what}.", "Save it again as an ordinary image.")
