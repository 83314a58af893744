"""The tab Live: camera frames go to the server one at a time, and the heads follow the face (`assets/live.js`)."""

from __future__ import annotations

import json
import time
from html import escape
from typing import Any

import gradio as gr

from dan_model.errors import DanError
from dan_model.explain import Explainer
from dan_model.show.style import head_colour
from dan_model.texts import head_name
from dan_model.texts import translate as _
from dan_model.ui.context import PageContext
from dan_model.ui.live_frames import WHOLE_EVERY, FrameRequest, Turns, answer_frame
from dan_model.ui.theme import scripts

NAME = _("Live")
NO_FRAME = _("This is no frame.")
INTRODUCTION = _(
    "Maps and prediction follow the camera: smile, frown, raise your brows. Frames go to this server and nowhere else, "
    "and none is kept. They are read by the model that this page started with."
)
REFUSALS = {
    "full": _("Too many viewers at the moment. Try again in a minute."),
    "busy": _("The server is busy with other requests."),
    "twice": _("One frame at a time."),
}


def component(explainer: Explainer, context: PageContext) -> gr.HTML:
    """Add the panel to the tab that is being built.

    Args:
        explainer: Of the first weights: says which classes and heads there are.
        context: Of the page.
    """
    turns = Turns()

    def live(sent: object) -> dict[str, Any]:
        viewer = sent.get("viewer") if isinstance(sent, dict) else None
        if not isinstance(sent, dict) or not isinstance(viewer, str) or not 8 <= len(viewer) <= 64:
            return {"error": NO_FRAME}
        start = time.perf_counter()
        with turns.turn(viewer) as refusal:
            if refusal is not None:
                return {"refused": REFUSALS[refusal]}
            here = context.weights.first.here
            request = FrameRequest.parse(sent, here.model.config.num_heads)
            if request is None:
                return {"error": NO_FRAME}
            try:
                answer = answer_frame(here, request)
            except DanError as error:
                return {"error": str(error)}
        # Beside others a viewer pauses, so that explanations and further viewers get their part.
        seconds = time.perf_counter() - start
        return {**answer, "seconds": round(seconds, 3), "pause": round(seconds * (turns.viewers() - 1), 3)}

    return gr.HTML(
        controls(explainer),
        elem_id="dan-live",
        js_on_load=scripts("numbers", "motion", "to_photo", "live"),
        server_functions=[live],
    )


def controls(explainer: Explainer) -> str:
    """Camera picture, overlays, probabilities and strip chart; the browser fills them."""
    heads = explainer.model.config.num_heads
    colours = json.dumps([head_colour(h) for h in range(heads)])
    chips = "".join(
        f'<span class="dan-live-head"><button type="button" class="dan-live-show" data-head="{h}" aria-pressed="true" '
        f'aria-label="{_("{head}: show its map").format(head=head_name(h))}">'
        f'<span class="dan-chip" style="background:{head_colour(h)}"></span>'
        f'{head_name(h)}</button><button type="button" class="dan-live-off" data-head="{h}" aria-pressed="false" '
        f'aria-label="{_("off: {head}").format(head=head_name(h))}">{_("off")}</button>'
        '<span class="dan-live-part"></span></span>'
        for h in range(heads)
    )
    rows = "".join(
        f'<div class="dan-class"><span>{escape(label)}</span>'
        '<span class="dan-track"><span style="width:0"></span></span><span></span></div>'
        for label in explainer.labels
    )
    return (
        f'<div class="dan-live" data-colours="{escape(colours, quote=True)}" data-whole="{WHOLE_EVERY}" '
        f'data-labels="{escape(json.dumps(explainer.labels), quote=True)}">'
        f'<p class="dan-sentence">{INTRODUCTION}</p>'
        f'<div class="dan-live-buttons"><button type="button" class="dan-live-start">{_("Start the camera")}</button>'
        f'<button type="button" class="dan-live-freeze" disabled>{_("Freeze and explain")}</button>'
        f'<label>{_("Camera")} <select class="dan-live-camera"><option value="user">{_("front")}</option>'
        f'<option value="environment">{_("back")}</option></select></label></div>'
        '<p class="dan-live-status" role="status"></p>'
        '<div class="dan-live-columns"><div class="dan-live-picture"><video muted playsinline></video>'
        f'<canvas class="dan-live-overlay" role="img" aria-label="{_("Maps of the heads over your face")}"></canvas>'
        f'</div><div><div class="dan-live-heads" role="group" aria-label="{_("Heads")}">{chips}'
        '<small class="dan-live-to"></small></div>'
        f'<div class="dan-live-classes" role="group" aria-label="{_("Class probabilities, live")}">{rows}</div>'
        f'<canvas class="dan-live-strip" role="img" aria-label="{_("Probabilities over the last 30 seconds")}">'
        f"</canvas><small>{_('The last 30 seconds; each line is the probability of a class.')}</small>"
        '<p class="dan-live-rate"></p></div></div></div>'
    )
