"""What happens on the page, as plain functions: values in, values out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from dan_model.errors import ImageError, NoFaceError
from dan_model.explain.attributions import BASELINES, DEFAULT_BASELINE, MEAN, METHODS, Request
from dan_model.explain.explainer import Explainer
from dan_model.explain.explanation import Explanation
from dan_model.faces import FaceCrop, whole_image
from dan_model.images import read_image
from dan_model.show.photos import reduce_photo
from dan_model.show.views import class_views, fusion_views, head_views, transplant_view
from dan_model.ui import html, laboratory, trust
from dan_model.ui.visits import (
    ATTRIBUTIONS,
    CLASSES,
    FIRST_WEIGHTS,
    FUSION,
    HEADS,
    Donor,
    Sitting,
    View,
    Visit,
    Weights,
)

PREDICTED, NOTHING, EVERYBODY = "the predicted class", "nothing", "the whole network"
WHOLE = "whole image"
INVITATION = "Choose a photo, take one with the camera, or click an example."
MAX_FACES = 24  # of one photo
OVERVIEW_SIDE = 640  # pixels
SMOOTH, NATIVE = "smooth", "native cells"


@dataclass(frozen=True)
class Wish:
    """What a visitor asks about a face, as chosen on the page.

    Attributes:
        face: A face's number, or `WHOLE`.
        target: A class, or `PREDICTED`.
        against: A class, or `NOTHING`.
        whose: `EVERYBODY`, or a head as `head_choices` names it.
        methods: Names in `METHODS`.
        baselines: Names in `BASELINES`; each method that needs one is asked with each of them.
    """

    face: str
    target: str = PREDICTED
    against: str = NOTHING
    whose: str = EVERYBODY
    methods: tuple[str, ...] = ()
    baselines: tuple[str, ...] = (DEFAULT_BASELINE,)

    @property
    def requests(self) -> list[str]:
        """What is asked of Captum, in the registry's order."""
        asked = []
        for name in (name for name in METHODS if name in self.methods):
            needed = METHODS[name].baselines and self.baselines
            asked += [Request.parse(f"{name}@{base}").text for base in self.baselines] if needed else [name]
        return asked

    @property
    def head(self) -> int | None:
        """The head whose ledger entry is explained, from 0 on; None: all of them."""
        return None if self.whose == EVERYBODY else int(self.whose.rsplit(" ", 1)[1]) - 1


Stream = Callable[[FaceCrop, str | None, list[str], str | None, int | None], Iterator[Explanation]]
"""Explains a crop: target, requests, against, head, as `Explainer.stream_crop` takes them."""


def look(explainer: Explainer, path: str, weights: Weights = FIRST_WEIGHTS) -> Sitting:
    """Find the faces of an uploaded image, the `MAX_FACES` largest at most, and cut them out for an explainer.

    Raises:
        ImageError: The image cannot be used.
    """
    if not Path(path).is_file():
        raise ImageError("This photo is no longer kept here.", "Choose it again.")
    photo = read_image(path)
    faces = explainer.faces(photo)[:MAX_FACES]
    reduced = reduce_photo(photo, OVERVIEW_SIDE)
    scale = reduced.shape[1] / photo.shape[1]
    return Sitting(
        crops=tuple(explainer.crop(photo, face) for face in faces),
        whole=explainer.crop(photo, whole_image(photo)),
        reduced=reduced,
        boxes=tuple(face.box * scale for face in faces),
        weights=weights,
    )


def explain(stream: Stream, sitting: Sitting, wish: Wish) -> Iterator[View]:
    """Explain a face: heads and fusion first, then one attribution at a time.

    Raises:
        ArgumentError: There is no such class or method.
        NoFaceError: There is no such face.
    """
    if wish.face == WHOLE:
        crop = sitting.whole
    elif wish.face in sitting.numbers:
        crop = sitting.crops[sitting.numbers.index(wish.face)]
    else:
        raise NoFaceError(f"There is no face {wish.face!r} in this photo.", "Choose one of the numbered faces.")
    target = None if wish.target == PREDICTED else wish.target
    against = None if wish.against == NOTHING else wish.against
    asked = wish.requests
    if crop.face.landmarks is None:  # nobody knows where its regions are
        asked = [text for text in asked if not METHODS[Request.parse(text).method].regions]
    for explanation in stream(crop, target, asked, against, wish.head):
        yield View(explanation, tuple(text for text in asked if text not in explanation.attributions))


