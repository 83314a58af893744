"""Tug of war: which head wins each channel, and where that pulls the decision."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from dan_model.errors import ArgumentError
from dan_model.explain.fusion import Classifier, fuse
from dan_model.network import SATURATED

NOBODY = -1  # the winner of a channel in which no head leads


@dataclass(frozen=True, eq=False)
class TugOfWar:
    """Every channel's pull on one class, and whose it is.

    Attributes:
        target: Class index k.
        pull: W'_kc·(S_c + H ln H), (C,) float64, in logits, signed; sums to logit - consensus.
        order: Channel indices from the strongest pull for the class to the strongest against it, (C,).
        winner: The head with the largest share of each channel, (C,); `NOBODY` where the largest are equal.
        top_share: That largest share, (C,), in [1/H, 1]. The fair share is 1/H.
        won: Fraction of all channels that each head wins, (H,); channels that nobody wins are missing from the sum.
        saturation: Fraction of channels whose largest share is above `SATURATED`.
    """

    target: int
    pull: Tensor
    order: Tensor
    winner: Tensor
    top_share: Tensor
    won: Tensor
    saturation: float


def tug_of_war(classifier: Classifier, embeddings: Tensor, target: int) -> TugOfWar:
    """Read the channels of one face.

    Args:
        classifier: The network's.
        embeddings: v, (H, C); an intervention's as well as the network's own.
        target: Class index.

    Raises:
        ArgumentError: A single head has nobody to pull against.
    """
    heads = embeddings.shape[0]
    if heads < 2:
        raise ArgumentError("A single head has nobody to pull against.", "Take weights with two heads or more.")
    pull = classifier.weight[target] * (fuse(embeddings) + heads * math.log(heads))
    shares = torch.softmax(embeddings.double(), dim=0)
    first, second = embeddings.topk(2, dim=0).values  # compared before the softmax, which rounds small leads away
    winner = torch.where(first > second, embeddings.argmax(dim=0), NOBODY)
    top_share = shares.amax(dim=0)
    won = torch.stack([(winner == h).double().mean() for h in range(heads)])
    order = pull.argsort(descending=True, stable=True)
    return TugOfWar(target, pull, order, winner, top_share, won, float((top_share > SATURATED).double().mean()))
