"""Every map of an explanation, by name and at one resolution, so that all can be judged alike; and computed anew."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from dan_model.explain.attributions import METHODS, Attribution, Question, Request, attribute
from dan_model.explain.explanation import Explanation
from dan_model.explain.fusion import read_fusion
from dan_model.network import Stages, frozen

PATCHES = 14  # along each side: patches of 16 pixels, in which all maps are compared
FUSION = "fusion"


@dataclass(frozen=True)
class MapName:
    """A map: a head's, the fusion map, or an attribution.

    Attributes:
        key: "head 1" …, `FUSION`, or a request as text.
        head: The head's index, for a head's map.
        request: For an attribution.
    """

    key: str
    head: int | None = None
    request: Request | None = None

    @property
    def title(self) -> str:
        """For people."""
        if self.request is not None:
            return self.request.title
        return "AFN fusion" if self.head is None else f"Head {self.head + 1}"

    @property
    def signed(self) -> bool:
        """Whether the map's sign says for or against; False: only its size counts."""
        return self.request is None or METHODS[self.request.method].signed


def map_names(explanation: Explanation) -> list[MapName]:
    """All maps that an explanation shows, heads and fusion first; a single head has no fusion map."""
    heads = len(explanation.heads.spatial)
    names = [MapName(f"head {h + 1}", head=h) for h in range(heads)]
    names += [MapName(FUSION)] if heads > 1 else []
    return names + [MapName(text, request=Request.parse(text)) for text in explanation.attributions]


def shown_map(explanation: Explanation, name: MapName) -> Tensor:
    """The map as the explanation has it, (h, w): cells, or pixels."""
    if name.request is not None:
        return _finest(explanation.attributions[name.key])
    if name.head is not None:
        return explanation.heads.spatial[name.head]
    return explanation.score.evidence(explanation.fusion)


def new_map(question: Question, name: MapName) -> Tensor:
    """The map computed anew, for whatever face and network the question is about, (h, w)."""
    if name.request is not None:
        return _finest(attribute(question, name.request))
    stages = _stages(question)
    if name.head is not None:
        return stages.spatial[0, name.head].cpu()
    score = question.score
    return score.evidence(read_fusion(question.model, stages, score.target, score.against))


def in_patches(values: Tensor, signed: bool = True) -> Tensor:
    """Mean of a map (h, w), or of its size, over each patch, (PATCHES, PATCHES) float64.

    Coarser maps are drawn out smoothly first.
    """
    wide = (values if signed else values.abs()).detach().double()[None, None]
    if wide.shape[-1] < PATCHES:
        return F.interpolate(wide, size=(PATCHES, PATCHES), mode="bilinear", align_corners=False)[0, 0]
    return F.adaptive_avg_pool2d(wide, PATCHES)[0, 0]


def _finest(attribution: Attribution) -> Tensor:
    return attribution.map if attribution.cells is None else attribution.cells


def _stages(question: Question) -> Stages:
    question.effort.forwards += 1
    with question.lock, frozen(question.model), torch.no_grad():
        return question.model.stages(question.x)
