"""Any image, from a file, PIL or NumPy -> an array of RGB pixels, upright."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from dan_model.errors import ImageError

MIN_SIDE = 16  # pixels; a smaller image shows no recognisable face
MAX_SIDE = 30_000  # pixels
MAX_PIXELS = 50_000_000  # more than the 48 megapixels of current phones

ImageLike = Image.Image | np.ndarray | str | Path


def read_image(source: ImageLike) -> np.ndarray:
    """Decode an image of any mode and turn it upright by its EXIF orientation.

    Args:
        source: A path, a PIL image of any mode, or an array: (H, W), (H, W, 1), (H, W, 3) or (H, W, 4), as uint8,
            uint16, or floats in [0, 1]. Transparent pixels are composited over white. Of an animation, the first frame
            is taken.

    Returns:
        The photo, (H, W, 3) uint8 RGB; always a copy.

    Raises:
        ImageError: The source is not an image, is damaged, too small or too large, or an array of another kind.
    """
    if isinstance(source, (str, Path)):
        photo = _from_file(Path(source))
    elif isinstance(source, Image.Image):
        photo = _from_pil(source, "The image")
    elif isinstance(source, np.ndarray):
        photo = _from_array(source)
    else:
        raise ImageError(f"A {type(source).__name__} is not an image.", "Give a path, a PIL image or a NumPy array.")
    return photo


def _from_file(path: Path) -> np.ndarray:
    try:
        path = path.expanduser()
        is_file, is_folder = path.is_file(), path.is_dir()
    except (OSError, RuntimeError) as error:
        raise ImageError(f"{str(path)[:200]!r} is no path: {error}.", "Give the path of an image file.") from error
    if not is_file:
        what = "is a folder" if is_folder else "does not exist"
        raise ImageError(f"{path} {what}.", "Give the path of an image file.")
    try:
        with Image.open(path) as image:
            return _from_pil(image, path.name)
    except ImageError:
        raise
    except UnidentifiedImageError as error:
        raise ImageError(
            f"{path.name} is not an image that can be read.", "Give a JPEG, PNG, WebP or similar."
        ) from error
    except Image.DecompressionBombError as error:
        raise _too_large(path.name) from error
    except Exception as error:  # PIL raises many kinds of exceptions on damaged files
        raise _damaged(path.name, error) from error


def _from_pil(image: Image.Image, name: str) -> np.ndarray:
    _check_size(image.width, image.height, name)
    try:
        image.load()
        upright = ImageOps.exif_transpose(image)
    except Exception as error:  # as above: PIL decodes an opened image only here
        raise _damaged(name, error) from error
    return _rgb(upright, name)


def _rgb(image: Image.Image, name: str) -> np.ndarray:
    if image.mode.startswith(("I", "F")):  # 16-bit, 32-bit and float grey levels, which PIL's own conversion clips
        return _from_array(_unit_grey(np.asarray(image), image.mode, name))
    if {"A", "a"} & set(image.getbands()) or "transparency" in image.info:
        image = _over_white(image, name)
    try:
        return np.array(image.convert("RGB"))
    except ValueError as error:
        raise ImageError(f"{name} has the colour mode {image.mode}.", "Save it as RGB or grey.") from error


def _over_white(image: Image.Image, name: str) -> Image.Image:
    try:
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image.convert("RGBA"))
    except ValueError as error:
        raise ImageError(f"{name} has the colour mode {image.mode}.", "Save it as RGB or grey.") from error


def _unit_grey(values: np.ndarray, mode: str, name: str) -> np.ndarray:
    """Grey levels of PIL's 16-bit, 32-bit and float modes on a [0, 1] scale; the range follows from mode or values."""
    grey = values.astype(np.float64)
    _check_finite(grey, name)
    top = 65535.0 if mode.startswith("I;16") else next((t for t in (1.0, 255.0, 65535.0) if grey.max() <= t), None)
    if top is None or grey.min() < 0:
        raise ImageError(
            f"{name} has grey levels from {grey.min():g} to {grey.max():g}.", "Save it as an 8-bit or 16-bit image."
        )
    return grey / top


def _from_array(array: np.ndarray) -> np.ndarray:
    if array.ndim == 2:
        array = array[..., None]
    if array.ndim != 3 or array.shape[2] not in (1, 3, 4):
        raise ImageError(f"An array of shape {array.shape} is not one image.", "Give (H, W), (H, W, 3) or (H, W, 4).")
    _check_size(array.shape[1], array.shape[0], "The array")
    if array.dtype == np.uint16:
        array = ((array.astype(np.uint32) * 255 + 32767) // 65535).astype(np.uint8)
    if np.issubdtype(array.dtype, np.floating):
        _check_finite(array, "The array")
        if array.min() < 0 or array.max() > 1:
            raise ImageError(
                f"The array has floats from {array.min():g} to {array.max():g}.", "Scale them to [0, 1], or give uint8."
            )
        array = np.rint(array * 255).astype(np.uint8)
    if array.dtype != np.uint8:
        raise ImageError(f"An array of {array.dtype} is not an image.", "Give uint8, uint16, or floats in [0, 1].")
    if array.shape[2] == 1:
        return np.repeat(array, 3, axis=2)
    return _rgb(Image.fromarray(np.ascontiguousarray(array)), "The array")


def _check_size(width: int, height: int, name: str) -> None:
    if min(width, height) < MIN_SIDE:
        raise ImageError(f"{name} is {width}×{height} pixels.", f"Give an image of at least {MIN_SIDE}×{MIN_SIDE}.")
    if width * height > MAX_PIXELS or max(width, height) > MAX_SIDE:
        raise _too_large(name, f" ({width}×{height} pixels)")


def _check_finite(values: np.ndarray, name: str) -> None:
    if not np.isfinite(values).all():
        raise ImageError(f"{name} holds NaN or infinite values.", "Replace them before explaining it.")


def _damaged(name: str, error: Exception) -> ImageError:
    return ImageError(f"{name} is damaged or cut short ({error}).", "Save or send it again.")


def _too_large(name: str, size: str = "") -> ImageError:
    return ImageError(
        f"{name} is too large{size}.", f"Give at most {MAX_PIXELS // 1_000_000} megapixels, {MAX_SIDE} pixels a side."
    )
