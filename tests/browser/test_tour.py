"""The tour is taken by doing what it asks; guessing first hides the answer; words show their meaning."""

from __future__ import annotations

import re

import gradio as gr
import pytest
from playwright.sync_api import expect

from dan_model.explain import Explainer
from dan_model.show.tiles import percent
from dan_model.show.tour import tour_cards
from dan_model.ui.page import build
from dan_model.ui.theme import launch_settings, queue_settings
from dan_model.ui.weights_cache import LoadedWeights, WeightsCache
from dan_model.weights import load_checkpoint
from tests.fixtures.examples import EXAMPLES
from tests.fixtures.models import random_dan

pytestmark = pytest.mark.browser

# What the card points at is beside the card or above it, never behind it, once the page has scrolled there.
LIGHT_IS_FREE = """() => {
  const boxOf = (name) => document.querySelector(name).getBoundingClientRect();
  const light = boxOf(".dan-tour-light"), card = boxOf(".dan-tour-card");
  const floor = light.right <= card.left ? innerHeight : card.top;
  return Math.min(light.bottom, floor) - Math.max(light.top, 0) >= Math.min(light.height, 48);
}"""


def shown_flow(page):
    return page.locator("#dan-flow svg:visible")


def do_task(page, name, card):
    """What a card asks for."""
    if name == "guess":
        page.locator(".dan-guess-class").nth(1).click()
    if name == "cells":
        for cell in (0, 1, 2):
            page.locator(".dan-guess-cell").nth(cell).click()
        page.locator(".dan-guess-reveal").click()
    if name == "gates":
        shown_flow(page).locator(f'.dan-part-head[data-head="{card.head}"]').click()
    if name == "swap":
        page.locator(".dan-swap").select_option("0,1")
    if name == "equal":
        page.locator(".dan-alpha").fill("0")
    if name == "off":
        page.locator(f'.dan-switch[data-switch="off"][data-head="{card.head}"]').click()
    if name == "second":
        label = re.search("choose (.+)[.]", card.task).group(1)
        page.locator("#dan-target input").click()
        page.locator("#dan-target [role=option]", has_text=label).click()
    if name == "cover":
        page.locator(".dan-cover-region", has_text="mouth").click()
    if name == "limits":
        chosen = page.locator(".dan-compared", has_text="average")
        (chosen if chosen.count() else page.locator("#dan-tabs [role=tab]", has_text="Faithfulness")).click()
    if name == "another":
        page.locator(".dan-example", has_text="Eileen Collins").click()


def take_tour(page, explanation):
    cards = tour_cards(explanation)
    page.locator(".dan-tour-start").click()
    for i, card in enumerate(cards):
        box = page.locator(".dan-tour-card")
        expect(box.locator(".dan-tour-place")).to_have_text(f"Tour, card {i + 1} of {len(cards)}")
        if card.name != "another":  # it may follow the class that was chosen before
            expect(box.locator("h2")).to_have_text(card.title)
        expect(box.locator(".dan-tour-result")).to_have_text("")
        expect(page.locator(".dan-tour-light")).to_be_visible()
        do_task(page, card.name, card)
        expect(box.locator(".dan-tour-task")).to_have_class(re.compile("dan-done"))
        expect(box.locator(".dan-tour-result")).not_to_contain_text("{")
        if card.name == "another":  # of the new face
            predicted = page.locator("#dan-probabilities .dan-best > :first-child").inner_text()
            expect(box.locator(".dan-tour-result")).to_contain_text(f"Now the network predicts {predicted}")
            assert page.locator(".dan-example", has_text="Eileen Collins").get_attribute("aria-pressed") == "true"
        page.wait_for_function(LIGHT_IS_FREE)
        assert f"tour={i + 1}" in page.url
        page.locator(".dan-tour-next").click()
    expect(page.locator(".dan-tour-card")).to_be_hidden()
    assert "tour=" not in page.url
    return cards


def test_the_whole_tour_on_a_wide_screen(open_at, shipped, explainer):
    page = open_at(shipped)
    take_tour(page, explainer.explain(EXAMPLES / "hopper.jpg", attributions=()))
    expect(page.locator("#dan-main")).to_be_visible()  # nothing stays hidden


