"""The bar at the bottom of a phone's screen: photo, maps, class, save and stop are one tap away, everywhere."""

from __future__ import annotations

import gradio as gr

from dan_model.ui.theme import asset

PLACES = {"Photo": "#dan-input", "Maps": "#dan-heads-row", "Class": "#dan-request", "Save": "#dan-download"}


def component() -> gr.HTML:
    """Add the bar to the page that is being built; wider screens do not show it."""
    buttons = "".join(f'<button type="button" data-place="{place}">{name}</button>' for name, place in PLACES.items())
    stop = '<button type="button" class="dan-bar-stop">Stop</button>'
    bar = f'<nav class="dan-phone-bar" aria-label="On this page">{buttons}{stop}</nav>'
    return gr.HTML(bar, elem_id="dan-phone-bar", js_on_load=asset("phone_bar.js"))
