"""The tab Classes: where the face is among the classes, before any head."""

from __future__ import annotations

from dan_model.show.figure_views import class_views
from dan_model.texts import translate as _
from dan_model.ui.html import figure_views
from dan_model.ui.results import Tab, figures_component

NAME = _("Classes")


def tab() -> Tab:
    """Add the panel to the tab that is being built."""
    return Tab(NAME, figures_component("dan-classes-tab"), lambda explanation: figure_views(class_views(explanation)))
