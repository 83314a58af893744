"""Measure the reference statistics of a network over many faces: what `explain.reference` compares one face with."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from dan_model.errors import CheckpointError
from dan_model.explain.fusion import Classifier, integrate
from dan_model.explain.heads import mean_of_pairs, pairwise_cosine, pairwise_iou, top_cells
from dan_model.explain.reference import QUANTILES, Reference, mean_map, unit_maps
from dan_model.explain.regions import Regions
from dan_model.explain.score import Score
from dan_model.faces.preprocessing import to_input
from dan_model.learn.batches import Pixels, evaluation_order
from dan_model.losses import partition_loss
from dan_model.network import DAN, SATURATED, Stages, frozen

HEAD_FACES = 64  # the faces on which a head moved the predicted class most
MAX_POINTS = 2000  # faces in the projection, evenly spaced in the dataset
BATCH = 64


def measure_reference(
    model: DAN, pixels: Pixels, regions: Regions | None, on_progress: Callable[[int], None] = lambda done: None
) -> Reference:
    """Run a network over a set of faces and collect the statistics.

    Args:
        model: The network.
        pixels: The faces, with their classes.
        regions: The regions of aligned crops. None where crops are not aligned: then nothing is known about regions.
        on_progress: Called with the number of faces that are done, after each batch.

    Raises:
        CheckpointError: A class has no faces in this set.
    """
    classes, labels = pixels.faces.classes, model.config.labels
    if missing := [label for k, label in enumerate(labels) if not (classes == k).any()]:
        raise CheckpointError(f"This set has no faces of {', '.join(missing)}.", "Give a larger one.")
    # Run the network, batch by batch.
    pooled, quantities, maps, moved, predicted = [], [], [], [], []
    classifier = Classifier.from_model(model)
    total = torch.zeros(())
    done = 0
    for faces, stages in _run(model, pixels):
        pooled.append(stages.features.mean(dim=(2, 3)).cpu())
        quantities.append(_quantities(stages, regions))
        maps.append(unit_maps(stages.spatial))
        predicted.append(stages.logits.argmax(dim=1).cpu())
        moved.append(_moved(classifier, stages))
        total = total + (faces.double() / 255).sum(dim=0).cpu()
        on_progress(done := done + len(faces))
    # Class centres.
    features = torch.cat(pooled)
    centres = torch.stack([features[classes == k].mean(dim=0) for k in range(len(labels))])
    # Mean maps, and the mean of the faces on which each head moved the predicted class most.
    every_map, predicted_classes = torch.cat(maps), torch.cat(predicted)  # (N, H, 7, 7), (N,)
    mean_maps, energy = mean_map(every_map)
    class_maps = torch.stack(
        [
            every_map[predicted_classes == k].sum(dim=0) / max(1, int((predicted_classes == k).sum()))
            for k in range(len(centres))
        ]
    )
    most = torch.cat(moved).topk(min(HEAD_FACES, len(features)), dim=0).indices.T  # (H, n)
    head_faces = torch.stack([_mean_face(pixels, faces.tolist()) for faces in most])
    # Principal components, and some of the faces along them.
    mean = features.mean(dim=0)
    _, strength, directions = torch.linalg.svd((features - mean).double(), full_matrices=False)
    axes = directions[:2].float()
    chosen = torch.linspace(0, len(features) - 1, min(MAX_POINTS, len(features))).long()
    # Quantiles of every quantity.
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
        mean_maps=mean_maps.float(),
        class_maps=class_maps.float(),
        map_energy=energy.float(),
        head_faces=head_faces.float(),
        source={"dataset": pixels.faces.name, "count": str(len(features))},
    )


def _run(model: DAN, pixels: Pixels) -> Iterator[tuple[Tensor, Stages]]:
    """The pixels and the stages of each batch."""
    device = next(model.parameters()).device
    with torch.no_grad(), frozen(model):
        for faces, _ in pixels.batches(evaluation_order(len(pixels), BATCH)):
            yield faces, model.stages(to_input(faces.to(device), model.config.preprocess))


def _moved(classifier: Classifier, stages: Stages) -> Tensor:
    """How far each head moves the log-probability of the predicted class, (B, H), in nats."""
    found = []
    for v, logits in zip(stages.embeddings.cpu(), stages.logits.cpu(), strict=True):
        score = Score(int(logits.argmax()))
        found.append(score.pick(integrate(classifier, v, score).ledger))
    return torch.stack(found)


def _mean_face(pixels: Pixels, indices: list[int]) -> Tensor:
    """The mean of some faces at the detail of the network, (1 or 3, s, s), in [0, 1]."""
    return torch.stack([pixels[i][0].double() / 255 for i in indices]).mean(dim=0)


def _quantities(stages: Stages, regions: Regions | None) -> dict[str, Tensor]:
    """Each of `QUANTITIES` for every face of a batch, (B,) or (B, H, R); those that compare heads need two of them."""
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
