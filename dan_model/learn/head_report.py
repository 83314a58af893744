"""Do a network's heads look at different parts of the face, and does each of them matter? Figures over a dataset."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torchmetrics.functional.classification import multiclass_accuracy

from dan_model.learn.batches import Pixels, evaluation_order
from dan_model.learn.evaluation import EVALUATION_BATCH, balanced_accuracy
from dan_model.learn.objective import mute_each
from dan_model.network import DAN, SATURATED, frozen
from dan_model.preprocess import to_input


@dataclass(frozen=True, eq=False)
class HeadReport:
    """Means over a dataset; heads in order.

    Attributes:
        cosine: Of the maps, mean over all pairs of heads, in [0, 1].
        correlation: Pearson's, of the maps over the cells, mean over all pairs of heads, in [-1, 1].
        entropy: Of each head's map as a distribution over the cells, part of the uniform one's, (H,), in [0, 1].
        regions: Share of each head's attention by region, by name; None where crops are not aligned.
        won: Part of the channels in which each head has the largest share, (H,).
        saturation: Part of the channels in which that share is above `SATURATED`.
        accuracy: Of the whole network.
        balanced_accuracy: Of the whole network, mean over the classes.
        muted: Accuracy without each head (its embedding zero), (H,).
        alone: Accuracy with each head alone (all others zero), (H,).
    """

    cosine: float | None
    correlation: float | None
    entropy: list[float]
    regions: list[dict[str, float]] | None
    won: list[float]
    saturation: float
    accuracy: float
    balanced_accuracy: float
    muted: list[float]
    alone: list[float]

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return dict(vars(self))


def measure_heads(model: DAN, pixels: Pixels, cover: dict[str, Tensor] | None = None) -> HeadReport:
    """Measure on one process; the backbone runs once for each face.

    Args:
        model: The network.
        pixels: The faces, with their classes.
        cover: Of each region, which pixels of an aligned crop belong to it, (S, S) of 0 and 1; None: not aligned.
    """
    heads, classes = model.config.num_heads, pixels.faces.classes
    device = next(model.parameters()).device
    rows, columns = torch.triu_indices(heads, heads, offset=1)
    own = torch.eye(heads, device=device)[..., None]  # (H, H, 1)
    sums: dict[str, Tensor] = {}
    answers = []

    def add(name: str, values: Tensor) -> None:
        sums[name] = sums.get(name, torch.zeros(())) + values.double().sum(dim=0).cpu()

    with torch.no_grad(), frozen(model):
        for faces, _ in pixels.batches(evaluation_order(len(pixels), EVALUATION_BATCH)):
            stages = model.stages(to_input(faces.to(device), model.config.preprocess))
            maps = stages.spatial.flatten(2)  # (B, H, N)
            unit, centred = F.normalize(maps, dim=2), F.normalize(maps - maps.mean(dim=2, keepdim=True), dim=2)
            add("cosine", (unit[:, rows] * unit[:, columns]).sum(dim=2).mean(dim=1))
            add("correlation", (centred[:, rows] * centred[:, columns]).sum(dim=2).mean(dim=1))
            parts = maps / maps.sum(dim=2, keepdim=True).clamp(min=1e-12)
            add("entropy", -torch.xlogy(parts, parts).sum(dim=2) / math.log(parts.shape[2]))
            top, winner = stages.shares.max(dim=1)  # (B, C)
            add("won", F.one_hot(winner, heads).double().mean(dim=1))
            add("saturation", (top > SATURATED).double().mean(dim=1))
            for name, mask in (cover or {}).items():
                cells = F.adaptive_avg_pool2d(mask[None, None].to(parts), stages.spatial.shape[-1])  # (1, 1, 7, 7)
                add(f"region {name}", (parts * cells.flatten(2)).sum(dim=2))
            alone = stages.embeddings[:, None] * own
            changed = torch.cat([mute_each(stages.embeddings), alone], dim=1)  # (B, 1 + 2H, H, C)
            logits = model.classify(model.fuse(changed.flatten(0, 1))[1])
            answers.append(logits.argmax(dim=1).reshape(len(faces), -1).cpu())
    count = len(pixels)
    answered, labels = torch.cat(answers).T, len(model.config.labels)
    accuracies = [float(multiclass_accuracy(column, classes, labels, average="micro")) for column in answered]
    regions = None
    if cover:
        shares = {name: (sums[f"region {name}"] / count).tolist() for name in cover}
        regions = [{name: shares[name][h] for name in cover} for h in range(heads)]
    return HeadReport(
        cosine=float(sums["cosine"] / count) if heads > 1 else None,
        correlation=float(sums["correlation"] / count) if heads > 1 else None,
        entropy=(sums["entropy"] / count).tolist(),
        regions=regions,
        won=(sums["won"] / count).tolist(),
        saturation=float(sums["saturation"] / count),
        accuracy=accuracies[0],
        balanced_accuracy=balanced_accuracy(answered[0], classes, labels),
        muted=accuracies[1 : heads + 1],
        alone=accuracies[heads + 1 :],
    )