def head_choices(heads: int) -> list[str]:
    """Whose work can be explained: the whole network's, or one head's."""
    return [EVERYBODY, *(f"Head {h + 1}" for h in range(heads) if heads > 1)]


def baseline_choices(explainer: Explainer) -> list[str]:
    """What can stand for "nothing there": the mean face only where the weights bring one."""
    known = explainer.reference is not None and explainer.reference.mean_face is not None
    return [name for name in BASELINES if known or name != MEAN]


TABS: Mapping[str, Callable[[Explanation], str]] = {
    HEADS: lambda explanation: laboratory.views(head_views(explanation)),
    FUSION: lambda explanation: laboratory.views(fusion_views(explanation)),
    ATTRIBUTIONS: lambda explanation: trust.cards(explanation),
    CLASSES: lambda explanation: laboratory.views(class_views(explanation)),
}
"""The tabs that show an explanation by itself, in order."""


def figures(visit: Visit) -> dict[str, str]:
    """The figures of the open tab, where they are still to be drawn, as HTML by tab."""
    view, tab = visit.view, visit.tab  # either may change while this draws
    if view is None or tab not in visit.undrawn:
        return {}
    drawn = TABS[tab](view.explanation)
    if visit.view is not view:  # who showed something newer draws that
        return {}
    visit.undrawn -= {tab}
    return {tab: drawn}


def keep(visit: Visit) -> None:
    """Keep the face that is shown, for transplants into others."""
    if visit.view is not None and visit.sitting is not None:
        e = visit.view.explanation
        visit.donor = Donor(e.heads.embeddings, visit.sitting.weights, e.prediction.label, e.input_pixels)


def transplants(visit: Visit) -> str:
    """What the kept face's heads would change here, or what to do first."""
    if visit.view is None or visit.sitting is None:
        return ""
    e, donor = visit.view.explanation, visit.donor
    if len(e.heads.embeddings) == 1:
        return html.notice("Transplants need two heads or more.")
    if donor is None:
        return html.notice(
            "Transplant: keep this face, then choose another one. It gets the heads of this one, one by one."
        )
    face = html.picture(donor.pixels, f"The kept face, read as {donor.label}", "dan-donor")
    if donor.weights != visit.sitting.weights:
        told = html.notice("The kept face was explained with other weights; keep a face anew.", "warning")
    elif torch.equal(donor.embeddings, e.heads.embeddings):
        told = html.notice("This face is kept. Now choose another face, photo or example.")
    else:
        told = laboratory.views([transplant_view(e, donor.embeddings, f"the kept face ({donor.label})")])
    return face + told


def stopped(view: View) -> View:
    """The same view, with nothing more to come."""
    return replace(view, pending=())


def news(sitting: Sitting, explanation: Explanation | None = None) -> str:
    """What the reader should know about the faces, as a notice."""
    count = len(sitting.crops)
    if explanation is None:
        return html.notice(
            f"No face was found in this photo. Take another one, or choose “{WHOLE}” to explain all of it as a face.",
            "warning",
        )
    most = "The largest" if count == MAX_FACES else ""
    told = ["One face found." if count == 1 else f"{most} {count} faces found, numbered by size.".strip()]
    if explanation.crop.face.score is None:
        told = [
            "The whole image is explained as if it were a face. Where its parts lie is not known: attributions by "
            "region are left out."
        ]
    if explanation.crop.small:
        told.append(
            f"The crop has only {explanation.crop.side:.1f} pixels a side in the photo, fewer than the network's "
            "training images: read its maps with care."
        )
    return html.notice(" ".join(told), "warning" if explanation.crop.small else "info")
