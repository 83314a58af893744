"""Explains a face of a visitor's photo and shows each part as it is ready: for every event of the page that does."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from dan_model.explain.explanation import Explanation
from dan_model.faces import FaceCrop
from dan_model.ui.context import PageContext
from dan_model.ui.explain_request import ExplainRequest, explain
from dan_model.ui.html import notice
from dan_model.ui.results import Results
from dan_model.ui.session import RequestToken, Session
from dan_model.ui.state import PageState, Weights
from dan_model.ui.status import nothing_shown, photo_status

Explain = Callable[[Session, RequestToken, ExplainRequest], Iterator[list[Any]]]
"""Explains a face of the session's photo: yields values of the results, as they become ready."""


def explaining(results: Results, context: PageContext) -> Explain:
    """What explains a face, and shows it in the results."""

    def compute(
        weights: Weights, crop: FaceCrop, texts: list[str], explained: Mapping[str, Any]
    ) -> Iterator[Explanation]:
        explainer = context.weights.get(*weights).explainer
        return explainer.stream_crop(crop, attributions=texts, attended_vs_used=True, **explained)

    on_gpu = context.gpu(compute) if context.gpu else None

    def explain_face(session: Session, token: RequestToken, wanted: ExplainRequest) -> Iterator[list[Any]]:
        photo = session.photo
        if photo is None or not wanted.face:
            yield results.blank(notice(nothing_shown(session)) if photo is None else photo_status(photo))
            return

        def stream(crop: FaceCrop, texts: list[str], explained: Mapping[str, Any]) -> Iterator[Explanation]:
            if on_gpu:
                return on_gpu(photo.weights, crop, texts, explained)
            return context.weights.get(*photo.weights).explainer.stream_crop(
                crop, attributions=texts, attended_vs_used=True, should_continue=lambda: token.active,
                cache=session.cache, **explained,
            )  # fmt: skip

        # Show each part as it is ready.
        state: PageState | None = None
        show = results.first
        try:
            for state in explain(stream, photo, wanted):
                if not token.active:
                    break
                values = show(session, state, token)
                if values is None:
                    break
                yield values
                show = results.later
        except Exception:  # what is ready stays, and no tile waits for what will not come
            if state is not None and token.active and (values := results.later(session, state.finished(), token)):
                yield values
            raise
        # After a newer request Gradio would repeat the last values of this one: send none instead. After Stop, what is
        # ready stays.
        if token.superseded:
            yield results.update()
        elif state is not None and not token.active:
            for draw in (results.first, results.later) if show == results.first else (results.later,):
                if values := draw(session, state.finished(), token):
                    yield values

    return explain_face
