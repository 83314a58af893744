"""Any image, from a file, bytes, PIL, NumPy or torch -> RGB pixels, upright, in sRGB: the only reader of images."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import IO

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError

from dan_model.errors import ImageError
from dan_model.faces.cut_jpeg import rows_there, with_end
from dan_model.faces.decoding import LARGE, check_cost, check_tiff, one_large_at_a_time
from dan_model.faces.levels import RANGES, LevelNote, dark_note, level_top, of_16_bits
from dan_model.faces.sources import channels_last, file_content
from dan_model.faces.strips import orientation, rgb_pixels, turned

MIN_SIDE = 16  # pixels; a smaller image shows no recognisable face
MAX_SIDE = 60_000  # pixels, as in long panoramas
MAX_PIXELS = 64_000_000  # of a decoded image: more than the 50 megapixels of current phones
MAX_JPEG_PIXELS = 178_000_000  # of a JPEG, which is decoded at a reduced scale above `MAX_PIXELS`; Pillow's own limit
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "HEIF", "PPM")
"""Pillow's names of what is read; JPEG includes the MPO of some phones. None of them starts another program."""
ABOVE_ONE = 1e-3  # how far floats may lie outside [0, 1]: rounding in what made them
MOST_MISSING = 0.25  # part of the rows; a file that lacks more is refused where its face is not looked for
ANIMATED = ("GIF", "WEBP", "PNG", "AVIF")  # formats of which several frames are one animation
FRAMES = 8  # of an animation that are searched for a face at most, spread over its first `SPREAD`
SPREAD = 64


@dataclass(frozen=True, eq=False)
class Photo:
    """An image as it was read.

    Attributes:
        pixels: (H, W, 3) uint8 RGB.
        notes: What was odd about it and how it was read nevertheless, in sentences.
        frames: How many frames the file has where it is an animation; else 1.
        missing: Left, top, right, bottom of what a file that is cut short lacks, (4,), in pixels; None for nothing.
    """

    pixels: np.ndarray
    notes: tuple[str, ...] = ()
    frames: int = 1
    missing: np.ndarray | None = None

    @property
    def few_bits(self) -> bool:
        """Whether its levels use 8 to 14 of 16 bits: they can be stretched, or were."""
        return any(isinstance(note, LevelNote) for note in self.notes)

    @property
    def part_missing(self) -> float:
        """The part of the photo that the file lacks, in [0, 1]."""
        if self.missing is None:
            return 0.0
        left, top, right, bottom = self.missing
        return float((right - left) * (bottom - top)) / (self.pixels.shape[0] * self.pixels.shape[1])

    def refuse_gaps(self) -> None:
        """Raise an `ImageError` where too much is missing for the photo as a whole to be used."""
        if self.part_missing > MOST_MISSING:
            raise ImageError(" ".join(self.notes), "Save or send it again.")


ImageLike = Photo | Image.Image | np.ndarray | torch.Tensor | bytes | IO[bytes] | str | Path


@dataclass(frozen=True)
class _Reading:
    """How a source is read: its name, whether dark levels are stretched, which frame, and the notes so far."""

    name: str
    stretch: bool = False
    frame: int = 0
    notes: list[str] = field(default_factory=list)


def read_image(source: ImageLike) -> np.ndarray:
    """The pixels of an image of any kind, (H, W, 3) uint8 RGB; always a copy. See `read_photo`.

    Raises:
        ImageError: As `read_photo`, or more than `MOST_MISSING` of a file is missing.
    """
    photo = read_photo(source)
    photo.refuse_gaps()
    return photo.pixels


def read_photo(source: ImageLike, stretch: bool = False) -> Photo:
    """Decode an image of any mode, turn it upright by its EXIF orientation, and convert its colours to sRGB.

    Args:
        source: A path, the bytes of a file, an open file, a data: address with an image in base64, a PIL image of any
            mode, or an array or tensor: (H, W), (H, W, 1), (H, W, 3) or (H, W, 4), a tensor also (C, H, W), as uint8,
            uint16, or floats in [0, 1]. Three channels are taken as RGB: an array from OpenCV is BGR, which cannot be
            seen from its numbers. Transparent pixels are composited over white. Of an animation, the first frame is
            taken. A JPEG of more than `MAX_PIXELS` is decoded at a half, a quarter or an eighth of its size. A photo
            that has been read stays as it is.
        stretch: Whether levels of 8 to 14 bits in an image of 16 bits are stretched to the full range. Otherwise they
            are read as they are, nearly black, and a note says so.

    Raises:
        ImageError: The source is not an image, is damaged, too small or too large, or an array of another kind.
    """
    return next(read_frames(source, stretch))


