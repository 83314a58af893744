"""The tab Cover: part of the face is covered with a brush or by region; prediction, maps and contributions follow.

The browser keeps the mask (`assets/cover.js`), and gives the embeddings of the covered face to `assets/heads.js`, so
that flow picture, probabilities and bench follow too.
"""

from __future__ import annotations

import base64
import binascii
import threading
from collections.abc import Sequence
from html import escape
from typing import Any

import gradio as gr
import numpy as np

from dan_model.errors import DanError
from dan_model.explain.cover import FILLS, MEAN, Cover, explain_covered
from dan_model.explain.explanation import Explanation
from dan_model.explain.regions import REGIONS
from dan_model.show.photos import picture_address
from dan_model.show.sentences import signed
from dan_model.show.style import head_colour
from dan_model.show.tiles import Scale, overlay, percent
from dan_model.ui.context import PageContext
from dan_model.ui.html import notice, packed, picture
from dan_model.ui.results import Tab
from dan_model.ui.theme import asset

NAME = "Cover"
CELLS = 56  # of the mask along each side: 4 pixels of the network's input each
MASK_TEXT = -(-CELLS * CELLS // 8) * 4 // 3 + 4  # characters of a mask in base64, at most
AT_ONCE = 2  # covered faces that are explained at the same time
MAP_SIDE = 168  # pixels


def tab(context: PageContext) -> Tab:
    """Add the panel to the tab that is being built."""
    places = threading.Semaphore(AT_ONCE)

    def cover(asked: object) -> dict[str, Any]:
        key, mask, fill = asked if isinstance(asked, list) and len(asked) == 3 else (None, None, None)
        session, wanted = context.session_of(key), parse_cover(mask, fill)
        state = session.state
        if state is None or wanted is None:
            return {"error": "There is no face to cover."}
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

    component = gr.HTML(elem_id="dan-cover", js_on_load=asset("cover.js"), server_functions=[cover])
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
    regions, step = explanation.regions, 0 if explanation.regions is None else len(explanation.regions.map) // CELLS
    index, chips = "", ""
    if regions is not None:
        sampled = regions.map[step // 2 :: step, step // 2 :: step]  # the region in the middle of each cell
        index = "".join(str(r) for r in sampled.flatten().tolist())
        chips = "".join(
            f'<button type="button" class="dan-cover-region" data-region="{r}" aria-pressed="false">{name}</button>'
            for r, name in enumerate(REGIONS)
        )
    known = explanation.reference is not None and explanation.reference.mean_face is not None
    fills = "".join(
        f'<button type="button" class="dan-cover-fill" data-fill="{fill}" aria-pressed="{str(i == 0).lower()}">{fill}'
        "</button>"
        for i, fill in enumerate(fill for fill in FILLS if known or fill != MEAN)
    )
    return (
        f'<div class="dan-cover" data-cells="{CELLS}" data-regions="{index}"><div class="dan-cover-controls">'
        f'<p class="dan-sentence">Cover a part of the face: paint on it, or choose regions.</p>'
        f'<div class="dan-cover-face">{picture(explanation.input_pixels, "The face as the network sees it")}'
        f'<canvas width="{CELLS}" height="{CELLS}"></canvas></div>'
        f'<div class="dan-cover-chips" role="group" aria-label="Regions to cover">{chips}</div>'
        f'<div>Show there: <span class="dan-segments" role="group" aria-label="Fill">{fills}</span></div>'
        '<label>Brush <input type="range" class="dan-cover-brush" min="1" max="10" value="4"></label>'
        '<div class="dan-cover-buttons"><button type="button" class="dan-cover-undo">Undo</button>'
        '<button type="button" class="dan-cover-reset">Uncover all</button></div></div>'
        f'<div class="dan-cover-result" aria-live="polite">{notice("Nothing is covered yet.")}</div></div>'
    )


def before_and_after(before: Explanation, after: Explanation) -> str:
    """Prediction, contributions and maps of a face and of its covered copy, side by side on shared scales."""
    k, label = before.target, before.labels[before.target]
    was, now = (float(e.prediction.probabilities[k]) for e in (before, after))
    sentence = f"{label}: {percent(was)} → {percent(now)}. Predicted: {after.prediction.label}"
    sentence += "." if after.prediction.index == before.prediction.index else f", before {before.prediction.label}."
    return (
        f'<p class="dan-sentence">{escape(sentence)}</p>{_maps(before, after)}'
        f'<div class="dan-cover-tables">{_probabilities(before, after)}{_contributions(before, after)}</div>'
    )


def _maps(before: Explanation, after: Explanation) -> str:
    """Two rows of maps: the face, the heads on one scale, and the fusion on another."""
    attention = Scale(max(float(e.heads.spatial.max()) for e in (before, after)) or 1.0, signed=False)
    evidence = Scale(max(float(e.fusion.map.abs().max()) for e in (before, after)) or 1.0, signed=True)
    rows = ""
    for name, e in (("before", before), ("covered", after)):
        maps = [(f"Head {h + 1}", cells, attention) for h, cells in enumerate(e.heads.spatial)]
        maps.append(("AFN fusion", e.fusion.map, evidence))
        pictures = "".join(
            f'<figure><img src="{picture_address(overlay(e.crop, cells, scale, True, MAP_SIDE))}" '
            f'alt="{title}, {name}"><figcaption>{title}</figcaption></figure>'
            for title, cells, scale in maps
        )
        rows += f'<div class="dan-cover-row" style="--maps: {len(maps)}"><b>{name}</b>{pictures}</div>'
    return rows


def _probabilities(before: Explanation, after: Explanation) -> str:
    both = zip(before.prediction.probabilities.tolist(), after.prediction.probabilities.tolist(), strict=True)
    rows = [
        (label, percent(was), percent(now), k == before.target)
        for k, (label, (was, now)) in enumerate(zip(before.labels, both, strict=True))
    ]
    return _table("Probability", rows)


def _contributions(before: Explanation, after: Explanation) -> str:
    k = before.target
    rows = [("baseline", signed(before.fusion.consensus[k]), signed(after.fusion.consensus[k]), False)]
    for h, (was, now) in enumerate(zip(before.fusion.ledger[:, k], after.fusion.ledger[:, k], strict=True)):
        rows.append((f"Head {h + 1}", signed(was), signed(now), False))
    return _table(f"Contribution to {before.labels[k]}, {before.score.unit}", rows)


def _table(title: str, rows: Sequence[tuple[str, str, str, bool]]) -> str:
    body = ""
    for name, was, now, marked in rows:
        head = int(name.split()[1]) - 1 if name.startswith("Head ") else None
        chip = "" if head is None else f'<span class="dan-chip" style="background:{head_colour(head)}"></span>'
        css_class = ' class="dan-explained"' if marked else ""
        body += f'<tr{css_class}><th scope="row">{chip}{escape(name)}</th><td>{was}</td><td>{now}</td></tr>'
    return (
        f'<table class="dan-cover-table"><caption>{escape(title)}</caption><thead><tr><td></td><th scope="col">before'
        f'</th><th scope="col">covered</th></tr></thead><tbody>{body}</tbody></table>'
    )