def test_the_whole_tour_on_a_phone_and_another_face(open_at, shipped, explainer):
    page = open_at(f"{shipped}/?example=mean_sadness", 375, 812)
    expect(page.locator(".dan-example[aria-pressed=true]")).to_contain_text("sadness")
    e = explainer.explain(EXAMPLES / "mean_sadness.png", attributions=())
    probability = percent(float(e.prediction.probabilities.max()))  # both faces are neutral
    expect(page.locator("#dan-probabilities .dan-best")).to_contain_text(f"neutral{probability}")
    take_tour(page, e)


@pytest.fixture(scope="module")
def two_heads(detector):
    """A page with a two-head network and without explanations made in advance: it opens empty."""
    explainer = Explainer(random_dan(4, 2, image_size=64), detector)
    gr.set_static_paths([EXAMPLES])
    page = build(WeightsCache(LoadedWeights(load_checkpoint(), explainer), paths_allowed=True), EXAMPLES)
    page.queue(**queue_settings()).launch(prevent_thread_lock=True, quiet=True, **launch_settings())
    yield page.local_url.rstrip("/"), explainer
    page.close()


def test_the_tour_asks_for_a_face_first_and_fits_two_heads(open_at, two_heads):
    address, explainer = two_heads
    page = open_at(address)
    page.locator(".dan-tour-start").click()
    expect(page.locator(".dan-tour-card h2")).to_have_text("First, a face")
    page.locator(".dan-example", has_text="Grace Hopper").click()
    expect(page.locator(".dan-tour-place")).to_have_text("Tour, card 1 of 10")
    page.locator(".dan-tour-leave").click()
    take_tour(page, explainer.explain(EXAMPLES / "hopper.jpg", attributions=()))


def by_tab(page, selector):
    """Press Tab until an element that matches is focused."""
    for _ in range(12):
        if page.evaluate("selector => document.activeElement.matches(selector)", selector):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"Tab does not reach {selector}")


def test_the_whole_tour_by_keyboard(open_at, shipped):
    page = open_at(shipped)
    press = page.keyboard.press
    page.locator(".dan-tour-start").focus()
    press("Enter")

    def go():
        expect(page.locator(".dan-tour-card h2")).to_be_focused()
        expect(page.locator(".dan-tour-light")).to_be_visible()
        by_tab(page, ".dan-tour-go")
        press("Enter")

    def done():
        expect(page.locator(".dan-tour-next")).to_be_focused()  # the card takes the focus back
        expect(page.locator(".dan-tour-result")).not_to_have_text("")
        press("Enter")

    go()  # a class
    by_tab(page, ".dan-guess-class")
    press("Space")
    done()
    go()  # cells by arrows
    expect(page.locator(".dan-guess-cell").first).to_be_focused()
    press("ArrowRight")
    press("ArrowDown")
    expect(page.locator(".dan-guess-cell").nth(8)).to_be_focused()
    press("Space")
    expect(page.locator(".dan-guess-cell[aria-pressed=true]")).to_have_count(1)
    page.locator(".dan-guess-reveal").focus()
    press("Enter")
    done()
    go()  # a head in the picture
    expect(page.locator("#dan-flow .dan-part-head:focus")).to_have_count(1)
    press("Enter")
    done()
    expect(page.locator(".dan-swap")).to_be_visible()
    go()  # swap, from a menu
    expect(page.locator(".dan-swap")).to_be_focused()
    press("ArrowDown")
    done()
    go()  # α = 0
    expect(page.locator(".dan-alpha")).to_be_focused()
    press("Home")
    done()
    go()  # off
    by_tab(page, '.dan-switch[data-switch="off"]')
    press("Space")
    done()
    expect(page.locator(".dan-cover-chips")).to_be_visible()
    go()  # a region
    expect(page.locator(".dan-cover-region").first).to_be_focused()
    press("Space")
    done()
    go()  # average
    by_tab(page, '.dan-compared[data-index="1"]')
    press("Space")
    done()
    go()  # the second class, by its name
    expect(page.locator("#dan-target input")).to_be_focused()
    press("Control+A")
    page.keyboard.type("sadness")
    press("Enter")
    done()
    go()  # another face
    by_tab(page, '.dan-example[data-name="astronaut"]')
    press("Space")
    expect(page.locator(".dan-tour-next")).to_be_focused()
    press("Escape")
    expect(page.locator(".dan-tour-card")).to_be_hidden()
    expect(page.locator(".dan-tour-start")).to_be_focused()


