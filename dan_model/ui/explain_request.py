"""What a visitor wants to be explained, as chosen on the page, and its explanation step by step."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from dan_model.errors import NoFaceError
from dan_model.explain import Explainer
from dan_model.explain.attributions import BASELINES, DEFAULT_BASELINE, MEAN, METHODS, AttributionRequest
from dan_model.explain.explanation import Explanation
from dan_model.faces import FaceCrop
from dan_model.ui.state import PageState, UploadedPhoto

PREDICTED, NO_OTHER, ALL_HEADS = "the predicted class", "nothing", "the whole network"

Stream = Callable[[FaceCrop, str | None, list[str], str | None, int | None], Iterator[Explanation]]
"""Explains a crop: target, requests, against, head, as `Explainer.stream_crop` takes them."""


@dataclass(frozen=True)
class ExplainRequest:
    """What a visitor wants to be explained, as chosen on the page.

    Attributes:
        face: The number of a face, or `WHOLE`.
        target: A class, or `PREDICTED`.
        against: A class, or `NO_OTHER`.
        contribution: `ALL_HEADS`, or a head as `head_choices` names it.
        methods: Names in `METHODS`.
        baselines: Names in `BASELINES`; each method with a baseline is run with each of them.
    """

    face: str
    target: str = PREDICTED
    against: str = NO_OTHER
    contribution: str = ALL_HEADS
    methods: tuple[str, ...] = ()
    baselines: tuple[str, ...] = (DEFAULT_BASELINE,)

    @property
    def attributions(self) -> list[str]:
        """The attribution requests, as text, in the order of the registry."""
        texts = []
        for name in (name for name in METHODS if name in self.methods):
            with_baseline = METHODS[name].baselines and self.baselines
            texts += (
                [AttributionRequest.parse(f"{name}@{base}").text for base in self.baselines]
                if with_baseline
                else [name]
            )
        return texts

    @property
    def head(self) -> int | None:
        """The head whose contribution is explained, from 0; None: all heads."""
        return None if self.contribution == ALL_HEADS else int(self.contribution.rsplit(" ", 1)[1]) - 1


def head_choices(heads: int) -> list[str]:
    """What can be explained: the whole network, or the contribution of one head."""
    return [ALL_HEADS, *(f"Head {h + 1}" for h in range(heads) if heads > 1)]


def baseline_choices(explainer: Explainer) -> list[str]:
    """The baselines; the mean face only where the weights have one."""
    known = explainer.reference is not None and explainer.reference.mean_face is not None
    return [name for name in BASELINES if known or name != MEAN]


def explain(stream: Stream, photo: UploadedPhoto, wanted: ExplainRequest) -> Iterator[PageState]:
    """Explain a face: heads and fusion first, then one attribution at a time.

    Raises:
        ArgumentError: There is no such class or method.
        NoFaceError: There is no such face.
    """
    crop = photo.crop(wanted.face)
    if crop is None:
        raise NoFaceError(f"There is no face {wanted.face!r} in this photo.", "Choose one of the numbered faces.")
    target = None if wanted.target == PREDICTED else wanted.target
    against = None if wanted.against == NO_OTHER else wanted.against
    texts = wanted.attributions
    if crop.face.landmarks is None:  # its regions are not known
        texts = [text for text in texts if not METHODS[AttributionRequest.parse(text).method].regions]
    for explanation in stream(crop, target, texts, against, wanted.head):
        yield PageState(explanation, tuple(text for text in texts if text not in explanation.attributions))


def choices(explainer: Explainer) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any], dict[str, Any]]:
    """The choices and values of the class, the other class, the head, and the baselines, for an explainer."""
    return (
        {"choices": [PREDICTED, *explainer.labels], "value": PREDICTED},
        {"choices": [NO_OTHER, *explainer.labels], "value": NO_OTHER},
        {"choices": head_choices(explainer.model.config.num_heads), "value": ALL_HEADS},
        {"choices": baseline_choices(explainer), "value": [DEFAULT_BASELINE]},
    )
