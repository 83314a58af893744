from __future__ import annotations

from dataclasses import replace

from dan_model.ui.gradio_sessions import IDLE_SECONDS
from dan_model.ui.session import Session
from dan_model.ui.session_store import SessionStore
from dan_model.ui.state import NATIVE, SMOOTH, PageState


def test_a_request_ends_when_a_newer_one_begins_or_stop_is_pressed():
    session = Session()
    first = session.begin_request()
    assert first.active
    second = session.begin_request()
    assert (first.active, first.superseded, second.active) == (False, True, True)
    session.stop()
    assert not second.active
    assert first.superseded
    assert not second.superseded  # it may still show what is ready; the first may not
    third = session.begin_request()
    assert third.active
    assert second.superseded


def test_a_superseded_request_cannot_change_what_is_shown():
    session, old, new = Session(), PageState(None), PageState(None)
    first = session.begin_request()
    assert session.show(old, first)
    session.begin_photo()
    assert session.state is None
    assert not session.show(old, first)
    assert session.state is None
    second = session.begin_request()
    assert session.show(new, second)
    session.stop()
    assert session.show(replace(new, pending=()), second)  # after Stop, what is ready is still shown


def test_a_photo_that_is_being_read_is_ended_by_another_photo_and_not_by_a_request():
    session = Session()
    first = session.begin_photo()
    session.begin_request()
    assert session.reading
    assert not first.superseded
    second = session.begin_photo()
    assert first.superseded
    assert not first.finish(None)
    assert session.reading
    assert second.finish(None)
    assert not session.reading


def test_sessions_end_when_the_visitor_leaves_or_is_inactive():
    now = [0.0]
    store = SessionStore(clock=lambda: now[0])
    first = store.get("a")
    token = first.begin_request()
    now[0] = IDLE_SECONDS * 0.9
    assert store.get("a") is first
    now[0] = IDLE_SECONDS * 1.8
    store.get("b")
    assert store.get("a") is first
    now[0] = IDLE_SECONDS * 3
    store.get("b")
    assert len(store) == 1
    assert not token.active
    store.end("b")
    assert len(store) == 0


def test_idle_sessions_end_where_nobody_sends_anything_and_functions_of_the_page_keep_them():
    now = [0.0]
    store = SessionStore(clock=lambda: now[0])
    painting, away = store.get("painting"), store.get("away")
    now[0] = IDLE_SECONDS * 0.9
    assert store.find(painting.key) is painting
    now[0] = IDLE_SECONDS * 1.1
    store.end_idle()
    assert len(store) == 1
    assert store.find(away.key) is None
    now[0] = IDLE_SECONDS * 2.2
    store.end_idle()
    assert len(store) == 0


def test_a_page_that_comes_back_after_its_session_ended_begins_empty():
    """It shows a photo that is gone: it must not be taken for a new page, which begins with the example."""
    now, example = [0.0], PageState(None)
    store = SessionStore(lambda: Session(state=example), clock=lambda: now[0])
    assert store.get("a").state is example
    now[0] = IDLE_SECONDS * 2
    assert store.get("b").state is example
    assert store.get("a").state is None


def test_how_maps_are_drawn_is_stored_by_name():
    session = Session()
    session.set_settings((NATIVE, False))
    assert (session.smooth, session.shared) == (False, False)
    session.set_settings((SMOOTH, True))
    assert (session.smooth, session.shared) == (True, True)
