"""What happens on the page, as plain functions: values in, values out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch

from dan_model.errors import ImageError, NoFaceError
from dan_model.explain.attributions import METHODS
from dan_model.explain.explainer import Explainer, Explanation
from dan_model.faces import FaceCrop, whole_image
from dan_model.images import read_image
from dan_model.show.photos import reduce_photo
from dan_model.show.views import LabView, class_views, fusion_views, head_views, transplant_view
from dan_model.ui import html, laboratory
from dan_model.ui.visits import CLASSES, FIRST_WEIGHTS, FUSION, HEADS, Donor, Sitting, View, Visit, Weights

PREDICTED = "the predicted class"
WHOLE = "whole image"
MAX_FACES = 24  # of one photo
OVERVIEW_SIDE = 640  # pixels
SMOOTH, NATIVE = "smooth", "native cells"

Stream = Callable[[FaceCrop, str | None, list[str]], Iterator[Explanation]]
"""Explains a crop for a class by some methods, as `Explainer.stream_crop` does."""


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


def explain(stream: Stream, sitting: Sitting, face: str, target: str, methods: Sequence[str]) -> Iterator[View]:
    """Explain a face, by number or `WHOLE`: heads and fusion first, then one method at a time.

    Raises:
        ArgumentError: There is no such class or method.
        NoFaceError: There is no such face.
    """
    if face == WHOLE:
        crop = sitting.whole
    elif face in sitting.numbers:
        crop = sitting.crops[sitting.numbers.index(face)]
    else:
        raise NoFaceError(f"There is no face {face!r} in this photo.", "Choose one of the numbered faces.")
    asked = [name for name in METHODS if name in methods]
    for explanation in stream(crop, None if target == PREDICTED else target, asked):
        yield View(explanation, tuple(name for name in asked if name not in explanation.attributions))


TABS: Mapping[str, Callable[[Explanation], list[LabView]]] = {
    HEADS: lambda explanation: head_views(explanation),
    FUSION: lambda explanation: fusion_views(explanation),
    CLASSES: lambda explanation: class_views(explanation),
}
"""The tabs with figures, in order."""


def figures(visit: Visit) -> dict[str, str]:
    """The figures of the open tab, where they are still to be drawn, as HTML by tab."""
    view, tab = visit.view, visit.tab  # either may change while this draws
    if view is None or tab not in visit.undrawn:
        return {}
    drawn = laboratory.views(TABS[tab](view.explanation))
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
        told = ["The whole image is explained as if it were a face."]
    if explanation.crop.small:
        told.append(
            f"The crop has only {explanation.crop.side:.1f} pixels a side in the photo, fewer than the network's "
            "training images: read its maps with care."
        )
    return html.notice(" ".join(told), "warning" if explanation.crop.small else "info")
