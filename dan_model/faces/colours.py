"""The colours of an image: from its own profile to sRGB, and transparent pixels over white."""

from __future__ import annotations

import io

from PIL import Image, ImageCms

from dan_model.errors import ImageError


def in_srgb(image: Image.Image, profile: bytes | None, name: str, notes: list[str]) -> Image.Image:
    """The colours in sRGB where an 8-bit image has another profile; a broken profile is left out, and noted."""
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


def over_white(image: Image.Image, name: str) -> Image.Image:
    """An image without its transparency, over white."""
    try:
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image.convert("RGBA"))
    except ValueError as error:
        raise ImageError(f"{name} has the colour mode {image.mode}.", "Save it as RGB or grey.") from error
