"""The tab Cover: part of the face is covered with a brush or by region; prediction, maps and contributions follow.

The browser keeps the mask (`assets/cover.js`), and gives the embeddings of the covered face to `assets/heads.js`, so
that flow picture, probabilities and bench follow too.
"""

from __future__ import annotations

import base64
import binascii
import threading
from html import escape
from typing import Any

import numpy as np

from dan_model.errors import DanError
from dan_model.explain.cover import CELLS, FILLS, MEAN, Cover, explain_covered, region_cells
from dan_model.explain.explanation import Explanation
from dan_model.explain.regions import REGIONS
from dan_model.show.tiles import percent
from dan_model.texts import translate as _
from dan_model.ui.context import PageContext
from dan_model.ui.html import notice, packed, picture
from dan_model.ui.results import Tab, figures_component
from dan_model.ui.side_by_side import contribution_table, map_rows, probability_table
from dan_model.ui.status import nothing_shown

NAME = _("Cover")
MASK_TEXT = -(-CELLS * CELLS // 8) * 4 // 3 + 4  # characters of a mask in base64, at most
AT_ONCE = 2  # covered faces that are explained at the same time


def tab(context: PageContext) -> Tab:
    """Add the panel to the tab that is being built."""
    places = threading.Semaphore(AT_ONCE)

    def cover(asked: object) -> dict[str, Any]:
        key, mask, fill = asked if isinstance(asked, list) and len(asked) == 3 else (None, None, None)
        session, wanted = context.session_of(key), parse_cover(mask, fill)
        state = session.state
        if state is None or wanted is None:
            return {"error": nothing_shown(session) if state is None else _("There is nothing to cover.")}
        if not places.acquire(blocking=False):
            return {"busy": True}
        try:
            explainer = context.explainer_here(session)
            after = explain_covered(explainer, state.explanation, wanted)
        except DanError as error:
            return {"error": str(error)}
        finally:
            places.release()
        embeddings = packed(after.heads.embeddings.double())
        return {"html": before_and_after(state.explanation, after), "embeddings": embeddings}

    component = figures_component("dan-cover", "session", "cover", server_functions=[cover])
    return Tab(NAME, component, controls)


def parse_cover(mask: object, fill: object) -> Cover | None:
    """A cover from what the browser sent: the bits of `CELLS`² cells, row by row, in base64; None for anything else."""
    if not isinstance(mask, str) or len(mask) > MASK_TEXT or not isinstance(fill, str) or fill not in FILLS:
        return None
    try:
        data = base64.b64decode(mask, validate=True)
    except (ValueError, binascii.Error):
        return None
    bits = np.unpackbits(np.frombuffer(data, np.uint8))
    if len(bits) < CELLS * CELLS:
        return None
    return Cover(bits[: CELLS * CELLS].reshape(CELLS, CELLS).astype(bool), fill)


def controls(explanation: Explanation) -> str:
    """The face to draw on, with chips for its regions, the fills, undo and reset."""
    index, chips = "", ""
    if explanation.regions is not None:
        index = "".join(str(r) for r in region_cells(explanation.regions).flatten().tolist())
        chips = "".join(
            f'<button type="button" class="dan-cover-region" data-region="{r}" aria-pressed="false">{_(name)}</button>'
            for r, name in enumerate(REGIONS)
        )
    known = explanation.reference is not None and explanation.reference.mean_face is not None
    fills = "".join(
        f'<button type="button" class="dan-cover-fill" data-fill="{fill}" aria-pressed="{str(i == 0).lower()}">'
        f"{_(fill)}</button>"
        for i, fill in enumerate(fill for fill in FILLS if known or fill != MEAN)
    )
    return (
        f'<div class="dan-cover" data-cells="{CELLS}" data-regions="{index}"><div class="dan-cover-controls">'
        f'<p class="dan-sentence">{_("Cover a part of the face: paint on it, or choose regions.")}</p>'
        f'<div class="dan-cover-face">{picture(explanation.input_pixels, _("The face as the network sees it"))}'
        f'<canvas width="{CELLS}" height="{CELLS}"></canvas></div>'
        f'<div class="dan-cover-chips" role="group" aria-label="{_("Regions to cover")}">{chips}</div>'
        f'<div>{_("Fill with:")} <span class="dan-segments" role="group" aria-label="{_("Fill")}">{fills}</span></div>'
        f'<label>{_("Brush")} <input type="range" class="dan-cover-brush" min="1" max="10" value="4"></label>'
        f'<div class="dan-cover-buttons"><button type="button" class="dan-cover-undo">{_("Undo")}</button>'
        f'<button type="button" class="dan-cover-reset">{_("Uncover all")}</button></div></div>'
        f'<div class="dan-cover-result" aria-live="polite">{notice(_("Nothing is covered yet."))}</div></div>'
    )


def before_and_after(before: Explanation, after: Explanation) -> str:
    """Prediction, contributions and maps of a face and of its covered copy, side by side on shared scales."""
    k, label = before.target, before.labels[before.target]
    was, now = (float(e.prediction.probabilities[k]) for e in (before, after))
    sentence = _("{label}: {before} → {after}. Predicted: {predicted}.")
    if after.prediction.index != before.prediction.index:
        sentence = _("{label}: {before} → {after}. Predicted: {predicted}, before {predicted_before}.")
    sentence = sentence.format(
        label=label, before=percent(was), after=percent(now), predicted=after.prediction.label,
        predicted_before=before.prediction.label,
    )  # fmt: skip
    if before.prediction.index != k:  # what is explained is another class: first what the network reads
        p = before.prediction.index
        own, changed = (percent(float(e.prediction.probabilities[p])) for e in (before, after))
        change = _("{label}: {before} → {after}.").format(label=before.prediction.label, before=own, after=changed)
        sentence = f"{change} {sentence}"
    named = [(_("before"), before), (_("covered"), after)]
    return (
        f'<p class="dan-sentence">{escape(sentence)}</p>{map_rows(named)}'
        f'<div class="dan-side-tables">{probability_table(named)}{contribution_table(named)}</div>'
    )
