"""What each head attends to, in space and in channels, and whether the heads differ."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import normalize

from dan_model.errors import ArgumentError
from dan_model.losses import partition_loss
from dan_model.network import Stages

TOP_PART = 10 / 49  # the part of a map's cells that counts as "most attended" where maps are compared


@dataclass(frozen=True, eq=False)
class Heads:
    """The H attention heads on one face, on the CPU.

    Attributes:
        spatial: a_h, (H, 7, 7), >= 0: spatial attention, in units of the network's activations, not normalised. The
            heads have the same unit, so their maps can be compared.
        gates: g_h, (H, C), in (0, 1): channel attention.
        embeddings: v_h, (H, C), >= 0: the input of the fusion.
    """

    spatial: Tensor
    gates: Tensor
    embeddings: Tensor


@dataclass(frozen=True, eq=False)
class Overlap:
    """Do the heads attend to different places? All (H, H) matrices are symmetric with 1 on the diagonal.

    Attributes:
        cosine: Cosine between the maps, (H, H), in [0, 1]: 0 for maps that share no cell, 1 for maps in proportion.
        iou: Intersection over union of the `cells` most attended cells, (H, H), in [0, 1].
        cells: How many cells count as most attended.
        gates: Cosine between the channel gates, (H, H), in [0, 1].
        partition_loss: The training loss that makes the embeddings differ (paper, section 3.3), >= 0.
    """

    cosine: Tensor
    iou: Tensor
    cells: int
    gates: Tensor
    partition_loss: float

    @property
    def mean_cosine(self) -> float:
        """The mean cosine of the maps over all pairs of heads."""
        return float(mean_of_pairs(self.cosine))

    @property
    def mean_iou(self) -> float:
        """The mean intersection over union of the maps over all pairs of heads."""
        return float(mean_of_pairs(self.iou))


def compute_heads(stages: Stages) -> Heads:
    """The heads of a single face (stages with B = 1)."""
    return Heads(*(tensor[0].detach().cpu() for tensor in (stages.spatial, stages.gates, stages.embeddings)))


def strongest_channels(gates: Tensor, count: int) -> Tensor:
    """The channels with the largest gates of each head, (H, count) indices, largest first, of the gates (H, C)."""
    return gates.topk(count, dim=1).indices


def compute_overlap(heads: Heads, cells: int | None = None) -> Overlap:
    """Compare the heads of one face pair by pair.

    Args:
        heads: Of one face.
        cells: How many cells of a map count as most attended. None: `top_cells`.

    Raises:
        ArgumentError: There is a single head, or a map has fewer than `cells` cells.
    """
    spatial = heads.spatial.flatten(1)  # (H, N)
    if len(spatial) < 2:
        raise ArgumentError("A single head has no other head to compare with.", "Take weights with two heads or more.")
    cells = top_cells(spatial.shape[1]) if cells is None else cells
    if not 1 <= cells <= spatial.shape[1]:
        raise ArgumentError(f"cells must lie in [1, {spatial.shape[1]}], got {cells}.", "Give a smaller number.")
    loss = float(partition_loss(heads.embeddings.double()))
    return Overlap(
        pairwise_cosine(spatial).fill_diagonal_(1.0),
        pairwise_iou(spatial, cells),
        cells,
        pairwise_cosine(heads.gates).fill_diagonal_(1.0),
        loss,
    )


def pairwise_cosine(rows: Tensor) -> Tensor:
    """Cosine between all pairs of rows (…, H, N): (…, H, H) float64; 0 for a row of zeros."""
    unit = normalize(rows.double(), dim=-1)
    return (unit @ unit.mT).clamp(-1, 1)


def top_cells(cells: int) -> int:
    """How many of a map's cells count as most attended: 10 of 49."""
    return max(1, round(TOP_PART * cells))


def pairwise_iou(rows: Tensor, count: int) -> Tensor:
    """Intersection over union of the `count` largest places of all pairs of rows (…, H, N): (…, H, H) float64."""
    chosen = torch.zeros_like(rows, dtype=torch.float64).scatter_(-1, rows.topk(count, dim=-1).indices, 1.0)
    chosen[rows.amax(dim=-1) <= 0] = 0  # a map of zeros has no most attended cells
    shared = chosen @ chosen.mT
    return (shared / (2 * count - shared)).diagonal_scatter(
        torch.ones(rows.shape[:-1], dtype=torch.float64), dim1=-2, dim2=-1
    )


def mean_of_pairs(matrix: Tensor) -> Tensor:
    """Mean over all pairs of heads of a symmetric matrix (…, H, H), without the diagonal: (…)."""
    heads = matrix.shape[-1]
    rows, columns = torch.triu_indices(heads, heads, offset=1)
    return matrix[..., rows, columns].mean(dim=-1)
