"""What every panel of the page needs: the sessions, the weights, and how its events run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import gradio as gr

from dan_model.explain import Explainer
from dan_model.ui.session import Session
from dan_model.ui.session_store import SessionStore
from dan_model.ui.state import FIRST_WEIGHTS
from dan_model.ui.weights_cache import WeightsCache

# As many as may wait: a visitor with many tabs holds up no other. Their passes take turns (`explain.pass_order`).
REQUESTS_AT_ONCE = 64

UNQUEUED: dict[str, Any] = {
    "queue": False, "api_visibility": "private", "show_progress": "hidden", "show_progress_on": [],
    "trigger_mode": "multiple",
}  # fmt: skip
"""Settings of events that only take a note. Gradio would update the progress of every output ten times a second."""

QUEUED: dict[str, Any] = {**UNQUEUED, "queue": True, "concurrency_id": "page", "concurrency_limit": REQUESTS_AT_ONCE}
"""Settings of events that compute or draw."""


@dataclass(frozen=True)
class PageContext:
    """What every panel needs.

    Attributes:
        weights: The weights to explain with.
        gpu: Decorates what computes, where a GPU is lent for each call (`spaces.GPU`). It may run the call in another
            process, where Stop acts only between two results.
        sessions: The sessions of all visitors.
    """

    weights: WeightsCache
    gpu: Callable[[Any], Any] | None = None
    sessions: SessionStore = field(default_factory=SessionStore)

    def session(self, request: gr.Request) -> Session:
        """The session of the visitor who sent a request."""
        return self.sessions.get(request.session_hash)

    def session_of(self, key: object) -> Session:
        """The session with a key; an expired one, which shows nothing, where there is none."""
        return (self.sessions.find(key) if isinstance(key, str) else None) or Session(expired=True)

    def explainer_here(self, session: Session) -> Explainer:
        """The explainer of what a session shows, for work that is no event and runs in this process."""
        chosen = FIRST_WEIGHTS if session.photo is None else session.photo.weights
        return self.weights.get(*chosen).here

    def begin_request(self, request: gr.Request) -> None:
        """End the request before at once, not only when the new one leaves the queue."""
        self.session(request).begin_request()
