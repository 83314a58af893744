"""The quality of a network on a dataset: accuracy, metrics by class, confusion matrix, calibration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from accelerate import PartialState
from torch import Tensor
from torchmetrics.functional.classification import (
    multiclass_accuracy,
    multiclass_calibration_error,
    multiclass_confusion_matrix,
    multiclass_f1_score,
    multiclass_precision,
    multiclass_recall,
)

from dan_model.errors import CheckpointError
from dan_model.faces import to_input
from dan_model.learn.batches import Pixels, evaluation_order
from dan_model.network import DAN, frozen

BINS = 15  # of the expected calibration error
EVALUATION_BATCH = 64


@dataclass(frozen=True, eq=False)
class Evaluation:
    """The metrics of a network on a dataset, as plain numbers.

    Attributes:
        labels: The K class names.
        count: The number of images.
        accuracy: The part of all images that are classified correctly.
        balanced_accuracy: The mean recall over the classes that occur.
        per_class: For each class precision, recall, f1 and count.
        confusion: Counts, (K, K): rows are the true classes, columns the predicted ones.
        ece: Expected calibration error: the mean distance between confidence and accuracy over `BINS` bins.
        temperature: The temperature for the logits that maximises the likelihood of the classes.
        ece_after: The calibration error with this temperature.
    """

    labels: tuple[str, ...]
    count: int
    accuracy: float
    balanced_accuracy: float
    per_class: dict[str, dict[str, float]]
    confusion: list[list[int]]
    ece: float
    temperature: float
    ece_after: float

    def to_dict(self) -> dict[str, Any]:
        """The metrics as plain JSON values."""
        return {**vars(self), "labels": list(self.labels)}


def predict(model: DAN, pixels: Pixels, size: int | None = None, workers: int = 0) -> tuple[Tensor, Tensor]:
    """Run a network on a dataset, with the work shared by all processes.

    Args:
        model: The network, on its device; the same in all processes.
        pixels: The images.
        size: Side of the input in pixels. None: that of the network.
        workers: The number of processes that decode images, if these are not in memory.

    Returns:
        The logits (N, K) and the classes (N,) of all images, in order, on the CPU; the same in every process.
    """
    state = PartialState()
    device = next(model.parameters()).device
    order = evaluation_order(len(pixels), EVALUATION_BATCH, state.process_index, state.num_processes)
    own = []
    with torch.no_grad(), frozen(model):
        for faces, _ in pixels.batches(order, workers):
            own.append(model(to_input(faces.to(device), model.config.preprocess, size)).float())
    logits = torch.cat(own) if own else torch.empty(0, len(model.config.labels), device=device)
    return _in_order(logits, len(pixels), state).cpu(), pixels.faces.classes


def measure(logits: Tensor, classes: Tensor, labels: Sequence[str]) -> Evaluation:
    """Compute all metrics of the logits (N, K) of images with classes (N,).

    Raises:
        CheckpointError: The logits are not finite.
    """
    if not torch.isfinite(logits).all():
        raise CheckpointError("With these weights the logits are not finite.", "Take other weights.")
    logits, count = logits.double(), len(labels)
    predicted = logits.argmax(dim=1)
    occurring = torch.bincount(classes, minlength=count)
    by_metric = {
        name: metric(predicted, classes, count, average="none").tolist()
        for name, metric in (
            ("precision", multiclass_precision),
            ("recall", multiclass_recall),
            ("f1", multiclass_f1_score),
        )
    }
    temperature = best_temperature(logits, classes)
    return Evaluation(
        labels=tuple(labels),
        count=len(classes),
        accuracy=float(multiclass_accuracy(predicted, classes, count, average="micro")),
        balanced_accuracy=balanced_accuracy(predicted, classes, count),
        per_class={
            label: {**{name: values[k] for name, values in by_metric.items()}, "count": int(occurring[k])}
            for k, label in enumerate(labels)
        },
        confusion=multiclass_confusion_matrix(predicted, classes, count).tolist(),
        ece=_calibration_error(logits, classes),
        temperature=temperature,
        ece_after=_calibration_error(logits / temperature, classes),
    )


def balanced_accuracy(predicted: Tensor, classes: Tensor, count: int) -> float:
    """The mean recall of predicted classes (N,) against true ones (N,), over those of `count` classes that occur."""
    recalls = multiclass_recall(predicted, classes, count, average="none")
    return float(recalls[classes.unique()].mean())


def best_temperature(logits: Tensor, classes: Tensor) -> float:
    """The temperature T that maximises the likelihood of the classes under logits / T (Guo et al. 2017, section 4.2).

    Args:
        logits: (N, K).
        classes: (N,).

    Returns:
        T, limited to [0.05, 20].
    """
    log_t = torch.zeros((), dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS([log_t], max_iter=100, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimiser.zero_grad()
        value = F.cross_entropy(logits.double() / log_t.exp(), classes)
        value.backward()
        return value

    optimiser.step(loss)
    return float(log_t.detach().exp().clamp(0.05, 20))


def fold_temperature(model: DAN, temperature: float) -> None:
    """Divide the network's logits by a temperature permanently, by scaling its last normalisation."""
    with torch.no_grad():
        model.bn.weight.div_(temperature)
        model.bn.bias.div_(temperature)


def _calibration_error(logits: Tensor, classes: Tensor) -> float:
    return float(multiclass_calibration_error(logits.softmax(dim=1), classes, logits.shape[1], n_bins=BINS, norm="l1"))


def _in_order(own: Tensor, count: int, state: PartialState) -> Tensor:
    """Collect the rows of all processes in the order of the dataset.

    Args:
        own: The rows of this process, for the indices part, part + parts, …; see `evaluation_order`.
        count: The number of rows of all processes together.
        state: The processes.
    """
    if state.num_processes == 1:
        return own
    from accelerate.utils import gather, pad_across_processes

    longest = -(-count // state.num_processes)  # rounded up: some processes have one row less
    padded = torch.cat([own, own.new_zeros(longest - len(own), own.shape[1])]) if len(own) < longest else own
    gathered = gather(pad_across_processes(padded))  # (parts * longest, K)
    return gathered.reshape(state.num_processes, longest, -1).transpose(0, 1).reshape(-1, own.shape[1])[:count]
