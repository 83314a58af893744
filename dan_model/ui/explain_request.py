"""What a visitor wants to be explained, as chosen on the page, and its explanation step by step."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from dan_model.errors import NoFaceError
from dan_model.explain import Explainer
from dan_model.explain.attributions import BASELINES, MEAN, METHODS, AttributionRequest
from dan_model.explain.explanation import Explanation
from dan_model.explain.score import LOGIT
from dan_model.faces import FaceCrop
from dan_model.network import TRAINING_PRIOR, UNIFORM_PRIOR
from dan_model.texts import head_name
from dan_model.texts import translate as _
from dan_model.ui.state import PageState, UploadedPhoto

PREDICTED, ALL_HEADS = _("the predicted class"), _("the whole network")
ALL_OTHERS, RAW_LOGIT = (
    _("all other classes"),
    _("nothing (raw logit)"),
)  # what a class is compared with, beside classes
BASE_RATES = {_("as in the training data"): TRAINING_PRIOR, _("every expression equally likely"): UNIFORM_PRIOR}
AT_ONCE = 12  # images through the network at most, of a method that a visitor does not wait for
AS_TRAINED, EQUALLY_LIKELY = BASE_RATES

Stream = Callable[[FaceCrop, list[str], Mapping[str, Any]], Iterator[Explanation]]
"""Explains a crop: requests, and what is explained, as `Explainer.stream_crop` takes them."""


@dataclass(frozen=True)
class ExplainRequest:
    """What a visitor wants to be explained, as chosen on the page.

    Attributes:
        face: The number of a face, or `WHOLE`; empty where none was chosen.
        target: A class, or `PREDICTED`.
        against: A class, `ALL_OTHERS` (the log-probability is explained) or `RAW_LOGIT`.
        contribution: `ALL_HEADS`, or a head as `head_choices` names it.
        methods: Names in `METHODS`.
        baselines: Names in `BASELINES`; each method with a baseline is run with each of them. Empty: the default one.
        finer: Whether methods with finer settings use them.
        base_rates: A key of `BASE_RATES`.
    """

    face: str
    target: str = PREDICTED
    against: str = ALL_OTHERS
    contribution: str = ALL_HEADS
    methods: tuple[str, ...] = ()
    baselines: tuple[str, ...] = ()
    finer: bool = False
    base_rates: str = AS_TRAINED

    @classmethod
    def from_page(
        cls, face: str | None, target: str, against: str, contribution: str, settings: Sequence[Any]
    ) -> ExplainRequest:
        """What the page's controls hold; `settings` are the values of `panels.request.Components.settings`."""
        cells, regions, pixels, baselines, finer, base_rates, *_drawing = settings
        methods = (*cells, *regions, *pixels)
        return cls(face or "", target, against, contribution, methods, tuple(baselines), finer, base_rates)

    @property
    def attributions(self) -> list[str]:
        """The attribution requests, as text, in the order of the registry."""
        texts = []
        for name in (name for name in METHODS if name in self.methods):
            settings = ",".join(f"{key}={value:g}" for key, value in METHODS[name].finer.items() if self.finer)
            baselines = [f"@{base}" for base in self.baselines] if METHODS[name].baselines and self.baselines else [""]
            texts += [AttributionRequest.parse(f"{name}{base}:{settings}").text for base in baselines]
        return texts

    @property
    def explained(self) -> dict[str, Any]:
        """What is explained, as arguments of `Explainer.stream_crop`."""
        return {
            "target": None if self.target == PREDICTED else self.target,
            "against": None if self.against in (ALL_OTHERS, RAW_LOGIT) else self.against,
            "head": self.head,
            "score": LOGIT if self.against == RAW_LOGIT else None,
            "prior": BASE_RATES[self.base_rates],
        }

    @property
    def head(self) -> int | None:
        """The head whose contribution is explained, from 0; None: all heads."""
        return None if self.contribution == ALL_HEADS else head_number(self.contribution)


def grouped_methods() -> dict[str, list[str]]:
    """The attribution methods by what they ask: of the cells of the maps, of regions of the face, of pixels."""
    pixels = [name for name, method in METHODS.items() if method.fine]
    cells = [name for name in METHODS if name.endswith("grad_cam") and name not in pixels]
    regions = [name for name in METHODS if name not in (*pixels, *cells)]
    return {_("Which cells, of which head?"): cells, _("Which regions?"): regions, _("Which pixels?"): pixels}


def speed(name: str) -> str:
    """How long a method takes with its default settings, in words."""
    return _("at once") if AttributionRequest.parse(name).passes <= AT_ONCE else _("seconds")


def head_choices(heads: int) -> list[str]:
    """What can be explained: the whole network, or the contribution of one head."""
    return [ALL_HEADS, *(head_name(h) for h in range(heads) if heads > 1)]


def head_number(name: str) -> int:
    """The head with this name, from 0: names differ between languages, the digits do not."""
    return int("".join(filter(str.isdigit, name))) - 1


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
        text = _("There is no face {number} in this photo.").format(number=repr(wanted.face))
        raise NoFaceError(text, _("Choose one of the numbered faces."))
    texts = wanted.attributions
    if crop.face.landmarks is None:  # its regions are not known
        texts = [text for text in texts if not METHODS[AttributionRequest.parse(text).method].regions]
    # An example is shown as it was explained in advance, where nothing else is asked for.
    stored = photo.explanation(wanted.face)
    as_stored = wanted.explained == ExplainRequest(wanted.face).explained
    if stored is not None and as_stored and stored.attributions.keys() >= set(texts):
        yield PageState(replace(stored, attributions={text: stored.attributions[text] for text in texts}))
        return
    for explanation in stream(crop, texts, wanted.explained):
        yield PageState(explanation, tuple(text for text in texts if text not in explanation.attributions))


def choices(explainer: Explainer) -> tuple[dict[str, Any], ...]:
    """The choices of the class, the other class, the head, the baselines, and the base rates, for an explainer."""
    return (
        {"choices": [PREDICTED, *explainer.labels], "value": PREDICTED},
        {"choices": [ALL_OTHERS, *explainer.labels, RAW_LOGIT], "value": ALL_OTHERS},
        {"choices": head_choices(explainer.model.config.num_heads), "value": ALL_HEADS},
        {"choices": [(_(name), name) for name in baseline_choices(explainer)], "value": []},
        {
            "choices": list(BASE_RATES),
            "value": AS_TRAINED,
            "visible": explainer.model.config.class_prior is not None,
        },
    )
