"""What is drawn when, what Stop leaves, and that nothing of a removed photo comes back."""

from __future__ import annotations

import pickle
import re

import gradio as gr
import pytest

from dan_model.errors import DeviceMemoryError
from dan_model.explain import explainer as explainer_module
from dan_model.ui.panels import fusion, heads
from dan_model.ui.panels import photo as photo_panel
from dan_model.ui.results import TILES, Part, Results, Tab
from dan_model.ui.session import Session
from dan_model.ui.state import PageState


def results(render_heads=lambda explanation: f"{explanation} drawn", ready=lambda state: True) -> Results:
    """Results with one part and two tabs, without a page."""
    return Results(
        [Part(TILES, gr.HTML(), lambda session, state: "tiles drawn")],
        [
            Tab("Heads", gr.HTML(), render_heads, depends_on=lambda explanation: explanation, ready=ready),
            Tab("Fusion", gr.HTML(), lambda explanation: "fusion drawn"),
        ],
    )


def test_figures_are_drawn_when_they_come_into_view():
    page, session = results(), Session()
    assert page.draw(session, "Heads") == {}
    token = session.begin_request()
    waiting = page.first(session, PageState("one"), token)[1:]
    assert [value.count("dan-undrawn") for value in waiting] == [1, 1]
    assert page.later(session, PageState("two"), token)[1:] == [gr.skip(), gr.skip()]
    assert "fusion drawn" in page.draw(session, "Fusion")["Fusion"]
    assert session.drawn_tabs == {"Fusion"}


def test_figures_say_which_request_they_belong_to():
    """The browser hides those that arrive after the line of a newer request."""
    page, session = results(), Session()
    line = page.first(session, PageState("one"), session.begin_request())[1]
    number = re.search(r'data-shown="(\d+)"', line)[0]
    assert number in page.draw(session, "Heads")["Heads"]
    assert number not in page.first(session, PageState("one"), session.begin_request())[1]


def test_figures_that_are_about_to_change_wait():
    page, session = results(ready=lambda state: not state.pending), Session()
    token = session.begin_request()
    assert "dan-undrawn" not in page.first(session, PageState("one", ("more",)), token)[1]
    assert "dan-undrawn" in page.later(session, PageState("one"), token)[1]


def test_figures_are_drawn_again_only_when_what_they_depend_on_changes():
    page, session = results(), Session()
    token = session.begin_request()
    page.first(session, PageState("one"), token)
    page.draw(session, "Heads")
    assert page.later(session, PageState("one"), token)[1] == gr.skip()
    assert "two drawn" in page.later(session, PageState("two"), token)[1]


def test_figures_that_change_while_they_are_drawn_are_drawn_again():
    session = Session()

    def changed_meanwhile(explanation):
        page.later(session, PageState("two"), token)
        return f"{explanation} drawn"

    page = results(changed_meanwhile)
    token = session.begin_request()
    page.first(session, PageState("one"), token)
    assert "two drawn" in page.draw(session, "Heads")["Heads"]


def test_figures_of_what_is_no_longer_shown_are_dropped():
    session = Session()
    replacements = [Session.begin_photo, lambda one: page.first(one, PageState("two"), one.begin_request())]

    def replaced_meanwhile(explanation):
        replacements.pop()(session)
        return "heads drawn"

    page = results(replaced_meanwhile)
    page.first(session, PageState("one"), session.begin_request())
    assert page.draw(session, "Heads") == {}  # another face is shown
    assert page.draw(session, "Heads") == {}  # the photo was removed


def test_a_measurement_that_begins_meanwhile_does_not_drop_figures():
    """It is a request of its own, and shows the same face."""
    session = Session()
    page = results(lambda explanation: session.begin_request() and "heads drawn")
    page.first(session, PageState("one"), session.begin_request())
    assert "heads drawn" in page.draw(session, "Heads")["Heads"]


@pytest.mark.parametrize("step", ["first", "later"])
def test_nothing_is_shown_of_a_photo_that_was_removed_while_it_was_drawn(step):
    """Drawing takes seconds: a photo that is removed meanwhile must not come back when it ends."""
    session = Session()

    def removed_meanwhile(session, state):
        session.begin_photo()
        return "tiles of the removed face"

    page = results()
    token = session.begin_request()
    page.first(session, PageState("one"), token)
    page._parts[TILES] = Part(TILES, gr.HTML(), removed_meanwhile)
    assert getattr(page, step)(session, PageState("one"), token) is None
    assert session.state is None


