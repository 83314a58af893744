"""The results column: which component shows what, and when it is drawn. First results at once, figures after them.

Figures take longer to draw than numbers. So those of the open tab are drawn after the first results have appeared, and
those of other tabs when the tab is opened.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import gradio as gr

from dan_model.explain.explanation import Explanation
from dan_model.ui import html
from dan_model.ui.session import RequestToken, Session
from dan_model.ui.state import PageState

STATUS, HEADS_ROW, TILES = "status", "heads row", "tiles"


@dataclass(frozen=True, eq=False)
class Part:
    """A component of the results column that is drawn with the first results.

    Attributes:
        name: Unique on the page.
        component: Where it is shown.
        render: Draws it for the state of a session.
    """

    name: str
    component: gr.HTML
    render: Callable[[Session, PageState], str]


@dataclass(frozen=True, eq=False)
class Tab:
    """The figures of a tab, drawn when it is open.

    Attributes:
        name: The title of the tab.
        component: Where the figures are shown.
        render: Draws them.
        depends_on: What the figures depend on besides the face and the score; they are drawn again when it changes.
    """

    name: str
    component: gr.HTML
    render: Callable[[Explanation], str]
    depends_on: Callable[[Explanation], object] = lambda explanation: None


class Results:
    """All parts and tabs of the results column, in the order in which handlers return their values.

    Args:
        parts: With the status first.
        tabs: The first one is open at the start.
    """

    def __init__(self, parts: list[Part], tabs: list[Tab]) -> None:
        self._parts = {part.name: part for part in parts}
        self._tabs = {tab.name: tab for tab in tabs}
        self.names = (*self._parts, *self._tabs)
        self.tab_components: list[Any] = [tab.component for tab in tabs]
        self.components: list[Any] = [*(part.component for part in parts), *self.tab_components]

    def start(self, session: Session, state: PageState) -> None:
        """Make the page open with a state, for every visitor: all parts, and the figures of the first tab."""
        for part in self._parts.values():
            part.component.value = part.render(session, state)
        first = next(iter(self._tabs.values()))
        first.component.value = first.render(state.explanation)

    def update(self, values: Mapping[str, str] | None = None) -> list[Any]:
        """New values for some parts and tabs, by name; the others stay as they are."""
        return [(values or {}).get(name, gr.skip()) for name in self.names]

    def blank(self, status: str) -> list[Any]:
        """A status, and nothing else."""
        return [status, *("" for _ in self.names[1:])]

    def first(self, session: Session, state: PageState, token: RequestToken) -> list[Any] | None:
        """The first results of a request: everything except figures. None if a newer request has begun."""
        if not session.show(state, token):
            return None
        session.stale_tabs = frozenset(self._tabs)
        values = {part.name: part.render(session, state) for part in self._parts.values()}
        return self._unless_superseded(values | {name: html.notice("Drawing …") for name in self._tabs}, token)

    def later(self, session: Session, state: PageState, token: RequestToken) -> list[Any] | None:
        """Later results of the same request: the tiles and the figures of the open tab. None as for `first`."""
        before = session.state
        if not session.show(state, token):
            return None
        session.stale_tabs |= {
            tab.name
            for tab in self._tabs.values()
            if before is None or tab.depends_on(before.explanation) != tab.depends_on(state.explanation)
        }
        figures = self.figures(session)
        return self._unless_superseded({**figures, TILES: self._parts[TILES].render(session, state)}, token)

    def open_tab(self, session: Session, name: str) -> list[Any]:
        """The figures of all tabs, after one was opened."""
        session.tab = name
        figures = self.figures(session)
        return [figures.get(tab, gr.skip()) for tab in self._tabs]

    def figures(self, session: Session) -> dict[str, str]:
        """The figures of the open tab, if they are still to be drawn, by the tab's name."""
        state, name = session.state, session.tab or next(iter(self._tabs))  # either may change while this draws
        if state is None or name not in session.stale_tabs:
            return {}
        drawn = self._tabs[name].render(state.explanation)
        if session.state is not state:  # a newer state draws its own figures
            return {}
        session.stale_tabs -= {name}
        return {name: drawn}

    def _unless_superseded(self, values: Mapping[str, str], token: RequestToken) -> list[Any] | None:
        """The values, unless a newer request began while they were drawn: its face may be gone by then."""
        return None if token.superseded else self.update(values)
