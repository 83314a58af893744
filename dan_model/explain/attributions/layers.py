"""Layer methods: Grad-CAM of the backbone and of every head, and guided Grad-CAM."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from captum.attr import GuidedGradCam, LayerGradCam
from torch import Tensor, nn

from dan_model.errors import Stopped
from dan_model.explain.attributions.gradients import plane
from dan_model.explain.attributions.result import AttributionResult
from dan_model.explain.attributions.task import (
    AttributionTask,
    FeatureScoreFunction,
    ScoreFunction,
    without_hook_warnings,
)
from dan_model.network import frozen


def layer_grad_cam(task: AttributionTask) -> AttributionResult:
    """Grad-CAM of the last layer of the backbone."""
    score = FeatureScoreFunction(task)
    cells = _grad_cam(task, score, score.features)
    return AttributionResult(_enlarged(task, cells), plane(cells))


def head_grad_cam(task: AttributionTask) -> AttributionResult:
    """Grad-CAM of the attended features x·a of every head, and the sum over the heads."""
    score = FeatureScoreFunction(task)
    per_head = torch.cat([_grad_cam(task, score, head.sa) for head in task.model.heads])  # (H, 1, 7, 7)
    cells = per_head.sum(dim=0, keepdim=True)
    return AttributionResult(_enlarged(task, cells), plane(cells), per_head=per_head[:, 0].cpu())


def guided_grad_cam(task: AttributionTask) -> AttributionResult:
    """Grad-CAM, enlarged to the pixels, times guided backpropagation."""
    _check_stopped(task)
    with task.lock, frozen(task.model), without_hook_warnings():
        method = GuidedGradCam(ScoreFunction(task), task.model.features[-1])
        return AttributionResult(plane(method.attribute(task.input_with_gradient(), interpolate_mode="bilinear")))


def _grad_cam(task: AttributionTask, score: FeatureScoreFunction, layer: nn.Module) -> Tensor:
    """Grad-CAM of one layer behind the backbone, (1, 1, 7, 7), signed."""
    with task.lock, frozen(task.model):
        return LayerGradCam(score, layer).attribute(task.features, relu_attributions=False).detach()


def _check_stopped(task: AttributionTask) -> None:
    """Raise `Stopped` before waiting for the lock in vain."""
    if not task.should_continue():
        raise Stopped


def _enlarged(task: AttributionTask, cells: Tensor) -> Tensor:
    return plane(F.interpolate(cells, size=task.x.shape[2:], mode="bilinear", align_corners=False))
