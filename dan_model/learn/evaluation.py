"""How good is a network on a dataset, and can its probabilities be believed?"""

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
from dan_model.learn.batches import Pixels, evaluation_order
from dan_model.network import DAN, frozen
from dan_model.preprocess import to_input

BINS = 15  # of the calibration error
EVALUATION_BATCH = 64


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What was measured; plain numbers.

    Attributes:
        labels: The K class names.
        count: Images.
        accuracy: Part of all images that is right.
        balanced_accuracy: Mean of the classes' recalls, over the classes that occur.
        per_class: For each class precision, recall, f1 and count.
        confusion: (K, K) counts: rows are the true classes, columns the answers.
        ece: Expected calibration error: mean distance between confidence and accuracy, `BINS` bins.
        temperature: By which the logits would have to be divided for the best likelihood.
        ece_after: The calibration error with that temperature.
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
        """For JSON."""
        return {**vars(self), "labels": list(self.labels)}


def predict(model: DAN, pixels: Pixels, size: int | None = None, workers: int = 0) -> tuple[Tensor, Tensor]:
    """Logits and classes of all images, (N, K) and (N,), on the CPU and in order; on every process all of them.

    Args:
        model: The network, on its device; the same on all processes.
        pixels: What to look at.
        size: Side of the input; None: the network's own.
        workers: Processes that decode.
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
    """All metrics of logits (N, K) against classes (N,).

    Raises:
        CheckpointError: The logits are not finite.
    """
    if not torch.isfinite(logits).all():
        raise CheckpointError("With these weights the logits are not finite.", "Take other weights.")
    logits, count = logits.double(), len(labels)
    answers = logits.argmax(dim=1)
    occurring = torch.bincount(classes, minlength=count)
    each = {
        name: metric(answers, classes, count, average="none").tolist()
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
        accuracy=float(multiclass_accuracy(answers, classes, count, average="micro")),
        balanced_accuracy=balanced_accuracy(answers, classes, count),
        per_class={
            label: {**{name: each[name][k] for name in each}, "count": int(occurring[k])}
            for k, label in enumerate(labels)
        },
        confusion=multiclass_confusion_matrix(answers, classes, count).tolist(),
        ece=_calibration_error(logits, classes),
        temperature=temperature,
        ece_after=_calibration_error(logits / temperature, classes),
    )


def balanced_accuracy(answers: Tensor, classes: Tensor, count: int) -> float:
    """Mean recall of answers (N,), over those of `count` classes (N,) that occur."""
    recalls = multiclass_recall(answers, classes, count, average="none")
    return float(recalls[classes.unique()].mean())


def best_temperature(logits: Tensor, classes: Tensor) -> float:
    """The temperature that makes the classes likeliest: logits (N, K) / T (Guo et al. 2017, section 4.2)."""
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
    """Divide the network's logits by a temperature for good: its last normalisation takes it up."""
    with torch.no_grad():
        model.bn.weight.div_(temperature)
        model.bn.bias.div_(temperature)


def _calibration_error(logits: Tensor, classes: Tensor) -> float:
    return float(multiclass_calibration_error(logits.softmax(dim=1), classes, logits.shape[1], n_bins=BINS, norm="l1"))


def _in_order(own: Tensor, count: int, state: PartialState) -> Tensor:
    """Rows that every process computed of its own indices (part, part + parts, …), together and in order."""
    if state.num_processes == 1:
        return own
    from accelerate.utils import gather, pad_across_processes

    longest = -(-count // state.num_processes)
    padded = torch.cat([own, own.new_zeros(longest - len(own), own.shape[1])]) if len(own) < longest else own
    gathered = gather(pad_across_processes(padded))  # (parts * longest, K)
    return gathered.reshape(state.num_processes, longest, -1).transpose(0, 1).reshape(-1, own.shape[1])[:count]
