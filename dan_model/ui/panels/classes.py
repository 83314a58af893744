"""The tab Classes: where the face is among the classes, before any head."""

from __future__ import annotations

import gradio as gr

from dan_model.show.figure_views import class_views
from dan_model.ui.html import figure_views
from dan_model.ui.results import Tab

NAME = "Classes"


def tab() -> Tab:
    """Add the panel to the tab that is being built."""
    return Tab(NAME, gr.HTML(elem_id="dan-classes-tab"), lambda explanation: figure_views(class_views(explanation)))
