"""The tab Heads: where the heads attend, whether they differ, and whether the attended cells are used."""

from __future__ import annotations

from dan_model.show.figure_views import head_views
from dan_model.texts import translate as _
from dan_model.ui.html import figure_views
from dan_model.ui.results import Tab, figures_component

NAME = _("Heads")


def tab() -> Tab:
    """Add the panel to the tab that is being built."""
    return Tab(
        NAME,
        figures_component("dan-heads"),
        lambda explanation: figure_views(head_views(explanation)),
        depends_on=lambda explanation: explanation.attended_vs_used is not None,
        ready=lambda state: state.explanation.attended_vs_used is not None or not state.pending,
    )
