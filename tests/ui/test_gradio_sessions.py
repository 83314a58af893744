"""What Gradio keeps of a session by itself goes with the session."""

from __future__ import annotations

from queue import Queue
from types import SimpleNamespace

import httpx2
import pytest

from campaigns.visitors import Visitor, call
from dan_model.ui.gradio_sessions import IDLE_SECONDS, MAX_SESSIONS, GradioSessions
from dan_model.ui.session_store import SessionStore
from dan_model.ui.status import INVITATION
from tests.fixtures.examples import EXAMPLES


@pytest.fixture
def kept() -> dict[str, dict[str, object]]:
    """What Gradio keeps, by kind and session."""
    return {"values": {}, "used": {}, "unread": {}}


@pytest.fixture
def page(kept):
    """What of Gradio's page keeps it."""
    holder = SimpleNamespace(session_data=kept["values"], time_last_used=kept["used"])
    return SimpleNamespace(state_holder=holder, _queue=SimpleNamespace(pending_messages_per_session=kept["unread"]))


def test_idle_sessions_and_those_above_a_number_are_deleted_whole(page, kept):
    now = [0.0]
    sessions = GradioSessions(page, clock=lambda: now[0])

    def active(key: str) -> None:
        kept["values"][key] = kept["used"][key] = object()
        kept["unread"].setdefault(key, Queue()).put("a page")
        sessions.note(key)

    def held() -> list[set[str]]:
        return [
            set(kept["values"]),
            set(kept["used"]),
            {key for key, unread in kept["unread"].items() if not unread.empty()},
        ]

    active("a")
    now[0] = IDLE_SECONDS * 0.9
    active("b")
    active("a")
    now[0] = IDLE_SECONDS * 1.85
    active("c")
    assert held() == [{"a", "b", "c"}] * 3
    now[0] = IDLE_SECONDS * 1.95
    active("a")
    assert held() == [{"a", "c"}] * 3
    for n in range(MAX_SESSIONS - 1):
        active(f"caller {n}")
    assert all(len(one) == MAX_SESSIONS and "c" not in one and "a" in one for one in held())
    sessions.forget_values("a")
    assert ["a" in one for one in held()] == [False, False, True]
    sessions.forget("a")
    sessions.forget("nobody")
    assert not any("a" in one for one in held())
    assert kept["unread"]["a"].empty()  # the queue itself stays
    now[0] = IDLE_SECONDS * 3
    sessions.end_idle()
    assert held() == [set()] * 3


def test_the_pages_own_sessions_are_bounded_in_number_too():
    store = SessionStore(clock=lambda: 0.0)
    first, second = store.get("first"), store.get("second")
    for n in range(MAX_SESSIONS - 2):
        store.get(str(n))
    assert store.get("first") is first
    store.get("one more")
    assert len(store) == MAX_SESSIONS
    assert second.stopped
    assert store.get("first") is first


def test_nothing_of_a_visitor_who_left_or_a_call_that_was_answered_stays_with_gradio(blocks, server, wait_until_idle):
    values, queue = blocks.state_holder.session_data, blocks._queue
    with Visitor(server) as visitor:
        methods = visitor.chosen(["layer_grad_cam", "saliency", "input_x_gradient", "guided_grad_cam"])
        visitor.send("on_photo", {"dan-upload": visitor.upload(EXAMPLES / "two_faces.jpg"), **methods})
        assert len(str(values[visitor.key].config_values)) > 1_000_000  # maps and photo
    wait_until_idle(lambda: visitor.key not in values)
    assert queue.pending_messages_per_session[visitor.key].empty()
    before = set(values)
    with httpx2.Client(timeout=60) as client:
        call(server, "predict", EXAMPLES / "astronaut.jpg", client=client)
    assert set(values) <= before


def test_a_visitor_who_leaves_in_the_middle_of_an_answer_is_no_error(server, blocks, wait_until_idle, caplog, capfd):
    with Visitor(server) as visitor:
        visitor.begin("on_photo", {"dan-upload": visitor.upload(EXAMPLES / "astronaut.jpg")})
        next(visitor.replies())
    wait_until_idle()
    assert "Error" not in caplog.text + "".join(capfd.readouterr())


def test_a_page_that_comes_back_with_a_face_that_is_gone_gets_an_invitation(server):
    with Visitor(server) as visitor:
        visitor.send("on_photo", {"dan-upload": visitor.upload(EXAMPLES / "two_faces.jpg"), **visitor.chosen([])})
    with Visitor(server, visitor.key) as visitor:
        replies = visitor.send("on_explain", {"dan-face": "2"})
    assert INVITATION in str(replies)
