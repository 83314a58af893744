"""Face crop -> the network's input, and back to pixels that can be displayed."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from dan_model.config import PreprocessConfig


def to_tensor(pixels: np.ndarray, config: PreprocessConfig) -> Tensor:
    """Convert a crop to the network's input: `to_detail`, then `to_input`.

    Args:
        pixels: A square crop, (S, S, 3) uint8 RGB.
        config: The checkpoint's preprocessing.

    Returns:
        (1, 3, image_size, image_size) float32.
    """
    return to_input(to_detail(Image.fromarray(pixels), config)[None], config)


def to_detail(image: Image.Image, config: PreprocessConfig) -> Tensor:
    """Reduce a face to the colours and the resolution of the training images.

    A photo then shows no more detail than the faces that the network was trained on. It is converted to grey if these
    were, and resized to `detail_size` with a Lanczos filter.

    Returns:
        (n, s, s) uint8; n = 1 for grey and 3 for RGB, s = `detail_size` or, if that is None, `image_size`.
    """
    side = config.detail_size or config.image_size
    image = image.convert("L" if config.grayscale else "RGB").resize((side, side), Image.Resampling.LANCZOS)
    return torch.from_numpy(np.array(image)).reshape(side, side, -1).permute(2, 0, 1).contiguous()


def to_input(faces: Tensor, config: PreprocessConfig, size: int | None = None) -> Tensor:
    """Convert a batch of faces to the network's input: enlarged (bilinear), three channels, normalised.

    Args:
        faces: (B, n, s, s) uint8, as returned by `to_detail`.
        config: The checkpoint's preprocessing.
        size: Side of the input in pixels. None: `image_size`.

    Returns:
        (B, 3, size, size) float32 on the faces' device.
    """
    side = size or config.image_size
    x = F.interpolate(faces.float() / 255, size=(side, side), mode="bilinear", align_corners=False)
    return normalised(x, config)


def normalised(x: Tensor, config: PreprocessConfig) -> Tensor:
    """Faces (B, 1 or 3, S, S) in [0, 1] -> (B, 3, S, S) with mean and standard deviation normalised as configured."""
    mean, std = (values.to(x.device) for values in _statistics(config))
    return (x - mean) / std


def to_pixels(x: Tensor, config: PreprocessConfig) -> np.ndarray:
    """Convert the network's input back for display: a normalised face (1, 3, S, S) -> (S, S, 3) uint8 RGB."""
    mean, std = _statistics(config)
    values = (x.detach().cpu() * std + mean).clamp(0, 1)[0].permute(1, 2, 0)
    return (values * 255).round().to(torch.uint8).numpy()


def black(config: PreprocessConfig) -> Tensor:
    """A normalised black image, (1, 3, S, S): a baseline for attributions."""
    mean, std = _statistics(config)
    return (-mean / std).expand(1, 3, config.image_size, config.image_size).clone()


def _statistics(config: PreprocessConfig) -> tuple[Tensor, Tensor]:
    return torch.tensor(config.mean).view(1, 3, 1, 1), torch.tensor(config.std).view(1, 3, 1, 1)
