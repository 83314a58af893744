"""Every map of an explanation, by name and in the same patches, so that all are judged alike; and computed again."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from dan_model.explain.attributions import METHODS, Attribution, AttributionRequest, AttributionTask, attribute
from dan_model.explain.explanation import Explanation
from dan_model.explain.fusion import compute_fusion
from dan_model.network import Stages, frozen
from dan_model.texts import head_name
from dan_model.texts import translate as _

PATCHES = 14  # along each side: patches of 16 pixels, in which all maps are compared
FUSION = "fusion"


@dataclass(frozen=True)
class MapName:
    """The name of a map: of a head, of the fusion, or of an attribution.

    Attributes:
        key: "head 1" …, `FUSION`, or a request as text.
        head: The index of the head, for the map of a head.
        request: The request, for an attribution.
    """

    key: str
    head: int | None = None
    request: AttributionRequest | None = None

    @property
    def title(self) -> str:
        """The title on tiles and in figures."""
        if self.request is not None:
            return self.request.title
        return _("AFN fusion") if self.head is None else head_name(self.head)

    @property
    def signed(self) -> bool:
        """Whether the sign of the map says for or against. False: only its size counts."""
        return self.request is None or METHODS[self.request.method].signed


def map_names(explanation: Explanation) -> list[MapName]:
    """All maps of an explanation: heads, fusion, attributions. With a single head there is no fusion map."""
    heads = len(explanation.heads.spatial)
    names = [MapName(f"head {h + 1}", head=h) for h in range(heads)]
    names += [MapName(FUSION)] if heads > 1 else []
    return names + [MapName(text, request=AttributionRequest.parse(text)) for text in explanation.attributions]


def shown_map(explanation: Explanation, name: MapName) -> Tensor:
    """The map as the explanation has it, (h, w): cells, or pixels."""
    if name.request is not None:
        return _native(explanation.attributions[name.key])
    if name.head is not None:
        return explanation.heads.spatial[name.head]
    return explanation.fusion.map


def new_map(task: AttributionTask, name: MapName) -> Tensor:
    """The same map, computed for the face and the network of a task, (h, w)."""
    if name.request is not None:
        return _native(attribute(task, name.request))
    stages = _stages(task)
    if name.head is not None:
        return stages.spatial[0, name.head].cpu()
    return compute_fusion(task.model, stages, task.score).map


def in_patches(values: Tensor, signed: bool = True) -> Tensor:
    """The mean of a map (h, w) over each patch, (PATCHES, PATCHES) float64; of its absolute values if not signed.

    Coarser maps are enlarged smoothly first.
    """
    wide = (values if signed else values.abs()).detach().double()[None, None]
    if wide.shape[-1] < PATCHES:
        return F.interpolate(wide, size=(PATCHES, PATCHES), mode="bilinear", align_corners=False)[0, 0]
    return F.adaptive_avg_pool2d(wide, PATCHES)[0, 0]


def _native(attribution: Attribution) -> Tensor:
    return attribution.native


def _stages(task: AttributionTask) -> Stages:
    with task.lock, frozen(task.model), torch.no_grad():
        return task.model.attend(task.features)
