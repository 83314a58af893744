"""The paper's training objectives (section 3)."""

from __future__ import annotations

import torch
from torch import Tensor


def partition_loss(embeddings: Tensor, eps: float = 1e-8) -> Tensor:
    """How alike the heads are: mean over images and channels of log(1 + H / σ²), σ² the variance over the heads.

    Section 3.2, equation 5: the loss falls as the heads' embeddings move apart. The published code takes the variance
    after log-softmax over the heads, which subtracts the same number from every head and leaves it as it is.

    Args:
        embeddings: v, (..., H, C), two heads or more.
        eps: Keeps channels in which all heads agree finite.

    Returns:
        A scalar, >= 0: 0 for heads infinitely apart.
    """
    heads = embeddings.shape[-2]
    return torch.log1p(heads / (embeddings.var(dim=-2) + eps)).mean()