def test_the_page_shows_nothing_of_a_removed_photo(build_page, monkeypatch):
    """The same with the handlers of the page: the photo is removed while the first tiles are drawn."""
    page = build_page()
    list(page.upload("hopper.jpg"))
    computed = explainer_module.compute_fusion

    def slow(*arguments):
        list(page.upload(None))
        return computed(*arguments)

    monkeypatch.setattr(explainer_module, "compute_fusion", slow)
    for values in page.explain("layer_grad_cam"):
        assert all(value == gr.skip() for value in values.values())


def stop_at(page, monkeypatch, when: str) -> dict[str, str]:
    """What the page shows when Stop is pressed while `when` is computed."""
    computed = getattr(explainer_module, when)

    def slow(*arguments):
        page.handlers["on_stop"](page.visitor)
        return computed(*arguments)

    monkeypatch.setattr(explainer_module, when, slow)
    shown = dict.fromkeys(page.names, "")
    for values in page.upload("hopper.jpg", "layer_grad_cam"):
        shown |= {name: value for name, value in values.items() if value != gr.skip()}
    return shown


@pytest.mark.parametrize("when", ["compute_fusion", "measure_attended_vs_used", "attribute_each"])
def test_stop_leaves_nothing_waiting(build_page, monkeypatch, when):
    page = build_page()
    shown = stop_at(page, monkeypatch, when)
    assert shown["heads row"].count("dan-tile") >= 5
    assert "dan-waiting" not in shown["tiles"]
    drawn = page.draw("dan-heads")
    assert "dan-undrawn" in shown[heads.NAME]
    assert "Which parts of the face" in drawn
    assert ("dan-view-attended-vs-used" in drawn) == (when != "compute_fusion")


def test_what_fails_midway_keeps_what_is_ready_and_leaves_nothing_waiting(build_page, monkeypatch):
    page = build_page()

    def fail(*_):
        raise DeviceMemoryError("There is no memory for a single pass.", "Take another device.")

    monkeypatch.setattr(explainer_module, "attribute_each", fail)
    shown = []
    with pytest.raises(gr.Error, match="no memory"):
        shown.extend(values["tiles"] for values in page.upload("hopper.jpg", "layer_grad_cam"))
    assert "dan-waiting" in shown[-2]
    assert "dan-waiting" not in shown[-1]


@pytest.mark.parametrize("where", ["load_photo", "explain_stages"])
def test_after_an_unforeseen_error_nothing_goes_on_and_another_photo_is_taken(build_page, monkeypatch, where):
    page, shown = build_page(), []

    def fail(*_args, **_settings):
        raise RuntimeError("out of memory at /home/somebody/photo.jpg")

    with monkeypatch.context() as patch:
        patch.setattr(*((photo_panel, where) if where == "load_photo" else (explainer_module.Explainer, where)), fail)
        with pytest.raises(RuntimeError):
            shown.extend(page.upload("hopper.jpg"))
    assert "an unforeseen error" in shown[-1]["status"]
    assert "somebody" not in shown[-1]["status"]
    assert "Looking for faces" not in shown[-1]["status"]
    assert shown[-1]["flow"] == ""
    assert any("dan-row" in str(values["heads row"]) for values in page.upload("astronaut.jpg"))
    assert any("dan-row" in str(values["heads row"]) for values in page.upload("astronaut.jpg"))


def test_a_film_that_begins_leaves_no_tile_waiting(build_page):
    page = build_page()
    steps = page.upload("hopper.jpg", "layer_grad_cam", "saliency")
    waiting = next(values["tiles"] for values in steps if "dan-waiting" in str(values.get("tiles")))
    assert waiting.count("dan-waiting") >= 1
    _, tiles = page.handlers["on_begin"](page.visitor)
    assert "dan-waiting" not in tiles
    assert tiles.count('class="dan-tile"') == waiting.count('class="dan-tile"')
    assert page.handlers["on_begin"](page.visitor)[1] == gr.skip()  # nothing waits any more


def test_what_a_lent_gpu_computes_crosses_processes(build_page):
    """spaces.GPU pickles the arguments and the results."""
    calls = []

    def gpu(compute):
        def elsewhere(*arguments):
            calls.append(arguments[0])
            for explanation in compute(*pickle.loads(pickle.dumps(arguments))):
                yield pickle.loads(pickle.dumps(explanation))

        return elsewhere

    page = build_page(gpu)
    _, _, *shown = page.upload("hopper.jpg", "layer_grad_cam")  # looking for faces, found
    assert calls == [("", None)]
    assert len(shown) == 3  # heads and fusion, attended versus used, Grad-CAM
    assert "Grad-CAM, peak" in shown[-1]["tiles"]


def test_every_tab_with_figures_is_a_result(build_page):
    names = build_page().names
    assert names[0] == "status"
    assert names[-5:] == (heads.NAME, fusion.NAME, "Cover", "Attributions", "Classes")
