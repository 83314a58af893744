"""Whether a network's heads attend to different parts of the face, and whether each matters: means over a dataset."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torchmetrics.functional.classification import multiclass_accuracy

from dan_model.explain.fusion import channels_won
from dan_model.faces import to_input
from dan_model.learn.batches import Pixels, evaluation_order
from dan_model.learn.evaluation import EVALUATION_BATCH, balanced_accuracy
from dan_model.learn.objective import ablate_each
from dan_model.network import DAN, SATURATED, frozen


@dataclass(frozen=True, eq=False)
class HeadReport:
    """Figures of the heads, as means over a dataset; lists are in the order of the heads.

    Attributes:
        cosine: The cosine between the maps of two heads, mean over all pairs, in [0, 1]; None for a single head.
        correlation: Pearson's correlation between the maps of two heads over the cells, mean over all pairs, in
            [-1, 1]; None for a single head.
        entropy: The entropy of each head's map as a distribution over the cells, divided by that of the uniform
            distribution, (H,), in [0, 1].
        regions: The part of each head's attention in each region, (H,) of values by region; None if crops are not
            aligned.
        won: The part of the channels that each head wins, (H,), see `channels_won`; none does where the largest tie.
        saturation: The part of the channels in which the largest share is above `SATURATED`.
        accuracy: The accuracy of the whole network.
        balanced_accuracy: The mean recall of the whole network over the classes that occur.
        ablated: The accuracy with each head ablated (its embedding is zero), (H,).
        alone: The accuracy with each head alone (the embeddings of all others are zero), (H,).
    """

    cosine: float | None
    correlation: float | None
    entropy: list[float]
    regions: list[dict[str, float]] | None
    won: list[float]
    saturation: float
    accuracy: float
    balanced_accuracy: float
    ablated: list[float]
    alone: list[float]

    def to_dict(self) -> dict[str, Any]:
        """The figures as plain JSON values."""
        return dict(vars(self))


def measure_heads(model: DAN, pixels: Pixels, cover: dict[str, Tensor] | None = None) -> HeadReport:
    """Measure the heads of a network, in one process. The backbone runs once for each face.

    Args:
        model: The network.
        pixels: The faces, with their classes.
        cover: The mask of each region in aligned crops, (S, S) of 0 and 1, see `face_cover`. None: crops are not
            aligned.
    """
    heads, classes = model.config.num_heads, pixels.faces.classes
    device = next(model.parameters()).device
    rows, columns = torch.triu_indices(heads, heads, offset=1)
    only_one = torch.eye(heads, device=device)[..., None]  # row h leaves head h alone, (H, H, 1)
    sums: dict[str, Tensor] = {}
    predictions = []

    def add(name: str, values: Tensor) -> None:
        """Add up values (B, ...) over the images of all batches."""
        sums[name] = sums.get(name, torch.zeros(())) + values.double().sum(dim=0).cpu()

    with torch.no_grad(), frozen(model):
        for faces, _ in pixels.batches(evaluation_order(len(pixels), EVALUATION_BATCH)):
            stages = model.stages(to_input(faces.to(device), model.config.preprocess))
            # How much the maps have in common.
            maps = stages.spatial.flatten(2)  # (B, H, N)
            unit, centred = F.normalize(maps, dim=2), F.normalize(maps - maps.mean(dim=2, keepdim=True), dim=2)
            add("cosine", (unit[:, rows] * unit[:, columns]).sum(dim=2).mean(dim=1))
            add("correlation", (centred[:, rows] * centred[:, columns]).sum(dim=2).mean(dim=1))
            # How attention is distributed over the cells and over the regions.
            parts = maps / maps.sum(dim=2, keepdim=True).clamp(min=1e-12)  # (B, H, N), sum to 1 over N
            add("entropy", -torch.xlogy(parts, parts).sum(dim=2) / math.log(parts.shape[2]))
            for name, mask in (cover or {}).items():
                cells = F.adaptive_avg_pool2d(mask[None, None].to(parts), stages.spatial.shape[-1])  # (1, 1, 7, 7)
                add(f"region {name}", (parts * cells.flatten(2)).sum(dim=2))
            # Which head wins each channel; none does where the largest are equal.
            add("won", torch.stack([channels_won(v) for v in stages.embeddings.cpu()]))
            add("saturation", (stages.shares.amax(dim=1) > SATURATED).double().mean(dim=1))
            # What the network predicts with all heads, without each, and with each alone.
            alone = stages.embeddings[:, None] * only_one  # (B, H, H, C)
            changed = torch.cat([ablate_each(stages.embeddings), alone], dim=1)  # (B, 1 + 2H, H, C)
            logits = model.classify(model.fuse(changed.flatten(0, 1))[1])
            predictions.append(logits.argmax(dim=1).reshape(len(faces), -1).cpu())
    # Accuracies and means over the dataset.
    count = len(pixels)
    predicted, labels = torch.cat(predictions).T, len(model.config.labels)  # (1 + 2H, N)
    accuracies = [float(multiclass_accuracy(row, classes, labels, average="micro")) for row in predicted]
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
        balanced_accuracy=balanced_accuracy(predicted[0], classes, labels),
        ablated=accuracies[1 : heads + 1],
        alone=accuracies[heads + 1 :],
    )