def test_a_link_opens_a_card_and_the_tour_goes_on_where_it_was_left(open_at, shipped):
    page = open_at(f"{shipped}/?tour=6&example=astronaut")
    expect(page.locator(".dan-tour-place")).to_have_text("Tour, card 6 of 10")
    expect(page.locator(".dan-tour-text")).to_contain_text("happiness")  # of the face that the link names
    page.locator(".dan-tour-leave").click()
    expect(page.locator(".dan-tour-light")).to_be_hidden()
    expect(page.locator(".dan-tour-start")).to_have_text("Tour: go on at 6")
    page.locator(".dan-tour-start").click()
    expect(page.locator(".dan-tour-place")).to_have_text("Tour, card 6 of 10")


def test_guessing_hides_the_answer_until_it_is_revealed_for_every_new_face(open_at, shipped, explainer):
    page = open_at(shipped)
    page.locator("#dan-start .dan-guess-start").click()
    hidden = page.locator("#dan-main, #dan-summary, #dan-tiles, #dan-tabs")
    for part in hidden.all():
        expect(part).to_be_hidden()
    assert page.locator(".dan-example small:visible").count() == 0  # the examples' predictions too
    assert "neutral" not in page.locator("#dan-guess").inner_text().replace("neutral\n", "", 1)  # only as a choice
    expect(page.locator(".dan-guess-reveal")).to_be_disabled()
    # The comparison: the part of a head's attention in the chosen cells, here from the library's own maps.
    for cell in (0, 31, 24, 38):  # the fourth takes the place of the first
        page.locator(".dan-guess-cell").nth(cell).click()
    page.locator(".dan-guess-class", has_text="sadness").click()
    page.locator(".dan-guess-reveal").click()
    e = explainer.explain(EXAMPLES / "hopper.jpg", attributions=())
    maps = e.heads.spatial.flatten(1).double()
    shares = maps[:, [31, 24, 38]].sum(dim=1) / maps.sum(dim=1)
    best = int(shares.argmax())
    said = page.locator(".dan-guess-answer")
    expect(said).to_contain_text(
        f"You chose sadness, the network predicts neutral ({percent(float(e.prediction.probabilities.max()))})"
    )
    expect(said).to_contain_text(f"Head {best + 1} agrees with you most: {percent(float(shares[best]))}")
    expect(said).to_contain_text(percent(3 / 49))
    expect(page.locator(".dan-guess-heads figure")).to_have_count(4)
    assert [
        text.split(" of its")[0].split()[-2:] for text in page.locator(".dan-guess-heads figcaption").all_inner_texts()
    ] == [percent(p).split() for p in sorted(shares.tolist(), reverse=True)]
    expect(page.locator("#dan-main")).to_be_visible()
    # Another face is hidden again; ending it shows the page.
    page.locator(".dan-example", has_text="Eileen Collins").click()
    expect(page.locator("#dan-main")).to_be_hidden()
    expect(page.locator(".dan-guess-cell[aria-pressed=true]")).to_have_count(0)
    page.locator(".dan-guess-end").click()
    expect(page.locator("#dan-main")).to_be_visible()
    expect(page.locator(".dan-best")).to_contain_text("happiness")
    expect(page.locator("#dan-guess")).to_be_hidden()


@pytest.mark.parametrize("width", [1440, 375])
def test_a_word_shows_its_meaning_on_hover_focus_and_tap(open_at, shipped, width):
    page = open_at(shipped, width, 812)
    word, note = page.locator("#dan-flow .dan-term", has_text="nats"), page.locator("#dan-term-note")
    word.hover()
    expect(note).to_contain_text("The unit of natural logarithms")
    page.mouse.move(0, 0)
    expect(note).to_be_hidden()
    word.click()
    expect(note).to_be_visible()
    box = note.bounding_box()
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= width
    page.keyboard.press("Escape")
    expect(note).to_be_hidden()
    page.locator("#dan-tabs [role=tab]", has_text="Learn").click()
    expect(page.locator("#dan-glossary")).to_contain_text("The unit of natural logarithms")
