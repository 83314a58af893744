"""Face crop -> the network's input, and back to pixels that a person can look at."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from dan_model.config import PreprocessConfig


def to_tensor(pixels: np.ndarray, config: PreprocessConfig) -> Tensor:
    """Bring a crop to what the network was trained on.

    Grey where it was trained on grey; down to the training images' resolution (Lanczos) and up again (bilinear), so
    that a sharp photo shows no more than a training image did; normalised.

    Args:
        pixels: A square crop, (S, S, 3) uint8 RGB.
        config: The checkpoint's preprocessing.

    Returns:
        (1, 3, image_size, image_size) float32.
    """
    image = Image.fromarray(pixels)
    if config.grayscale:
        image = image.convert("L")
    side = config.detail_size or config.image_size
    image = image.resize((side, side), Image.Resampling.LANCZOS)
    values = torch.from_numpy(np.array(image.convert("RGB"), dtype=np.float32) / 255)  # (side, side, 3)
    x = values.permute(2, 0, 1)[None]
    x = F.interpolate(x, size=(config.image_size, config.image_size), mode="bilinear", align_corners=False)
    mean, std = _statistics(config)
    return (x - mean) / std


def to_pixels(x: Tensor, config: PreprocessConfig) -> np.ndarray:
    """What the network sees, for people: a normalised face (1, 3, S, S) -> (S, S, 3) uint8 RGB."""
    mean, std = _statistics(config)
    values = (x.detach().cpu() * std + mean).clamp(0, 1)[0].permute(1, 2, 0)
    return (values * 255).round().to(torch.uint8).numpy()


def black(config: PreprocessConfig) -> Tensor:
    """A black face as the network sees it, (1, 3, S, S): the usual baseline of attributions."""
    mean, std = _statistics(config)
    return (-mean / std).expand(1, 3, config.image_size, config.image_size).clone()


def _statistics(config: PreprocessConfig) -> tuple[Tensor, Tensor]:
    return torch.tensor(config.mean).view(1, 3, 1, 1), torch.tensor(config.std).view(1, 3, 1, 1)
