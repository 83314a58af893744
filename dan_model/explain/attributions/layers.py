"""Methods that look at a layer: Grad-CAM of the backbone and of every head, and its guided kin."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from captum.attr import GuidedGradCam, LayerGradCam
from torch import Tensor, nn

from dan_model.errors import Stopped
from dan_model.explain.attributions.answer import Answer
from dan_model.explain.attributions.gradients import plane
from dan_model.explain.attributions.question import Question, Scored, hooks_untold
from dan_model.network import frozen


def layer_grad_cam(question: Question) -> Answer:
    """Of the backbone's last layer."""
    cells = _grad_cam(question, question.model.features[-1])
    return Answer(_drawn(question, cells), plane(cells))


def head_grad_cam(question: Question) -> Answer:
    """Of every head's attended features x·a, and their sum."""
    per_head = torch.cat([_grad_cam(question, head.sa) for head in question.model.heads])  # (H, 1, 7, 7)
    cells = per_head.sum(dim=0, keepdim=True)
    return Answer(_drawn(question, cells), plane(cells), per_head=per_head[:, 0].cpu())


def guided_grad_cam(question: Question) -> Answer:
    """Grad-CAM, drawn out to the pixels, times guided backpropagation."""
    _may_begin(question)
    with question.lock, frozen(question.model), hooks_untold():
        method = GuidedGradCam(Scored(question), question.model.features[-1])
        return Answer(plane(method.attribute(question.leaf(), interpolate_mode="bilinear")))


def _grad_cam(question: Question, layer: nn.Module) -> Tensor:
    """(1, 1, 7, 7), signed."""
    _may_begin(question)
    with question.lock, frozen(question.model):
        return LayerGradCam(Scored(question), layer).attribute(question.x, relu_attributions=False).detach()


def _may_begin(question: Question) -> None:
    """Not to wait for the lock for nothing."""
    if not question.proceed():
        raise Stopped


def _drawn(question: Question, cells: Tensor) -> Tensor:
    return plane(F.interpolate(cells, size=question.x.shape[2:], mode="bilinear", align_corners=False))
