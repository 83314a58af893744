"""Moves: pictures and maps that are turned, scaled, shifted and mirrored, with a single resampling.

A move is an affine map from positions in the result to positions in the source, theta (B, 2, 3). Positions are those of
`torch.nn.functional.affine_grid`: from -1 to 1 over the picture, x before y. The same theta moves a face (224×224), the
mask of its parts, and a map of attention over it (7×7).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def compute_moves(angle: Tensor, zoom: Tensor, shift: Tensor, mirror: Tensor) -> Tensor:
    """Compose the moves of B pictures.

    Args:
        angle: Rotation in radians, (B,).
        zoom: Factor of the size, (B,).
        shift: Where the result's middle lies in the source, x and y, (B, 2); 2 is a whole side.
        mirror: -1 for a mirrored picture, 1 for another, (B,).

    Returns:
        theta, (B, 2, 3).
    """
    cos, sin = torch.cos(angle) / zoom, torch.sin(angle) / zoom
    to_source = torch.stack([cos * mirror, -sin, sin * mirror, cos], dim=1).reshape(-1, 2, 2)
    return torch.cat([to_source, shift[..., None]], dim=2)


def unmoved(count: int) -> Tensor:
    """The moves that leave `count` pictures as they are, (count, 2, 3)."""
    return torch.eye(2, 3).expand(count, 2, 3)


def draw_moves(
    count: int,
    generator: torch.Generator,
    degrees: float = 0.0,
    shift: float = 0.0,
    scale: tuple[float, float] = (1.0, 1.0),
    mirror: float = 0.0,
) -> Tensor:
    """Draw `count` moves at random, each amount uniformly from its range: theta, (count, 2, 3).

    Args:
        count: The number of moves.
        generator: A generator on the CPU.
        degrees: The largest rotation in either direction.
        shift: The largest shift in x and in y, as a part of the side.
        scale: The smallest and the largest factor of the size.
        mirror: The probability of mirroring.
    """
    angle = torch.deg2rad(degrees * (2 * torch.rand(count, generator=generator) - 1))
    least, most = scale
    zoom = least + (most - least) * torch.rand(count, generator=generator)
    offset = 2 * shift * (2 * torch.rand(count, 2, generator=generator) - 1)  # positions span [-1, 1]
    flipped = torch.where(torch.rand(count, generator=generator) < mirror, -1.0, 1.0)
    return compute_moves(angle, zoom, offset, flipped)


def move(pictures: Tensor, theta: Tensor, size: int, edge: bool = True) -> Tensor:
    """Move pictures or maps, with bilinear interpolation.

    Args:
        pictures: (B, n, h, w), of floats.
        theta: (B, 2, 3).
        size: Side of the result.
        edge: Whether the edge is repeated outside the picture. False: zeros.

    Returns:
        (B, n, size, size).
    """
    grid = F.affine_grid(theta, [len(pictures), pictures.shape[1], size, size], align_corners=False)
    return F.grid_sample(pictures, grid, padding_mode="border" if edge else "zeros", align_corners=False)


def in_view(theta: Tensor, side: int) -> Tensor:
    """Which cells of a moved map show what was in the picture before: (B, side, side) of bool.

    A cell counts if its middle comes from between the middles of the outermost cells of the source, so that its value
    is interpolated and not the edge's.
    """
    positions = F.affine_grid(theta, [len(theta), 1, side, side], align_corners=False)  # (B, side, side, 2)
    return (positions.abs() <= 1 - 1 / side + 1e-6).all(dim=3)


def follows(moved_maps: Tensor, maps: Tensor, theta: Tensor) -> Tensor:
    """How far maps go with what they show: their correlation with the maps of the untouched pictures, moved alike.

    Args:
        moved_maps: The maps of the moved pictures, (B, H, h, h).
        maps: The maps of the untouched pictures, (B, H, h, h).
        theta: The moves, (B, 2, 3).

    Returns:
        Pearson's correlation over the cells in view, (B, H), in [-1, 1]; 0 where one of them is constant there.
    """
    return correlation(moved_maps, move(maps, theta, maps.shape[-1]), in_view(theta, maps.shape[-1]))


def correlation(one: Tensor, other: Tensor, cells: Tensor) -> Tensor:
    """Pearson's correlation (B, H) of maps (B, H, h, h) over some of the cells, (B, h, h) of bool; 0 for a constant."""
    weight = cells[:, None].to(one.dtype)  # (B, 1, h, h)
    count = weight.sum(dim=(2, 3), keepdim=True).clamp(min=1)
    centred = [(a - (a * weight).sum(dim=(2, 3), keepdim=True) / count) * weight for a in (one, other)]
    a, b = (F.normalize(c.flatten(2), dim=2) for c in centred)
    return (a * b).sum(dim=2)
