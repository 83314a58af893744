"""Any image, from a file, bytes, PIL, NumPy or torch -> RGB pixels, upright, in sRGB: the only reader of images."""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO

import numpy as np
import torch
from PIL import Image, ImageCms, UnidentifiedImageError

from dan_model.errors import ImageError
from dan_model.faces.decoding import check_cost, one_large_at_a_time

MIN_SIDE = 16  # pixels; a smaller image shows no recognisable face
MAX_SIDE = 60_000  # pixels, as in long panoramas
MAX_PIXELS = 64_000_000  # of a decoded image: more than the 50 megapixels of current phones
MAX_JPEG_PIXELS = 178_000_000  # of a JPEG, which is decoded at a reduced scale above `MAX_PIXELS`; Pillow's own limit
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "HEIF", "PPM")
"""Pillow's names of what is read; JPEG includes the MPO of some phones. None of them starts another program."""
ABOVE_ONE = 1e-3  # how far floats may lie outside [0, 1]: rounding in what made them
DARK = 4096  # brightest level of a 16-bit image below which it is probably one of 12 bits or fewer
FLAT_ROWS = 8  # rows of one block of a JPEG; what is missing at the end of a file is filled with flat ones
MOST_MISSING = 0.25  # part of the rows; a file that lacks more is refused
ORIENTATION = 0x0112
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""By EXIF orientation: what turns the picture upright."""

ImageLike = Image.Image | np.ndarray | torch.Tensor | bytes | IO[bytes] | str | Path


@dataclass(frozen=True, eq=False)
class Photo:
    """An image as it was read.

    Attributes:
        pixels: (H, W, 3) uint8 RGB.
        notes: What was odd about it and how it was read nevertheless, in sentences.
    """

    pixels: np.ndarray
    notes: tuple[str, ...] = ()


def read_image(source: ImageLike) -> np.ndarray:
    """The pixels of an image of any kind, (H, W, 3) uint8 RGB; always a copy. See `read_photo`."""
    return read_photo(source).pixels


def read_photo(source: ImageLike) -> Photo:
    """Decode an image of any mode, turn it upright by its EXIF orientation, and convert its colours to sRGB.

    Args:
        source: A path, the bytes of a file, an open file, a PIL image of any mode, or an array or tensor: (H, W),
            (H, W, 1), (H, W, 3) or (H, W, 4), a tensor also (C, H, W), as uint8, uint16, or floats in [0, 1]. Three
            channels are taken as RGB: an array from OpenCV is BGR, which cannot be seen from its numbers. Transparent
            pixels are composited over white. Of an animation, the first frame is taken. A JPEG of more than
            `MAX_PIXELS` is decoded at a half, a quarter or an eighth of its size.

    Raises:
        ImageError: The source is not an image, is damaged, too small or too large, or an array of another kind.
    """
    if isinstance(source, (str, Path)):
        return _from_path(Path(source))
    if isinstance(source, bytes):
        return _from_bytes(source, "The image")
    if isinstance(source, Image.Image):
        return _from_pil(source, "The image", [])
    if isinstance(source, torch.Tensor):
        return _from_array(_channels_last(source))
    if isinstance(source, np.ndarray):
        return _from_array(source)
    if callable(getattr(source, "read", None)):
        return _from_bytes(source.read(), Path(str(getattr(source, "name", "The image"))).name)
    raise ImageError(
        f"A {type(source).__name__} is not an image.", "Give a path, bytes, a PIL image, a NumPy array or a tensor."
    )


def _from_path(path: Path) -> Photo:
    try:
        path = path.expanduser()
        is_file, is_folder = path.is_file(), path.is_dir()
        if is_file:
            return _from_bytes(path.read_bytes(), path.name)
    except ImageError:
        raise
    except (OSError, RuntimeError, ValueError) as error:
        raise ImageError(f"{str(path)[:200]!r} is no path: {error}.", "Give the path of an image file.") from error
    what = "is a folder" if is_folder else "does not exist"
    raise ImageError(f"{path} {what}.", "Give the path of an image file.")


def _from_bytes(data: bytes, name: str) -> Photo:
    _register_formats()
    notes: list[str] = []
    try:
        check_cost(data, name)
        with Image.open(io.BytesIO(data), formats=FORMATS) as image, one_large_at_a_time(*image.size):
            _reduce(image, name, notes)
            try:
                return _from_pil(image, name, notes)
            except OSError as error:
                if image.format not in ("JPEG", "MPO") or "truncated" not in str(error):
                    raise
        return _from_cut_jpeg(data, name)
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


def _from_cut_jpeg(data: bytes, name: str) -> Photo:
    """What is there of a JPEG without its end: the decoder fills what is missing with flat rows."""
    notes: list[str] = []
    with Image.open(io.BytesIO(data + b"\xff\xd9"), formats=("JPEG",)) as image:
        _reduce(image, name, notes)
        image.load()
        missing = _flat_rows(np.asarray(image.convert("RGB"))) / image.height
        if missing > MOST_MISSING:
            raise _damaged(name, OSError(f"{missing:.0%} of its rows are missing"))
        end = f"its last {missing:.0%} of rows are missing" if missing else "only its end mark is missing"
        notes.append(f"{name} is cut short: {end}.")
        return _from_pil(image, name, notes)


def _flat_rows(pixels: np.ndarray) -> int:
    """How many rows at the bottom have a single colour each, in whole blocks of a JPEG."""
    flat = (pixels == pixels[:, :1]).all(axis=(1, 2))
    count = int(np.argmin(flat[::-1])) if not flat.all() else len(flat)
    return count // FLAT_ROWS * FLAT_ROWS


def _reduce(image: Image.Image, name: str, notes: list[str]) -> None:
    """Let the decoder of a large JPEG reduce it; others have their own size."""
    width, height = image.size
    if image.format not in ("JPEG", "MPO") or width * height <= MAX_PIXELS:
        return
    if width * height > MAX_JPEG_PIXELS:
        raise _too_large(name, f" ({width}×{height} pixels)")
    scale = next(scale for scale in (2, 4, 8) if width * height / scale**2 <= MAX_PIXELS)
    image.draft(None, (-(-width // scale), -(-height // scale)))
    notes.append(f"{name} has {width}×{height} pixels and was read at {image.width}×{image.height}.")


def _from_pil(image: Image.Image, name: str, notes: list[str]) -> Photo:
    _check_size(image.width, image.height, name)
    try:
        image.load()
    except OSError:  # a file that is cut short can be read in part
        raise
    except Exception as error:
        raise _damaged(name, error) from error
    turned = _upright(image)
    return _rgb(_in_srgb(turned, image.info.get("icc_profile"), name, notes), name, notes)


def _upright(image: Image.Image) -> Image.Image:
    """Turned by the EXIF orientation; whatever else is in the EXIF, even nonsense, does not matter."""
    try:
        orientation = image.getexif().get(ORIENTATION, 1)
    except Exception:
        return image
    return image.transpose(UPRIGHT[orientation]) if orientation in UPRIGHT else image


def _in_srgb(image: Image.Image, profile: bytes | None, name: str, notes: list[str]) -> Image.Image:
    """The colours in sRGB where an 8-bit image has another profile; a broken profile is left out."""
    if not profile or image.mode not in ("RGB", "RGBA", "L", "CMYK"):
        return image
    try:
        own = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if "srgb" in ImageCms.getProfileDescription(own).lower():
            return image
        alpha = image.getchannel("A") if image.mode == "RGBA" else None
        colours = image.convert("RGB") if alpha is not None else image
        converted = ImageCms.profileToProfile(colours, own, ImageCms.createProfile("sRGB"), outputMode="RGB")
        assert converted is not None
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError) as error:
        notes.append(f"{name} has a colour profile that cannot be used ({error}); its colours are taken as sRGB.")
        return image
    if alpha is not None:
        converted.putalpha(alpha)
    return converted


def _rgb(image: Image.Image, name: str, notes: Iterable[str] = ()) -> Photo:
    if image.mode.startswith(("I", "F")):  # 16-bit, 32-bit and float grey levels, which PIL's own conversion clips
        values, dark = _unit_grey(np.asarray(image), image.mode, name)
        return Photo(_from_array(values).pixels, (*notes, *dark))
    if {"A", "a"} & set(image.getbands()) or "transparency" in image.info:
        image = _over_white(image, name)
    try:
        return Photo(np.array(image.convert("RGB")), tuple(notes))
    except ValueError as error:
        raise ImageError(f"{name} has the colour mode {image.mode}.", "Save it as RGB or grey.") from error


def _over_white(image: Image.Image, name: str) -> Image.Image:
    try:
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image.convert("RGBA"))
    except ValueError as error:
        raise ImageError(f"{name} has the colour mode {image.mode}.", "Save it as RGB or grey.") from error


def _unit_grey(values: np.ndarray, mode: str, name: str) -> tuple[np.ndarray, list[str]]:
    """Grey levels of PIL's 16-bit, 32-bit and float modes on a [0, 1] scale; the range follows from mode or values."""
    grey = values.astype(np.float64)
    _check_finite(grey, name)
    top = 65535.0 if mode.startswith("I;16") else next((t for t in (1.0, 255.0, 65535.0) if grey.max() <= t), None)
    if top is None or grey.min() < 0:
        raise ImageError(
            f"{name} has grey levels from {grey.min():g} to {grey.max():g}.", "Save it as an 8-bit or 16-bit image."
        )
    return grey / top, _darkness(float(grey.max()), name) if top == 65535 else []


