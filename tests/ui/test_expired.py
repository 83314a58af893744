"""A page whose session has ended: it says so, and gets nothing of another face."""

from __future__ import annotations

import re
from types import SimpleNamespace

import pytest

from dan_model.ui import session_store
from dan_model.ui.status import EXPIRED
from tests.fixtures.examples import EXAMPLES


@pytest.fixture
def page(build_page):
    """The page as it opens, with an example explained."""
    return build_page(examples=EXAMPLES)


def ask(page, name: str, *asked: object) -> dict:
    """What a function that the browser calls returns."""
    functions = {one.__name__: one for block in page.blocks.blocks.values() for one in getattr(block, "server_fns", [])}
    return functions[name](list(asked) if len(asked) > 1 else asked[0])


def upload(page, name: str) -> str:
    """The row of the heads for an example that is uploaded as a photo of one's own."""
    return next(row for values in list(page.upload(name)) if "data-session" in str(row := values["heads row"]))


def key_of(row: str) -> str:
    return re.search('data-session="([^"]+)"', row)[1]


def test_the_face_of_another_page_is_never_taken_for_it(page, monkeypatch):
    key, opening = key_of(upload(page, "astronaut.jpg")), key_of(page.blocks.blocks[row_id(page)].value)
    cover = "A" * 524
    assert ask(page, "enlarge", key, "Head 1")["face"] != ask(page, "enlarge", opening, "Head 1")["face"]
    monkeypatch.setattr(session_store, "IDLE_SECONDS", -1.0)
    page.handlers["on_keep"](SimpleNamespace(session_hash="someone else"))  # ends what is idle
    for answer in (ask(page, "make", key), ask(page, "cover", key, cover, "grey"), ask(page, "enlarge", key, "Head 1")):
        assert answer == {"error": EXPIRED}
    # A page that was just opened goes on working.
    assert ask(page, "make", opening)["name"] == "dan-neutral.zip"
    assert ask(page, "enlarge", opening, "Head 1")["face"]


def test_every_event_says_what_happened_until_a_photo_is_chosen(page, monkeypatch):
    upload(page, "astronaut.jpg")
    with monkeypatch.context() as patch:
        patch.setattr(session_store, "IDLE_SECONDS", -1.0)
        page.handlers["on_keep"](SimpleNamespace(session_hash="someone else"))
    assert EXPIRED in page.handlers["on_keep"](page.visitor)
    assert EXPIRED in page.draw("dan-heads")
    for measure in ("on_measure", "on_randomise"):
        arguments = (True,) if measure == "on_measure" else ()
        (values,) = page.handlers[measure](*arguments, page.visitor)
        assert any(EXPIRED in str(value) for value in values)
    (values,) = page.explain()
    assert EXPIRED in values["status"]
    assert "neutral" in upload(page, "hopper.jpg")
    assert EXPIRED not in page.handlers["on_keep"](page.visitor)


def row_id(page) -> int:
    return next(i for i, block in page.blocks.blocks.items() if getattr(block, "elem_id", None) == "dan-heads-row")
