"""The colours of an image: from its own profile to sRGB, and transparent pixels over white."""

from __future__ import annotations

import io
from collections.abc import Callable

from PIL import Image, ImageCms

from dan_model.errors import ImageError


def in_srgb(mode: str, profile: bytes | None, name: str, notes: list[str]) -> Callable[[Image.Image], Image.Image]:
    """Turns parts of an 8-bit image of some mode to sRGB, where its profile is another.

    A broken profile is left out, and noted.
    """
    if not profile or mode not in ("RGB", "RGBA", "L", "CMYK"):
        return lambda part: part
    with_alpha = mode == "RGBA"
    try:
        own = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if "srgb" in ImageCms.getProfileDescription(own).lower():
            return lambda part: part
        srgb = ImageCms.createProfile("sRGB")
        transform = ImageCms.buildTransform(own, srgb, "RGB" if with_alpha else mode, "RGB")
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError) as error:
        notes.append(f"{name} has a colour profile that cannot be used ({error}); its colours are taken as sRGB.")
        return lambda part: part

    def convert(part: Image.Image) -> Image.Image:
        converted = ImageCms.applyTransform(part.convert("RGB") if with_alpha else part, transform)
        assert converted is not None
        if with_alpha:
            converted.putalpha(part.getchannel("A"))
        return converted

    return convert


def over_white(image: Image.Image, name: str) -> Image.Image:
    """An image without its transparency, over white."""
    try:
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image.convert("RGBA"))
    except ValueError as error:
        raise ImageError(f"{name} has the colour mode {image.mode}.", "Save it as RGB or grey.") from error