def _darkness(brightest: float, name: str) -> list[str]:
    """A note where a 16-bit image uses a small part of its range."""
    if not 0 < brightest < DARK:
        return []
    return [
        f"The brightest level of {name} is {brightest:.0f} of 65535: it may hold 8, 10 or 12 bits. It is read as it "
        "is, nearly black; scale its levels to the full range first."
    ]


def _channels_last(tensor: torch.Tensor) -> np.ndarray:
    """A tensor as an array; (C, H, W) becomes (H, W, C) where only the first side can be channels."""
    values = tensor.detach().cpu()
    array: np.ndarray = (values.float() if values.is_floating_point() else values).numpy()
    if array.ndim == 3 and array.shape[0] in (1, 3, 4) and array.shape[2] not in (1, 3, 4):
        array = np.moveaxis(array, 0, 2)
    return array


def _from_array(array: np.ndarray) -> Photo:
    if array.ndim == 2:
        array = array[..., None]
    if array.ndim != 3 or array.shape[2] not in (1, 3, 4):
        raise ImageError(f"An array of shape {array.shape} is not one image.", "Give (H, W), (H, W, 3) or (H, W, 4).")
    _check_size(array.shape[1], array.shape[0], "The array")
    notes: list[str] = []
    if array.dtype == np.uint16:
        notes = _darkness(float(array.max()), "the array")
        array = ((array.astype(np.uint32) * 255 + 32767) // 65535).astype(np.uint8)
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
        return Photo(np.repeat(array, 3, axis=2), tuple(notes))
    return _rgb(Image.fromarray(np.ascontiguousarray(array)), "The array", notes)


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
