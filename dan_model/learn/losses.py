"""The paper's training objectives besides cross-entropy (sections 3.1 and 3.3)."""

from __future__ import annotations

import torch
from torch import Tensor


def affinity_loss(pooled: Tensor, targets: Tensor, centres: Tensor) -> Tensor:
    """Feature clustering (section 3.1): the squared distance to the own class's centre, over the centres' spread.

    Args:
        pooled: Features x averaged over the cells, (B, C).
        targets: Part of each class in each image, (B, K), rows sum to 1; one-hot for hard labels.
        centres: One point for each class, (K, C); trained along.

    Returns:
        A scalar >= 0: mean over the images of Σ_k target_k·‖x - centre_k‖² / Σ_c σ²_c, with σ²_c the variance of
        channel c over the centres.
    """
    distances = (pooled[:, None] - centres).square().sum(dim=2)  # (B, K)
    return (targets * distances).sum(dim=1).mean() / centres.var(dim=0).sum()


def partition_loss(embeddings: Tensor, eps: float = 1e-8) -> Tensor:
    """How alike the heads are (section 3.3): log(1 + H / σ²), σ² the mean variance of the embeddings over the heads.

    The paper writes the mean over images and channels outside the logarithm; the published training code takes it
    inside, and so does this. That code passes log-softmax over the heads, which subtracts the same number from every
    head and leaves the variance as it is.

    Args:
        embeddings: v, (..., H, C), two heads or more.
        eps: Keeps heads that all say the same finite.

    Returns:
        A scalar >= 0 that nears 0 as the heads part.
    """
    return torch.log1p(embeddings.shape[-2] / (embeddings.var(dim=-2).mean() + eps))
