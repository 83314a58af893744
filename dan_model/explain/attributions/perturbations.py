"""Perturbation methods: parts of the image are replaced, and the change of the score is measured."""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from captum.attr import FeatureAblation, Occlusion, ShapleyValueSampling
from torch import Tensor

from dan_model.errors import ArgumentError
from dan_model.explain.attributions.gradients import plane
from dan_model.explain.attributions.result import AttributionResult
from dan_model.explain.attributions.task import AttributionTask, ScoreFunction
from dan_model.explain.regions import REGIONS

COARSE_SQUARES = 3  # along each side, of the first, coarse result of occlusion


def occlusion(task: AttributionTask, baseline: Tensor, window: int, stride: int) -> Iterator[AttributionResult]:
    """The fall of the score when a square shows the baseline; per pixel the mean over the squares that cover it.

    A coarse result comes first where it costs far less: from `COARSE_SQUARES` squares along each side.

    Raises:
        ArgumentError: The square is larger than the face.
    """
    channels, side = task.x.shape[1], task.x.shape[-1]
    if window > side:
        raise ArgumentError(f"A window of {window} pixels is larger than the face.", f"Give at most {side}.")
    method = Occlusion(ScoreFunction(task))

    def fall(window: int, stride: int) -> Tensor:
        found = task.run_in_memory(
            lambda size: method.attribute(
                task.x,
                sliding_window_shapes=(channels, window, window),
                strides=(channels, stride, stride),
                baselines=baseline,
                perturbations_per_eval=size,
            )
        )
        return plane(found) / channels  # Captum writes the effect of a window into each of its channels

    coarse = -(-side // COARSE_SQUARES)
    if window < coarse:  # the stride is at most the window
        yield AttributionResult(fall(coarse, coarse), final=False)
    yield AttributionResult(fall(window, stride))


def region_ablation(task: AttributionTask, baseline: Tensor) -> AttributionResult:
    """The fall of the score when one region of the face shows the baseline."""
    mask, present = _mask(task)
    method = FeatureAblation(ScoreFunction(task))
    fall = task.run_in_memory(
        lambda size: method.attribute(
            task.x, baselines=baseline, feature_mask=mask.to(task.x.device), perturbations_per_eval=size
        )
    )
    return AttributionResult(fall[0, 0].cpu().clone(), by_region=_by_region(fall, mask, present))


def region_shapley(task: AttributionTask, baseline: Tensor, samples: int) -> AttributionResult:
    """The mean contribution of each region, over random orders in which regions replace the baseline."""
    mask, present = _mask(task)
    method = ShapleyValueSampling(ScoreFunction(task))
    method.permutation_generator = _orders  # Captum's own draws from the global generator
    values = task.run_in_memory(
        lambda size: method.attribute(
            task.x,
            baselines=baseline,
            feature_mask=mask.to(task.x.device),
            n_samples=samples,
            perturbations_per_eval=size,
        )
    )
    by_region = _by_region(values, mask, present)
    low, high = task.scores(torch.cat([baseline, task.x])).tolist()
    residual = float(by_region.sum()) - (high - low)
    return AttributionResult(values[0, 0].cpu().clone(), by_region=by_region, explained=high - low, residual=residual)


def _orders(features: int, samples: int) -> Iterator[list[int]]:
    """Random orders of the features, each followed by its reverse, so that early and late positions are balanced."""
    generator = torch.Generator().manual_seed(0)
    for _ in range(samples // 2):
        order = torch.randperm(features, generator=generator).tolist()
        yield order
        yield order[::-1]
    if samples % 2:
        yield torch.randperm(features, generator=generator).tolist()


def _mask(task: AttributionTask) -> tuple[Tensor, list[int]]:
    """The regions in this crop, numbered without gaps, (1, 1, S, S), and their indices in `REGIONS`."""
    if task.regions is None:
        raise ArgumentError(
            "The regions of this face are not known.", "Choose a face that was detected, with landmarks."
        )
    drawn = task.regions.map[None, None].double()
    regions = F.interpolate(drawn, size=tuple(task.x.shape[2:]), mode="nearest-exact")[0, 0].long()
    present, mask = regions.unique(return_inverse=True)
    return mask[None, None], present.tolist()


def _by_region(values: Tensor, mask: Tensor, present: list[int]) -> Tensor:
    """The value of every region, (R,) float64: Captum writes it into each pixel of the region."""
    found = torch.zeros(len(REGIONS), dtype=torch.float64)
    pixels = values[0, 0].cpu()
    for i, region in enumerate(present):
        found[region] = pixels[mask[0, 0] == i][0]
    return found
