"""Face crop -> the network's input, and back to pixels that a person can look at."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from dan_model.config import PreprocessConfig


def to_tensor(pixels: np.ndarray, config: PreprocessConfig) -> Tensor:
    """Bring a crop to what the network was trained on: `to_detail`, then `to_input`.

    Args:
        pixels: A square crop, (S, S, 3) uint8 RGB.
        config: The checkpoint's preprocessing.

    Returns:
        (1, 3, image_size, image_size) float32.
    """
    return to_input(to_detail(Image.fromarray(pixels), config)[None], config)


def to_detail(image: Image.Image, config: PreprocessConfig) -> Tensor:
    """A face at the detail of the training images, so that a sharp photo shows no more than one of them did.

    Grey where the network was trained on grey; brought to `detail_size` by Lanczos.

    Returns:
        (n, s, s) uint8 with n = 1 for grey and 3 for RGB, s = detail_size or, without one, image_size.
    """
    side = config.detail_size or config.image_size
    image = image.convert("L" if config.grayscale else "RGB").resize((side, side), Image.Resampling.LANCZOS)
    return torch.from_numpy(np.array(image)).reshape(side, side, -1).permute(2, 0, 1).contiguous()


def to_input(faces: Tensor, config: PreprocessConfig, size: int | None = None) -> Tensor:
    """Faces as the network gets them: enlarged (bilinear), three channels, normalised.

    Args:
        faces: (B, n, s, s) uint8, as `to_detail` gives them.
        config: The checkpoint's preprocessing.
        size: Side of the input; None: `image_size`.

    Returns:
        (B, 3, size, size) float32 on the faces' device.
    """
    side = size or config.image_size
    x = F.interpolate(faces.float() / 255, size=(side, side), mode="bilinear", align_corners=False)
    return normalised(x, config)


def normalised(x: Tensor, config: PreprocessConfig) -> Tensor:
    """Faces (B, 1 or 3, S, S) in [0, 1] -> (B, 3, S, S), the configured mean taken off, over the deviation."""
    mean, std = (values.to(x.device) for values in _statistics(config))
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
