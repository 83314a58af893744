"""The results column: which component shows what, and when it is drawn. First results at once, figures when seen.

Figures take longer to draw than numbers. So those of a tab are drawn when it comes into view (`assets/figures.js`), in
an event of their own, and from then on again whenever what they show changes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import gradio as gr

from dan_model.explain.explanation import Explanation
from dan_model.texts import translate as _
from dan_model.ui import html
from dan_model.ui.context import QUEUED, PageContext
from dan_model.ui.session import RequestToken, Session
from dan_model.ui.state import PageState
from dan_model.ui.status import EXPIRED
from dan_model.ui.theme import scripts

STATUS, HEADS_ROW, TILES = "status", "heads row", "tiles"
DRAWING = _("Drawing …")


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
    """The figures of a tab, drawn when they come into view.

    Attributes:
        name: The title of the tab.
        component: Where the figures are shown; made by `figures_component`.
        render: Draws them.
        depends_on: What the figures depend on besides the face and the score; they are drawn again when it changes.
        ready: Whether drawing is worth it: not while something is about to change.
    """

    name: str
    component: gr.HTML
    render: Callable[[Explanation], str]
    depends_on: Callable[[Explanation], object] = lambda explanation: None
    ready: Callable[[PageState], bool] = lambda state: True


class Results:
    """All parts and tabs of the results column, in the order in which handlers return their values.

    Args:
        parts: With the status first.
        tabs: In the order of the page.
    """

    def __init__(self, parts: list[Part], tabs: list[Tab]) -> None:
        self._parts = {part.name: part for part in parts}
        self._tabs = {tab.name: tab for tab in tabs}
        self.names = (*self._parts, *self._tabs)
        self.tiles = self._parts[TILES].component
        self._opened: PageState | None = None
        self._opened_figures: dict[str, str] = {}
        self.components: list[Any] = [*(part.component for part in parts), *(tab.component for tab in tabs)]

    def start(self, session: Session, state: PageState) -> None:
        """Make the page open with a state, for every visitor; its figures are drawn for the first one who sees them."""
        self._opened = state
        for part in self._parts.values():
            part.component.value = part.render(session, state)
        for tab in self._tabs.values():
            tab.component.value = _undrawn(session.shown)

    def update(self, values: Mapping[str, str] | None = None) -> list[Any]:
        """New values for some parts and tabs, by name; the others stay as they are."""
        return [(values or {}).get(name, gr.skip()) for name in self.names]

    def blank(self, status: str) -> list[Any]:
        """A status, and nothing else."""
        return [status, *("" for _name in self.names[1:])]

    def first(self, session: Session, state: PageState, token: RequestToken) -> list[Any] | None:
        """The first results of a request: everything except figures. None if a newer request has begun."""
        if not session.show(state, token):
            return None
        session.shown, session.drawn_tabs = token.number, frozenset()
        values = {part.name: part.render(session, state) for part in self._parts.values()}
        waiting = {
            tab.name: _undrawn(token.number) if tab.ready(state) else html.notice(DRAWING)
            for tab in self._tabs.values()
        }
        return self._unless_superseded(values | waiting, token)

    def later(self, session: Session, state: PageState, token: RequestToken) -> list[Any] | None:
        """Later results of the same request: the tiles, and figures that were drawn and have changed. None as above."""
        before = session.state
        if not session.show(state, token):
            return None
        assert before is not None
        changed = {
            tab.name for tab in self._tabs.values()
            if tab.depends_on(before.explanation) != tab.depends_on(state.explanation)
        }  # fmt: skip
        now_ready = {tab.name for tab in self._tabs.values() if tab.ready(state) and not tab.ready(before)}
        values = {name: _undrawn(session.shown) for name in now_ready - session.drawn_tabs}
        for name in changed & session.drawn_tabs:
            values |= self.draw(session, name)
        return self._unless_superseded({**values, TILES: self._parts[TILES].render(session, state)}, token)

    def ended(self, session: Session, token: RequestToken) -> Any:
        """The row of attributions after a request that computes none began: no tile waits for what will not come."""
        state = session.state
        if state is None or not state.pending or not session.show(state.finished(), token):
            return gr.skip()
        return self._parts[TILES].render(session, state.finished())

    def draw(self, session: Session, name: str) -> dict[str, str]:
        """The figures of a tab, by its name; drawn again if they change meanwhile, and none of a face that is gone."""
        tab = self._tabs[name]
        while (state := session.state) is not None:
            shown = session.shown
            drawn = self._figures(tab, state)
            now = session.state
            if now is None or session.shown != shown:  # another face has its own figures
                return {}
            if tab.depends_on(now.explanation) == tab.depends_on(state.explanation):
                session.drawn_tabs |= {name}
                return {name: f'<div data-shown="{shown}">{drawn}</div>'}
        return {}

    def _figures(self, tab: Tab, state: PageState) -> str:
        """The figures of a tab; those that every visitor sees at first are drawn once."""
        if state is not self._opened:
            return tab.render(state.explanation)
        if tab.name not in self._opened_figures:
            self._opened_figures[tab.name] = tab.render(state.explanation)
        return self._opened_figures[tab.name]

    def wire(self, context: PageContext) -> None:
        """Draw the figures of each tab when they come into view."""
        for tab in self._tabs.values():
            tab.component.select(self._drawer(tab.name, context), None, tab.component, **QUEUED)

    def _drawer(self, name: str, context: PageContext) -> Callable[[gr.Request], Any]:
        def on_view(request: gr.Request) -> Any:
            session = context.session(request)
            without = html.notice(EXPIRED) if session.expired else gr.skip()
            return self.draw(session, name).get(name, without)

        return on_view

    def _unless_superseded(self, values: Mapping[str, str], token: RequestToken) -> list[Any] | None:
        """The values, unless a newer request began while they were drawn: its face may be gone by then."""
        return None if token.superseded else self.update(values)


def figures_component(name: str, *further: str, **settings: Any) -> gr.HTML:
    """Where the figures of a tab are shown, which asks for them when it comes into view.

    Args:
        name: Its id on the page.
        further: Names of other scripts that run in it.
        settings: Further arguments of `gr.HTML`.
    """
    return gr.HTML(elem_id=name, js_on_load=scripts("figures", *further), **settings)


def _undrawn(request: int) -> str:
    """In place of figures that are drawn when this comes into view; the browser takes only figures of this request."""
    return f'<p class="dan-notice dan-undrawn" role="status" data-shown="{request}">{DRAWING}</p>'
