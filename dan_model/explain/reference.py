"""Statistics over many faces, to compare one face with: `reference.safetensors`.

Where does this face lie among the classes, in the features that all heads share? And is what its heads do usual?
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from dan_model.errors import CheckpointError
from dan_model.explain.heads import mean_of_pairs, pairwise_cosine, pairwise_iou, top_cells
from dan_model.explain.regions import Regions
from dan_model.learn.batches import Pixels, evaluation_order
from dan_model.learn.losses import partition_loss
from dan_model.network import DAN, SATURATED, Stages, frozen
from dan_model.preprocess import to_input

QUANTILES = 101  # from 0 to 100 %
MOST_POINTS = 2000  # of the projection, drawn evenly from the set
BATCH = 64
QUANTITIES = ("overlap", "iou", "partition_loss", "saturation", "regions")


@dataclass(frozen=True, eq=False)
class Reference:
    """What is usual under one set of weights.

    Attributes:
        centres: Mean pooled features of each class, (K, C).
        mean: Mean pooled features of all faces, (C,); None where only the centres are known, as with all below.
        axes: The two directions in which the pooled features differ most (principal components), (2, C), unit length.
        explained: Part of the variance along each axis, (2,).
        points: Faces along the axes, (n, 2).
        classes: Their classes, (n,).
        quantiles: By quantity of `QUANTITIES`: values at 0, 1 … 100 %, (101,); "regions" (101, H, R).
        mean_face: The mean of all faces at the network's detail, (1 or 3, s, s), in [0, 1].
        told: Where it comes from: dataset, count.
    """

    centres: Tensor
    mean: Tensor | None = None
    axes: Tensor | None = None
    explained: Tensor | None = None
    points: Tensor | None = None
    classes: Tensor | None = None
    quantiles: Mapping[str, Tensor] = field(default_factory=dict)
    mean_face: Tensor | None = None
    told: Mapping[str, str] = field(default_factory=dict)

    def percentile(self, quantity: str, value: float, *which: int) -> float | None:
        """The part of the reference faces with a lower value, in percent; None where it is not known.

        Args:
            quantity: One of `QUANTITIES`.
            value: Of one face.
            which: For "regions": head and region, counted from 0.
        """
        if quantity not in self.quantiles:
            return None
        table = self.quantiles[quantity].double()
        for place in which:
            table = table.select(1, place)
        values = table.numpy()
        below, upto = np.searchsorted(values, value, side="left"), np.searchsorted(values, value, side="right")
        if below != upto:  # it is among them: the middle of where it may lie
            return float((below + upto - 1) / 2)
        if below in (0, len(values)):
            return 0.0 if below == 0 else 100.0
        low, high = values[below - 1], values[below]
        return float(below - 1 + (value - low) / (high - low))

    def save(self, path: Path) -> None:
        """Write `reference.safetensors`; an existing one is replaced."""
        tensors = {name: getattr(self, name) for name in _TENSORS}
        tensors |= {f"quantiles.{name}": values for name, values in self.quantiles.items()}
        kept = {name: tensor.contiguous() for name, tensor in tensors.items() if tensor is not None}
        save_file(kept, path, metadata={"told": json.dumps(dict(self.told))})

    @classmethod
    def load(cls, path: Path, model: DAN) -> Reference:
        """Read the reference statistics of a network.

        Raises:
            CheckpointError: Unreadable, or of a network with other classes.
        """
        try:
            with safe_open(path, "pt") as file:
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
                told = json.loads((file.metadata() or {}).get("told", "{}"))
        except (OSError, SafetensorError, ValueError) as error:
            raise CheckpointError(f"{path} cannot be read: {error}.", "Make it again: `reference`.") from error
        if "centres" not in tensors or tensors["centres"].shape[0] != len(model.config.labels):
            raise CheckpointError(f"{path} belongs to other classes.", "Make it again: `reference`.")
        prefix = "quantiles."
        quantiles = {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
        return cls(**{name: tensors.get(name) for name in _TENSORS}, quantiles=quantiles, told=told)  # type: ignore[arg-type]


_TENSORS = ("centres", "mean", "axes", "explained", "points", "classes", "mean_face")


@dataclass(frozen=True, eq=False)
class ClassPlace:
    """Where one face lies among the classes, in the space of pooled features.

    Attributes:
        distances: To each class centre, (K,), in units of the features.
        point: Along the reference's axes, (2,); None where they are not known.
    """

    distances: Tensor
    point: Tensor | None


def place(features: Tensor, reference: Reference) -> ClassPlace:
    """Place a face by its features x (C, 7, 7)."""
    pooled = features.detach().cpu().float().mean(dim=(1, 2))
    distances = (reference.centres - pooled).norm(dim=1)
    if reference.mean is None or reference.axes is None:
        return ClassPlace(distances, None)
    return ClassPlace(distances, reference.axes @ (pooled - reference.mean))


def measure_reference(
    model: DAN, pixels: Pixels, regions: Regions | None, follow: Callable[[int], None] = lambda done: None
) -> Reference:
    """Run a network over a set of faces and keep what is usual.

    Args:
        model: The network.
        pixels: The faces, with their classes.
        regions: Of aligned crops; None where crops are not aligned: then nothing is known about regions.
        follow: Told how many faces are done, now and then.
    """
    pooled, quantities = [], []
    total = torch.zeros(())
    done = 0
    for faces, stages in _run(model, pixels):
        pooled.append(stages.features.mean(dim=(2, 3)).cpu())
        quantities.append(_quantities(stages, regions))
        total = total + (faces.double() / 255).sum(dim=0).cpu()
        follow(done := done + len(faces))
    features, classes = torch.cat(pooled), pixels.faces.classes
    centres = torch.stack([features[classes == k].mean(dim=0) for k in range(len(model.config.labels))])
    if not torch.isfinite(centres).all():
        raise CheckpointError("A class has no faces in this set.", "Give a larger one.")
    mean = features.mean(dim=0)
    _, strength, directions = torch.linalg.svd((features - mean).double(), full_matrices=False)
    axes = directions[:2].float()
    chosen = torch.linspace(0, len(features) - 1, min(MOST_POINTS, len(features))).long()
    levels = torch.linspace(0, 1, QUANTILES, dtype=torch.float64)
    found = {name: torch.cat([part[name] for part in quantities]).double() for name in quantities[0]}
    return Reference(
        centres=centres,
        mean=mean,
        axes=axes,
        explained=(strength[:2].square() / strength.square().sum()).float(),
        points=(features[chosen] - mean) @ axes.T,
        classes=classes[chosen],
        quantiles={name: torch.quantile(values, levels, dim=0).float() for name, values in found.items()},
        mean_face=(total / len(features)).float(),
        told={"dataset": pixels.faces.name, "count": str(len(features))},
    )


def _run(model: DAN, pixels: Pixels) -> Iterator[tuple[Tensor, Stages]]:
    device = next(model.parameters()).device
    with torch.no_grad(), frozen(model):
        for faces, _ in pixels.batches(evaluation_order(len(pixels), BATCH)):
            yield faces, model.stages(to_input(faces.to(device), model.config.preprocess))


def _quantities(stages: Stages, regions: Regions | None) -> dict[str, Tensor]:
    """Each quantity for every face of a batch, (B,) or (B, H, R); what needs two heads is left out for one."""
    spatial, embeddings = stages.spatial.cpu(), stages.embeddings.cpu()
    found = {}
    heads = spatial.shape[1]
    if heads > 1:
        maps = spatial.flatten(2)  # (B, H, N)
        found["overlap"] = mean_of_pairs(pairwise_cosine(maps))
        found["iou"] = mean_of_pairs(pairwise_iou(maps, top_cells(maps.shape[2])))
        found["partition_loss"] = torch.stack([partition_loss(v.double()) for v in embeddings])
        found["saturation"] = (stages.shares.amax(dim=1) > SATURATED).double().mean(dim=1).cpu()
    if regions is not None:
        found["regions"] = torch.stack([torch.stack([regions.shares(a) for a in face]) for face in spatial])
    return found
