"""What each head looks at and lets through (DESIGN view 1, and the raw material of all others)."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from dan_model.network import Stages


@dataclass(frozen=True, eq=False)
class Heads:
    """The H attention heads on one face, on the CPU.

    Attributes:
        spatial: a_h, (H, 7, 7), >= 0, in units of the network's own activations, not normalised; heads compare.
        gates: g_h, (H, C), in (0, 1).
        embeddings: v_h, (H, C), >= 0: what fusion works on.
    """

    spatial: Tensor
    gates: Tensor
    embeddings: Tensor


def read_heads(stages: Stages) -> Heads:
    """The heads of a single face's stages (B = 1)."""
    return Heads(*(tensor[0].detach().cpu() for tensor in (stages.spatial, stages.gates, stages.embeddings)))
