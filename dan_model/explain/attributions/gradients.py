"""Gradient methods: maps per input pixel."""

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
from dan_model.explain.attributions.result import FLOOR, AttributionResult
from dan_model.explain.attributions.task import AttributionTask, ScoreFunction, without_hook_warnings
from dan_model.network import frozen

NODES = 7  # Gauss-Legendre nodes on each piece of integrated gradients' path
_RANDOM_LOCK = RLock()  # Captum draws from global generators: one caller at a time
COARSE_NODES = 2  # of the first, coarse result of integrated gradients


def saliency(task: AttributionTask) -> AttributionResult:
    """The gradient of the score, signed."""
    method = Saliency(ScoreFunction(task))
    method.gradient_func = _shared_gradient(task)
    return AttributionResult(plane(method.attribute(task.input_with_gradient(), abs=False)))


def input_x_gradient(task: AttributionTask) -> AttributionResult:
    """The gradient times the input."""
    method = InputXGradient(ScoreFunction(task))
    method.gradient_func = _shared_gradient(task)
    return AttributionResult(plane(method.attribute(task.input_with_gradient())))


def smooth_grad(task: AttributionTask, samples: int, noise: float) -> AttributionResult:
    """The mean gradient over noisy copies; `noise` is a standard deviation, as a part of the input's range."""
    spread = noise * float(task.x.max() - task.x.min())
    method = NoiseTunnel(Saliency(ScoreFunction(task)))
    values = _averaged(
        task, samples, lambda n: method.attribute(task.input_with_gradient(), nt_samples=n, stdevs=spread, abs=False)
    )
    return AttributionResult(plane(values))


def gradient_shap(task: AttributionTask, baseline: Tensor, samples: int, noise: float) -> AttributionResult:
    """The mean gradient at random points between the baseline and copies of the face, times their difference."""
    spread = noise * float(task.x.max() - task.x.min())
    method = GradientShap(ScoreFunction(task))
    values = _averaged(
        task, samples, lambda n: method.attribute(task.input_with_gradient(), baseline, n_samples=n, stdevs=spread)
    )
    return with_residual(task, baseline, values)


def integrated_gradients(
    task: AttributionTask, baseline: Tensor, steps: int, most: int, tolerance: float
) -> Iterator[AttributionResult]:
    """The mean gradient on the straight path from the baseline to the face, times their difference.

    A coarse result comes first, from `COARSE_NODES` nodes. Then the path is cut into pieces. Each piece is computed by
    Captum with `NODES` Gauss-Legendre nodes, and the pieces add up exactly. The piece with the largest residual is
    halved until the residual of the whole path is below the tolerance, or until `most` gradients were computed,
    but always a whole piece.
    """
    method, x = IntegratedGradients(ScoreFunction(task)), task.x

    def points(places: Tensor) -> Tensor:
        return baseline + places.to(x).view(-1, 1, 1, 1) * (x - baseline)

    def pieces(edges: Tensor, nodes: int = NODES) -> list[Tensor]:
        """The attribution of each piece between neighbouring edges (n + 1,)."""

        def run(size: int) -> list[Tensor]:
            group = max(1, size // nodes)
            return [
                values
                for low, high in zip(edges[:-1].split(group), edges[1:].split(group), strict=True)
                for values in method.attribute(
                    points(high), points(low), n_steps=nodes, internal_batch_size=max(size, len(low))
                )
            ]

        return task.run_in_memory(run)

    # A coarse result at once.
    edges = torch.tensor([0.0, 1.0], dtype=torch.float64)
    scores = task.scores(points(edges)).double()
    explained = float(scores[1] - scores[0])
    coarse = pieces(edges, COARSE_NODES)[0]
    missed = float(coarse.double().sum()) - explained
    yield AttributionResult(plane(coarse[None]), explained=explained, residual=missed, final=False)
    # Even pieces.
    edges = torch.linspace(0, 1, math.ceil(steps / NODES) + 1, dtype=torch.float64)
    values = pieces(edges)
    spent = NODES * len(values)
    enough = tolerance * max(abs(explained), FLOOR)
    # Halve the worst piece until the residual is small enough.
    while True:
        sums = torch.stack([part.double().sum().cpu() for part in values])
        residual = float(sums.sum()) - explained
        if abs(residual) <= enough / 2 or spent + 2 * NODES > most:
            break
        if len(scores) < len(edges):
            scores = torch.cat([scores[:1], task.scores(points(edges[1:-1])).double(), scores[1:]])
        i = int((sums - scores.diff()).abs().argmax())
        middle = (edges[i : i + 1] + edges[i + 1 : i + 2]) / 2
        halves = torch.cat([edges[i : i + 1], middle, edges[i + 1 : i + 2]])
        values[i : i + 1] = pieces(halves)
        spent += 2 * NODES
        scores = torch.cat([scores[: i + 1], task.scores(points(middle)).double(), scores[i + 1 :]])
        edges = torch.cat([edges[: i + 1], middle, edges[i + 1 :]])
    yield AttributionResult(plane(torch.stack(values).sum(dim=0)[None]), explained=explained, residual=residual)


def deep_lift(task: AttributionTask, baseline: Tensor) -> AttributionResult:
    """The difference from the baseline, propagated back layer by layer by DeepLift's rescale rule."""
    if not task.should_continue():
        raise Stopped
    with task.lock, frozen(task.model), without_hook_warnings(), _stored_values_removed(task.model):
        values = DeepLift(ScoreFunction(task)).attribute(task.input_with_gradient(), baseline).detach()
    return with_residual(task, baseline, values)


def with_residual(task: AttributionTask, baseline: Tensor, values: Tensor) -> AttributionResult:
    """The result of a method whose values (1, 3, S, S) should sum to score - score of the baseline."""
    low, high = task.scores(torch.cat([baseline, task.x])).tolist()
    explained = high - low
    return AttributionResult(plane(values), explained=explained, residual=float(values.double().sum()) - explained)


def plane(values: Tensor) -> Tensor:
    """Sum over the channels: (1, channels, h, w) -> (h, w) on the CPU."""
    return values.detach().cpu()[0].sum(dim=0)


def _shared_gradient(task: AttributionTask) -> Callable[..., tuple[Tensor]]:
    """What Captum calls for the gradient at the face itself."""
    return lambda *arguments: (task.gradient,)


@contextmanager
def _stored_values_removed(model: nn.Module) -> Iterator[None]:
    """Remove the inputs and outputs that Captum's DeepLift stores on the ReLUs and leaves there after an exception."""
    try:
        yield
    finally:
        for module in model.modules():
            for name in ("input", "output"):
                vars(module).pop(name, None)


@contextmanager
def _seeded(seed: int, devices: list[torch.device]) -> Iterator[None]:
    """Seed torch's and NumPy's global generators, from which Captum draws, and restore them afterwards."""
    with _RANDOM_LOCK, torch.random.fork_rng(devices=devices):
        before = np.random.get_state()
        torch.manual_seed(seed)
        np.random.seed(seed)
        try:
            yield
        finally:
            np.random.set_state(before)


def _averaged(task: AttributionTask, samples: int, draw: Callable[[int], Tensor]) -> Tensor:
    """The mean of a method with noise, in parts that fit into memory; the noise is always the same."""

    def run(size: int) -> Tensor:
        total = torch.zeros_like(task.x)
        devices = [task.x.device] if task.x.device.type == "cuda" else []
        for start in range(0, samples, size):
            n = min(size, samples - start)
            with task.lock, _seeded(start, devices):
                total += draw(n).detach() * (n / samples)
        return total

    return task.run_in_memory(run)
