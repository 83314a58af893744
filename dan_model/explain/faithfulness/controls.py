"""Controls: maps that know nothing of the network, with which every map of an explanation is compared."""

from __future__ import annotations

import torch
from torch import Tensor

from dan_model.explain.faithfulness.maps import PATCHES, in_patches

RANDOM_MAPS = 10
SEED = 0


def random_maps() -> list[Tensor]:
    """`RANDOM_MAPS` random maps as coarse as those of the heads, in patches (14, 14); always the same ones."""
    generator = torch.Generator().manual_seed(SEED)
    return [in_patches(torch.rand(PATCHES // 2, PATCHES // 2, generator=generator)) for _ in range(RANDOM_MAPS)]


def edge_map(x: Tensor) -> Tensor:
    """The edges of an image (1, 3, S, S): how much it changes from pixel to pixel, in patches (14, 14)."""
    grey = x[0].mean(dim=0)
    down, right = torch.gradient(grey)
    return in_patches((down.square() + right.square()).sqrt().cpu())
