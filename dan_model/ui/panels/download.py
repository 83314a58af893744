"""Take it with you: everything of the face that is shown, as one ZIP file.

The file goes to the browser as text and is never written to the server's disk (`assets/download.js`).
"""

from __future__ import annotations

import base64
import threading
from typing import Any

import gradio as gr

from dan_model.show.html_report import bundle
from dan_model.texts import translate as _
from dan_model.ui.context import PageContext
from dan_model.ui.status import nothing_shown
from dan_model.ui.theme import scripts
from dan_model.weights import fingerprint

AT_ONCE = 2  # files that are made at the same time; further visitors are asked to try again


def component(context: PageContext) -> gr.HTML:
    """Add the panel to the page that is being built."""
    places = threading.Semaphore(AT_ONCE)

    def make(key: object) -> dict[str, Any]:
        session = context.session_of(key)
        state = session.state
        if state is None:
            return {"error": nothing_shown(session)}
        if not places.acquire(blocking=False):
            return {"error": _("The server is making files for others. Try again in a moment.")}
        try:
            weights = context.weights.first if session.photo is None else context.weights.get(*session.photo.weights)
            checkpoint = weights.checkpoint
            source = checkpoint.model.config.provenance
            weights_name = f"{checkpoint.name}@{checkpoint.revision}" if checkpoint.revision else checkpoint.name
            file = bundle(state.explanation, weights_name, source, session.smooth, fingerprint(weights.here.model))
        finally:
            places.release()
        name = f"dan-{state.explanation.prediction.label}.zip".replace(" ", "-")
        return {"name": name, "data": base64.b64encode(file).decode()}

    what = _("One zip file: report, panel, numbers and arrays of this face")
    buttons = (
        f'<button type="button" class="dan-download" title="{what}">{_("Download")}</button>'
        f'<button type="button" class="dan-copy-link">{_("Copy link")}</button><span role="status"></span>'
    )
    return gr.HTML(
        buttons, elem_id="dan-download", js_on_load=scripts("save", "session", "download"), server_functions=[make]
    )
