"""Methods that take parts of the picture away and see what happens."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from captum.attr import FeatureAblation, Occlusion, ShapleyValueSampling
from torch import Tensor

from dan_model.errors import ArgumentError
from dan_model.explain.attributions.answer import Answer
from dan_model.explain.attributions.gradients import plane
from dan_model.explain.attributions.question import Question, Scored
from dan_model.explain.regions import REGIONS


def occlusion(question: Question, baseline: Tensor, window: int, stride: int) -> Answer:
    """How the score falls where a square shows the baseline; the mean of all squares that cover a pixel."""
    channels = question.x.shape[1]
    method = Occlusion(Scored(question))
    fall = question.bounded(
        lambda size: method.attribute(
            question.x,
            sliding_window_shapes=(channels, window, window),
            strides=(channels, stride, stride),
            baselines=baseline,
            perturbations_per_eval=size,
        )
    )
    return Answer(plane(fall) / channels)  # the window covers all channels at once; Captum writes its effect into each


def region_ablation(question: Question, baseline: Tensor) -> Answer:
    """How the score falls where one region of the face shows the baseline."""
    mask, present = _mask(question)
    method = FeatureAblation(Scored(question))
    fall = question.bounded(
        lambda size: method.attribute(
            question.x, baselines=baseline, feature_mask=mask.to(question.x.device), perturbations_per_eval=size
        )
    )
    return Answer(fall[0, 0].cpu().clone(), by_region=_by_region(fall, mask, present))


def region_shapley(question: Question, baseline: Tensor, samples: int) -> Answer:
    """Each region's mean contribution, over random orders in which regions take the place of the baseline."""
    mask, present = _mask(question)
    method = ShapleyValueSampling(Scored(question))
    method.permutation_generator = _orders  # Captum's draws from the global generator, which others use meanwhile
    values = question.bounded(
        lambda size: method.attribute(
            question.x,
            baselines=baseline,
            feature_mask=mask.to(question.x.device),
            n_samples=samples,
            perturbations_per_eval=size,
        )
    )
    by_region = _by_region(values, mask, present)
    low, high = question.scores(torch.cat([baseline, question.x])).tolist()
    residual = float(by_region.sum()) - (high - low)
    return Answer(values[0, 0].cpu().clone(), by_region=by_region, explained=high - low, residual=residual)


def _orders(features: int, samples: int) -> Iterator[list[int]]:
    """Random orders of the features, each followed by its reverse: what a region adds early and late counts alike."""
    generator = torch.Generator().manual_seed(0)
    for _ in range(samples // 2):
        order = torch.randperm(features, generator=generator).tolist()
        yield order
        yield order[::-1]
    if samples % 2:
        yield torch.randperm(features, generator=generator).tolist()


def _mask(question: Question) -> tuple[Tensor, list[int]]:
    """The regions that this crop shows, numbered without gaps, (1, 1, 224, 224), and their indices in `REGIONS`."""
    if question.regions is None:
        raise ArgumentError("Where the parts of this face are is not known.", "Take a face with landmarks.")
    present, mask = question.regions.map.unique(return_inverse=True)
    return mask[None, None], present.tolist()


def _by_region(values: Tensor, mask: Tensor, present: list[int]) -> Tensor:
    """Captum writes a region's value into each of its pixels: one of them, for every region, (R,) float64."""
    found = torch.zeros(len(REGIONS), dtype=torch.float64)
    pixels = values[0, 0].cpu()
    for i, region in enumerate(present):
        found[region] = pixels[mask[0, 0] == i][0]
    return found
