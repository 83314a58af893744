"""Maps drawn over their faces: colours, opacity, and hatching where a crop is not in the photo."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import torch.nn.functional as F
from matplotlib import colormaps
from PIL import Image
from torch import Tensor

from dan_model.faces import FaceCrop
from dan_model.show.style import DIVERGING, SEQUENTIAL, TILE_SIDE

HATCHES = 24  # lines along a side where a crop is not in the photo
HATCH_WIDTH = 0.14  # of each of a line's two strokes, as a part of the distance between lines


@dataclass(frozen=True)
class Scale:
    """What a map's colours span.

    Attributes:
        limit: The value of the last colour, > 0. The first is 0, or -limit for signed maps.
        signed: Whether the colours diverge from zero.
    """

    limit: float
    signed: bool

    @property
    def low(self) -> float:
        """The value of the first colour."""
        return -self.limit if self.signed else 0.0


def overlay(crop: FaceCrop, values: Tensor, scale: Scale, smooth: bool, side: int = TILE_SIDE) -> np.ndarray:
    """A map over its face: (side, side, 3) uint8. The map covers exactly the crop, at whatever resolution it has.

    What of the crop is not in the photo is hatched, over the map.
    """
    return hatched(_blend(crop.grey(side), _enlarge(values, side, smooth), scale), crop)


def layer(crop: FaceCrop, values: Tensor, scale: Scale, smooth: bool, side: int = TILE_SIDE) -> np.ndarray:
    """A map alone, (side, side, 4) uint8 RGBA: laid over the grey face, it looks like `overlay`."""
    colours, opacity = _colours(_enlarge(values, side, smooth), scale)
    return hatched(np.rint(np.concatenate([colours, opacity[..., None]], axis=-1) * 255).astype(np.uint8), crop)


def hatched(picture: np.ndarray, crop: FaceCrop) -> np.ndarray:
    """A picture of a crop with diagonal lines where the crop is not in the photo.

    The lines are dark and light side by side, opaque, so that they are seen on any map; the same at any size.

    Args:
        picture: (side, side) or (side, side, 3 or 4) uint8.
        crop: What it shows.
    """
    side = picture.shape[0]
    outside = crop.outside(side)
    if not outside.any():
        return picture
    diagonal = np.add.outer(np.arange(side), np.arange(side)) * (HATCHES / side) % 1
    drawn = picture.copy()
    drawn[outside & (diagonal < 2 * HATCH_WIDTH)] = 255
    dark = outside & (diagonal < HATCH_WIDTH)
    drawn[dark] = 0
    if drawn.shape[2:] == (4,):
        drawn[dark, 3] = 255
    return drawn


def on_photo(photo: np.ndarray, crop: FaceCrop, values: Tensor, scale: Scale, smooth: bool) -> np.ndarray:
    """A map drawn where it belongs in the photo, (H, W, 3) uint8; the photo stays as it is outside the crop."""
    side = max(TILE_SIDE, crop.pixels.shape[0])
    placed = crop.place_on_photo(_enlarge(values, side, smooth), photo.shape[:2])
    inside = np.isfinite(placed)
    grey = np.asarray(Image.fromarray(photo).convert("L"))
    drawn = photo.copy()
    drawn[inside] = _blend(grey, np.nan_to_num(placed), scale)[inside]
    return drawn


def colour_bar(scale: Scale, width: int = 128, height: int = 8) -> np.ndarray:
    """The colours of a scale as they look over a mid-grey face, (height, width, 3) uint8."""
    values = np.tile(np.linspace(scale.low, scale.limit, width, dtype=np.float32), (height, 1))
    return _blend(np.full((height, width), 128, np.uint8), values, scale)


def _blend(grey: np.ndarray, values: np.ndarray, scale: Scale) -> np.ndarray:
    """Colours over a grey picture (h, w) uint8."""
    colours, opacity = _colours(values, scale)
    mixed = colours * (255 * opacity)[..., None]
    mixed += (grey * (1 - opacity))[..., None]
    return np.rint(mixed, out=mixed).astype(np.uint8)


def _colours(values: np.ndarray, scale: Scale) -> tuple[np.ndarray, np.ndarray]:
    """Colour (…, 3) and opacity in [0, 1]: the further from zero, the stronger the colour and the fainter the face."""
    strength = np.clip(values / np.float32(scale.limit), -1 if scale.signed else 0, 1)
    if scale.signed:
        return _colour_of(DIVERGING, (strength + 1) / 2), 0.05 + 0.7 * np.abs(strength) ** 0.7
    return _colour_of(SEQUENTIAL, strength), 0.35 + 0.4 * strength


def _colour_of(name: str, part: np.ndarray) -> np.ndarray:
    """The colours (…, 3) of a colour scale for numbers in [0, 1], as matplotlib would take them."""
    return np.take(_table(name), np.minimum(part * 256, 255).astype(np.uint8), axis=0)


@cache
def _table(name: str) -> np.ndarray:
    """The 256 colours of a colour scale, float32."""
    return colormaps[name](np.arange(256))[:, :3].astype(np.float32)


def _enlarge(values: Tensor, side: int, smooth: bool) -> np.ndarray:
    """(h, w) -> (side, side): smooth within the range of the map, or in its own cells."""
    source = values.detach().float()[None, None]
    if not smooth:
        return F.interpolate(source, size=(side, side), mode="nearest-exact")[0, 0].numpy()
    large = F.interpolate(source, size=(side, side), mode="bicubic", align_corners=False)
    return large.clamp(float(values.min()), float(values.max()))[0, 0].numpy()
