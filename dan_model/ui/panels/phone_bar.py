"""The bar at the bottom of a phone's screen: photo, maps, class, save and stop are one tap away, everywhere."""

from __future__ import annotations

import gradio as gr

from dan_model.texts import translate as _
from dan_model.ui.theme import scripts

PLACES = {
    _("Photo"): "#dan-input",
    _("Maps"): "#dan-heads-row",
    _("Class"): "#dan-request",
    _("Save"): "#dan-download",
}


def component() -> gr.HTML:
    """Add the bar to the page that is being built; wider screens do not show it."""
    buttons = "".join(f'<button type="button" data-place="{place}">{name}</button>' for name, place in PLACES.items())
    stop = f'<button type="button" class="dan-bar-stop">{_("Stop")}</button>'
    bar = f'<nav class="dan-phone-bar" aria-label="{_("On this page")}">{buttons}{stop}</nav>'
    return gr.HTML(bar, elem_id="dan-phone-bar", js_on_load=scripts("motion", "phone_bar"))
