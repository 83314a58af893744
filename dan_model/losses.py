"""The losses that the paper adds to cross-entropy: the affinity loss (section 3.1) and the partition loss (3.3)."""

from __future__ import annotations

import torch
from torch import Tensor


def affinity_loss(pooled: Tensor, targets: Tensor, centres: Tensor) -> Tensor:
    """The affinity loss (section 3.1): squared distance of each image to its class centre, over the centres' variance.

    Args:
        pooled: The features x averaged over the cells, (B, C).
        targets: The part of each class in each image, (B, K), rows sum to 1; one-hot for hard labels.
        centres: One centre for each class, (K, C); trained together with the network.

    Returns:
        A scalar >= 0: the mean over the images of Σ_k target_k·‖x - centre_k‖² / Σ_c σ²_c, where σ²_c is the variance
        of channel c over the centres.
    """
    distances = (pooled[:, None] - centres).square().sum(dim=2)  # (B, K)
    return (targets * distances).sum(dim=1).mean() / centres.var(dim=0).sum()


def partition_loss(embeddings: Tensor, eps: float = 1e-8) -> Tensor:
    """The partition loss (section 3.3): log(1 + H / σ²), with σ² the mean variance of the embeddings over the heads.

    The paper takes the mean over images and channels outside the logarithm, the published training code inside; this
    function follows the code. The code passes the log-softmax over the heads instead of v. That subtracts the same
    number from every head, so the variance is the same.

    Args:
        embeddings: v, (..., H, C), with two heads or more.
        eps: Added to σ², so that the loss is finite when all heads are equal.

    Returns:
        A scalar >= 0 that decreases towards 0 as the heads become more different.
    """
    return torch.log1p(embeddings.shape[-2] / (embeddings.var(dim=-2).mean() + eps))
