"""What comes after the heads: the fusion S = Σ_h log p_hc and the classifier, folded into one affine map in float64."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from dan_model.network import DAN


@dataclass(frozen=True, eq=False)
class Classifier:
    """The classifier in eval mode: logits = W'·S + b', with the BatchNorm folded into W' and b'.

    Attributes:
        weight: W', (K, C) float64.
        bias: b', (K,) float64.
    """

    weight: Tensor
    bias: Tensor

    @classmethod
    def from_model(cls, model: DAN) -> Classifier:
        """The classifier of a network, on the CPU."""
        fc = {name: tensor.cpu().double() for name, tensor in model.fc.state_dict().items()}
        bn = {name: tensor.cpu().double() for name, tensor in model.bn.state_dict().items()}
        scale = bn["weight"] / torch.sqrt(bn["running_var"] + model.bn.eps)  # (K,)
        return cls(fc["weight"] * scale[:, None], (fc["bias"] - bn["running_mean"]) * scale + bn["bias"])

    def from_fused(self, fused: Tensor) -> Tensor:
        """Logits (…, K) of the fused heads S (…, C)."""
        return fused.double() @ self.weight.T + self.bias

    def logits(self, embeddings: Tensor) -> Tensor:
        """Logits (…, K) of the embeddings v (…, H, C). A single head is classified without fusion, as published."""
        return self.from_fused(embeddings[..., 0, :] if embeddings.shape[-2] == 1 else fuse(embeddings))


def fuse(embeddings: Tensor) -> Tensor:
    """The fused heads S = Σ_h log p_hc, (…, C) float64, of the embeddings v (…, H, C)."""
    return torch.log_softmax(embeddings.double(), dim=-2).sum(dim=-2)
