"""What each part of the page's right-hand side shows, and when it is drawn: first results at once, figures after."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gradio as gr

from dan_model.show.sentences import summary
from dan_model.ui import handlers, html, laboratory, trust
from dan_model.ui.visits import ATTRIBUTIONS, HEADS, Sitting, View, Visit

PARTS = (
    "news", "probabilities", "sentence", "tiles", "bench", "ledger", "transplants", "faithfulness", "sanity",
    *handlers.TABS,
)  # fmt: skip
"""By name, in the order in which handlers give them."""


def changed(values: Mapping[str, str] | None = None) -> list[Any]:
    """All parts: those that are given, and the others as they are."""
    return [(values or {}).get(part, gr.skip()) for part in PARTS]


def blank(news: str) -> list[Any]:
    """All parts empty but for the news."""
    return [news, *("" for _ in PARTS[1:])]


def first(visit: Visit, sitting: Sitting, view: View) -> list[Any]:
    """The first results of a question: everything but the figures, which take longer to draw."""
    visit.view = view
    visit.undrawn = frozenset(handlers.TABS)
    e = view.explanation
    shown = {
        "news": handlers.news(sitting, e),
        "probabilities": html.probability_bars(e),
        "sentence": html.sentence(summary(e)),
        "tiles": tiles(visit, view),
        "bench": laboratory.bench(e),
        "ledger": html.ledger_table(e),
        "transplants": handlers.transplants(visit),
        "faithfulness": trust.faithfulness(None),
        "sanity": trust.sanity(None),
    }
    return changed(shown | {tab: html.notice("Drawing …") for tab in handlers.TABS})


def later(visit: Visit, view: View) -> list[Any]:
    """What came later to the same question: the tiles, and the open tab's figures."""
    before, visit.view = visit.view, view
    e = view.explanation
    if e.use is not None and not e.attributions:
        visit.undrawn |= {HEADS}  # it may have been opened, and drawn without it
    if before is None or len(before.explanation.attributions) != len(e.attributions):
        visit.undrawn |= {ATTRIBUTIONS}
    figures = handlers.figures(visit)
    return changed({**figures, "tiles": tiles(visit, view)})


def open_tab(visit: Visit, tab: str) -> list[Any]:
    """All tabs' figures, after a tab was opened."""
    visit.tab = tab
    figures = handlers.figures(visit)
    return [figures.get(name, gr.skip()) for name in handlers.TABS]


def redrawn(visit: Visit) -> Any:
    """The tiles of what is shown, after the visitor chose another way to draw them."""
    row, drawn = gr.skip(), None
    while visit.view is not None and visit.view is not drawn:  # another attribution may arrive meanwhile
        drawn = visit.view
        row = tiles(visit, drawn)
    return row


def tiles(visit: Visit, view: View) -> str:
    """The tiles, drawn as the visitor wants them when this is done, not when it began."""
    while True:
        wanted = (visit.smooth, visit.shared)
        row = html.tile_row(view.explanation, *wanted, view.pending)
        if wanted == (visit.smooth, visit.shared):
            return row