def read_frames(source: ImageLike, stretch: bool = False) -> Iterator[Photo]:
    """The photo of `read_photo`, and then further frames where it is an animation in a file: at most `FRAMES` in all.

    They are spread over its first `SPREAD`, or fewer where they are large. A note says which frame it is.
    """
    if isinstance(source, Photo):
        yield replace(source, pixels=source.pixels.copy())
    elif isinstance(source, Image.Image):
        yield _from_pil(source, _Reading("The image", stretch))
    elif isinstance(source, torch.Tensor):
        yield _from_array(channels_last(source), _Reading("The array", stretch))
    elif isinstance(source, np.ndarray):
        yield _from_array(source, _Reading("The array", stretch))
    else:
        data, name = file_content(source)
        for frame in _frames(data):
            yield _from_bytes(data, _Reading(name, stretch, frame))


def _frames(data: bytes) -> Iterator[int]:
    """The frames that are read: the first, and of an animation some of those that follow."""
    yield 0
    _register_formats()
    try:
        with Image.open(io.BytesIO(data), formats=ANIMATED) as image:
            reach = min(getattr(image, "n_frames", 1), SPREAD, MAX_PIXELS // (image.width * image.height))
    except Exception:  # the first frame has said what there is to say
        return
    count = min(reach, FRAMES)
    yield from (i * reach // count for i in range(1, count))


def _from_bytes(data: bytes, reading: _Reading) -> Photo:
    _register_formats()
    name = reading.name
    try:
        check_cost(data, name)
        with Image.open(io.BytesIO(data), formats=FORMATS) as image, one_large_at_a_time(*image.size):
            check_tiff(image, data, name)
            _reduce(image, reading)
            frames = _seek(image, reading)
            try:
                decoded = _large_webp(image, data, name)
                return replace(_from_pil(_deep(image, data, reading), reading, decoded), frames=frames)
            except OSError as error:
                if image.format not in ("JPEG", "MPO") or "truncated" not in str(error):
                    raise
        return _from_cut_jpeg(data, _Reading(name, reading.stretch))
    except ImageError:
        raise
    except UnidentifiedImageError as error:
        kind = " JPEG XL is not among them." if data[:2] == b"\xff\x0a" or data[4:8] == b"JXL " else ""
        raise ImageError(
            f"{name} is not an image that can be read.{kind}", "Give a JPEG, PNG, WebP, HEIC, AVIF or TIFF."
        ) from error
    except Image.DecompressionBombError as error:
        raise _too_large(name) from error
    except Exception as error:  # PIL raises many kinds of exceptions on damaged files
        raise _damaged(name, error) from error


def _seek(image: Image.Image, reading: _Reading) -> int:
    """Go to the frame of an animation, say which it is, and return how many there are; 1 for other images."""
    count = getattr(image, "n_frames", 1) if image.format in ANIMATED else 1
    if count > 1:
        image.seek(reading.frame)
        reading.notes.append(f"{reading.name} is an animation: this is frame {reading.frame + 1} of {count}.")
    return count


def _deep(image: Image.Image, data: bytes, reading: _Reading) -> Image.Image:
    """The image itself; of 16-bit colours, which Pillow reads with 8 bits, the stretched ones where that was asked."""
    if image.mode != "RGB" or not any("16" in str(tile[3]) for tile in getattr(image, "tile", ())):
        return image
    brightest = max(high for _, high in image.getextrema())  # type: ignore[misc]
    top = next((top for top in RANGES if brightest <= top >> 8), 65535)
    if top == 65535:
        return image
    if not reading.stretch:
        reading.notes.append(dark_note(reading.name, f"about {brightest * 256}", top))
        return image
    import cv2

    levels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if levels is None or levels.dtype != np.uint16 or levels.shape != (image.height, image.width, 3):
        reading.notes.append(f"The levels of {reading.name} could not be stretched.")
        return image
    white, notes = level_top(int(levels.max()), reading.name, stretch=True)
    reading.notes.extend(notes)
    stretched = Image.fromarray(of_16_bits(levels[..., ::-1], white))
    stretched.info = dict(image.info)
    stretched.getexif().update(image.getexif())
    return stretched


def _large_webp(image: Image.Image, data: bytes, name: str) -> np.ndarray | None:
    """The pixels of a large WebP, (H, W, 3 or 4) BGR or BGRA; None for other images.

    Pillow decodes every WebP as an animation, which needs more than twice the memory; the pixels are the same.
    """
    if image.format != "WEBP" or image.width * image.height <= LARGE:
        return None
    if getattr(image, "n_frames", 1) > 1:
        raise ImageError(
            f"{name} is an animation of {image.width}×{image.height} pixels.",
            f"Give one of its frames, or at most {LARGE // 1_000_000} megapixels.",
        )
    import cv2

    _check_size(image.width, image.height, name)
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    return pixels if pixels is not None and pixels.shape == (image.height, image.width, len(image.mode)) else None


def _from_cut_jpeg(data: bytes, reading: _Reading) -> Photo:
    """What is there of a JPEG without its end, and where it is not."""
    with Image.open(io.BytesIO(with_end(data)), formats=("JPEG", "MPO")) as image:
        _reduce(image, reading)
        width, height = image.size
        there = rows_there(data, image.size)
        if there == 0:
            raise _damaged(reading.name, OSError("all of its rows are missing"))
        lost = np.zeros((height, width), np.uint8)
        lost[there:] = 255
        box = Image.fromarray(np.ascontiguousarray(turned(lost, orientation(image)))).getbbox()
        part = max(1, round(100 * (1 - there / height)))
        end = f"its last {part} % of rows are missing" if box else "only its end mark is missing"
        if not box and image.info.get("progressive"):
            end = "its last passes may be missing, and fine detail with them"
        reading.notes.append(f"{reading.name} is cut short: {end}.")
        return replace(_from_pil(image, reading), missing=None if box is None else np.array(box, dtype=np.float64))


def _reduce(image: Image.Image, reading: _Reading) -> None:
    """Let the decoder of a large JPEG reduce it; others have their own size."""
    width, height = image.size
    if image.format not in ("JPEG", "MPO") or width * height <= MAX_PIXELS:
        return
    if width * height > MAX_JPEG_PIXELS:
        raise _too_large(reading.name, f" ({width}×{height} pixels)")
    scale = next(scale for scale in (2, 4, 8) if width * height / scale**2 <= MAX_PIXELS)
    image.draft(None, (-(-width // scale), -(-height // scale)))
    reading.notes.append(f"{reading.name} has {width}×{height} pixels and was read at {image.width}×{image.height}.")


def _from_pil(image: Image.Image, reading: _Reading, decoded: np.ndarray | None = None) -> Photo:
    """The photo of an image; `decoded` has its pixels where another decoder than Pillow's gave them."""
    _check_size(image.width, image.height, reading.name)
    try:
        if decoded is None:
            image.load()
    except OSError:  # a file that is cut short can be read in part
        raise
    except Exception as error:
        raise _damaged(reading.name, error) from error
    pixels = rgb_pixels(image, reading.name, reading.stretch, reading.notes, decoded)
    return Photo(pixels, tuple(reading.notes))


def _from_array(array: np.ndarray, reading: _Reading) -> Photo:
    if array.ndim == 2:
        array = array[..., None]
    if array.ndim != 3 or array.shape[2] not in (1, 3, 4):
        raise ImageError(f"An array of shape {array.shape} is not one image.", "Give (H, W), (H, W, 3) or (H, W, 4).")
    _check_size(array.shape[1], array.shape[0], "The array")
    if array.dtype == np.uint16:
        white, notes = level_top(int(array.max()), "the array", reading.stretch)
        reading.notes.extend(notes)
        array = of_16_bits(array, white)
    if np.issubdtype(array.dtype, np.floating):
        _check_finite(array, "The array")
        if array.min() < -ABOVE_ONE or array.max() > 1 + ABOVE_ONE:
            raise ImageError(
                f"The array has floats from {array.min():g} to {array.max():g}.", "Scale them to [0, 1], or give uint8."
            )
        array = np.rint(array.clip(0, 1) * 255).astype(np.uint8)
    if array.dtype != np.uint8:
        raise ImageError(f"An array of {array.dtype} is not an image.", "Give uint8, uint16, or floats in [0, 1].")
    if array.shape[2] == 1:
        return Photo(np.repeat(array, 3, axis=2), tuple(reading.notes))
    return _from_pil(Image.fromarray(np.ascontiguousarray(array)), reading)


def _check_size(width: int, height: int, name: str) -> None:
    if min(width, height) < MIN_SIDE:
        raise ImageError(f"{name} is {width}×{height} pixels.", f"Give an image of at least {MIN_SIDE}×{MIN_SIDE}.")
    if width * height > MAX_PIXELS or max(width, height) > MAX_SIDE:
        raise _too_large(name, f" ({width}×{height} pixels)")


def _check_finite(values: np.ndarray, name: str) -> None:
    if not np.isfinite(values).all():
        raise ImageError(f"{name} holds NaN or infinite values.", "Replace them before explaining it.")


@cache
def _register_formats() -> None:
    """Let Pillow open all `FORMATS`: HEIC and HEIF, which phones hand over, by a plug-in."""
    from pillow_heif import register_heif_opener

    Image.init()  # Pillow's own plug-ins, most of which it loads when the first file needs them
    register_heif_opener()


def _damaged(name: str, error: Exception) -> ImageError:
    return ImageError(f"{name} is damaged or cut short ({error}).", "Save or send it again.")


def _too_large(name: str, size: str = "") -> ImageError:
    return ImageError(
        f"{name} is too large{size}.",
        f"Give at most {MAX_PIXELS // 1_000_000} megapixels, or {MAX_JPEG_PIXELS // 1_000_000} as JPEG.",
    )
