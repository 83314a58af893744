"""Methods that follow gradients to the pixels."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import RLock

import numpy as np
import torch
from captum.attr import DeepLift, GradientShap, InputXGradient, IntegratedGradients, NoiseTunnel, Saliency
from torch import Tensor, nn

from dan_model.errors import Stopped
from dan_model.explain.attributions.answer import FLOOR, Answer
from dan_model.explain.attributions.question import Question, Scored, hooks_untold
from dan_model.network import frozen

NODES = 8  # Gauss-Legendre nodes on each piece of integrated gradients' path
_DRAWING = RLock()
PATH_TOLERANCE = 0.01  # of what is explained: pieces are halved until the residual is below


def saliency(question: Question) -> Answer:
    """The score's gradient, signed."""
    return Answer(plane(Saliency(Scored(question)).attribute(question.leaf(), abs=False)))


def input_x_gradient(question: Question) -> Answer:
    """The gradient times the input."""
    return Answer(plane(InputXGradient(Scored(question)).attribute(question.leaf())))


def smooth_grad(question: Question, samples: int, noise: float) -> Answer:
    """The gradient's mean over noisy copies; noise in parts of the input's range."""
    spread = noise * float(question.x.max() - question.x.min())
    method = NoiseTunnel(Saliency(Scored(question)))
    values = _averaged(
        question, samples, lambda n: method.attribute(question.leaf(), nt_samples=n, stdevs=spread, abs=False)
    )
    return Answer(plane(values))


def gradient_shap(question: Question, baseline: Tensor, samples: int, noise: float) -> Answer:
    """Gradients at random points between the baseline and noisy copies of the face, times the way."""
    spread = noise * float(question.x.max() - question.x.min())
    method = GradientShap(Scored(question))
    values = _averaged(
        question, samples, lambda n: method.attribute(question.leaf(), baseline, n_samples=n, stdevs=spread)
    )
    return complete(question, baseline, values)


def integrated_gradients(question: Question, baseline: Tensor, steps: int, most: int) -> Answer:
    """Gradients along the straight path from the baseline, times the way.

    The path is cut into pieces, each Captum's own sum with `NODES` Gauss-Legendre nodes; pieces add up exactly. Where a
    piece's sum misses the score's rise over it by most, it is halved, until the whole residual is below
    `PATH_TOLERANCE` or `most` images went back for a gradient.
    """
    method, x = IntegratedGradients(Scored(question)), question.x

    def points(places: Tensor) -> Tensor:
        return baseline + places.to(x).view(-1, 1, 1, 1) * (x - baseline)

    def pieces(edges: Tensor) -> list[Tensor]:
        """The attribution over each piece between neighbouring edges (n + 1,)."""

        def run(size: int) -> list[Tensor]:
            group = max(1, size // NODES)
            return [
                values
                for low, high in zip(edges[:-1].split(group), edges[1:].split(group), strict=True)
                for values in method.attribute(
                    points(high), points(low), n_steps=NODES, internal_batch_size=max(size, len(low))
                )
            ]

        return question.bounded(run)

    edges = torch.linspace(0, 1, math.ceil(steps / NODES) + 1, dtype=torch.float64)
    scores = question.scores(points(edges)).double()
    values = pieces(edges)
    spent = NODES * len(values)
    while True:
        explained = float(scores[-1] - scores[0])
        missed = torch.stack([part.double().sum().cpu() for part in values]) - scores.diff()
        enough = PATH_TOLERANCE * max(abs(explained), FLOOR)
        if abs(float(missed.sum())) <= enough / 2 or spent + 2 * NODES > most:
            break
        i = int(missed.abs().argmax())
        middle = (edges[i : i + 1] + edges[i + 1 : i + 2]) / 2
        halves = torch.cat([edges[i : i + 1], middle, edges[i + 1 : i + 2]])
        values[i : i + 1] = pieces(halves)
        spent += 2 * NODES
        scores = torch.cat([scores[: i + 1], question.scores(points(middle)).double(), scores[i + 1 :]])
        edges = torch.cat([edges[: i + 1], middle, edges[i + 1 :]])
    return Answer(plane(torch.stack(values).sum(dim=0)[None]), explained=explained, residual=float(missed.sum()))


def deep_lift(question: Question, baseline: Tensor) -> Answer:
    """Differences from the baseline, handed back layer by layer by DeepLift's rescale rule."""
    if not question.proceed():
        raise Stopped
    with question.lock, frozen(question.model), hooks_untold(), _without_traces(question.model):
        values = DeepLift(Scored(question)).attribute(question.leaf(), baseline).detach()
    return complete(question, baseline, values)


def complete(question: Question, baseline: Tensor, values: Tensor) -> Answer:
    """Values (1, 3, S, S) of a method that promises to sum to score - baseline's score."""
    low, high = question.scores(torch.cat([baseline, question.x])).tolist()
    explained = high - low
    return Answer(plane(values), explained=explained, residual=float(values.double().sum()) - explained)


def plane(values: Tensor) -> Tensor:
    """(1, channels, h, w) -> (h, w) on the CPU, channels summed."""
    return values.detach().cpu()[0].sum(dim=0)


@contextmanager
def _without_traces(model: nn.Module) -> Iterator[None]:
    """Captum's DeepLift notes inputs and outputs on the ReLUs; after an exception it leaves them there."""
    try:
        yield
    finally:
        for module in model.modules():
            for name in ("input", "output"):
                vars(module).pop(name, None)


@contextmanager
def _same_draws(seed: int, devices: list[torch.device]) -> Iterator[None]:
    """Captum draws from torch's and NumPy's global generators: from the same place each time, one caller at a time."""
    with _DRAWING, torch.random.fork_rng(devices=devices):
        before = np.random.get_state()
        torch.manual_seed(seed)
        np.random.seed(seed)
        try:
            yield
        finally:
            np.random.set_state(before)


def _averaged(question: Question, samples: int, draw: Callable[[int], Tensor]) -> Tensor:
    """The mean of a method that draws noise, over parts that fit into memory; always the same noise."""

    def run(size: int) -> Tensor:
        total = torch.zeros_like(question.x)
        devices = [question.x.device] if question.x.device.type == "cuda" else []
        for start in range(0, samples, size):
            n = min(size, samples - start)
            with question.lock, _same_draws(start, devices):
                total += draw(n).detach() * (n / samples)
        return total

    return question.bounded(run)
