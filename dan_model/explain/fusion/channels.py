"""The fusion channel by channel: which head wins each channel, and what that contributes to the score."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from dan_model.errors import ArgumentError
from dan_model.explain.fusion.decomposition import Fusion
from dan_model.network import SATURATED

NO_WINNER = -1  # the winner of a channel in which no head leads


@dataclass(frozen=True, eq=False)
class TugOfWar:
    """The pull of every channel on the score, and the head that wins the channel.

    Attributes:
        pull: `Fusion.pull`, (C,) float64, signed; sums to score - score of the consensus. For a raw logit it is
            W'_kc·(S_c + H ln H).
        order: Channel indices from the strongest pull for the score to the strongest against it, (C,).
        winner: The head with the largest share of each channel, (C,); `NO_WINNER` where the largest are equal.
        top_share: That largest share, (C,), in [1/H, 1]. The fair share is 1/H.
        won: The fraction of all channels that each head wins, (H,); channels without a winner are missing in the sum.
        saturation: The fraction of channels whose largest share is above `SATURATED`.
    """

    pull: Tensor
    order: Tensor
    winner: Tensor
    top_share: Tensor
    won: Tensor
    saturation: float


def channel_winners(embeddings: Tensor) -> Tensor:
    """The head that leads in each channel, (C,), of v (H, C); `NO_WINNER` where the largest are equal."""
    if len(embeddings) < 2:
        return torch.zeros(embeddings.shape[1], dtype=torch.int64)
    first, second = embeddings.topk(2, dim=0).values  # compared before the softmax, which rounds small leads away
    return torch.where(first > second, embeddings.argmax(dim=0), NO_WINNER)


def channels_won(embeddings: Tensor) -> Tensor:
    """The fraction of all channels that each head wins, (H,) float64, of v (H, C); at most 1 together."""
    winner = channel_winners(embeddings)
    return torch.stack([(winner == h).double().mean() for h in range(len(embeddings))])


def tug_of_war(fusion: Fusion, embeddings: Tensor) -> TugOfWar:
    """Compute the pull and the winner of each channel for one face.

    Args:
        fusion: The fusion of this face; its score is explained.
        embeddings: v, (H, C), of this face.

    Raises:
        ArgumentError: There is a single head.
    """
    heads = embeddings.shape[0]
    if heads < 2:
        raise ArgumentError("A single head has no other head to compete with.", "Take weights with two heads or more.")
    shares = torch.softmax(embeddings.double(), dim=0)
    winner, won = channel_winners(embeddings), channels_won(embeddings)
    top_share = shares.amax(dim=0)
    order = fusion.pull.argsort(descending=True, stable=True)
    return TugOfWar(fusion.pull, order, winner, top_share, won, float((top_share > SATURATED).double().mean()))
