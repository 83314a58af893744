"""The tabs Attributions and Faithfulness: what they show is what the library measures, and Stop stops the measuring."""

from __future__ import annotations

from collections import deque

import pytest
from playwright.sync_api import Page, expect

from dan_model.show.faithfulness_views import (
    areas_sentence,
    attribution_sentence,
    infidelity_sentence,
    randomisation_sentence,
)
from dan_model.show.tiles import percent
from dan_model.ui.session import Session
from tests.browser.test_page import finished, methods, upload
from tests.fixtures.examples import EXAMPLES

pytestmark = pytest.mark.browser
SLOWER = 240_000  # milliseconds: every map for each layer, on two busy cores


def open_tab(page: Page, tab: str, *titles: str) -> None:
    methods(page, *titles)
    upload(page, "astronaut.jpg")
    expect(page.locator("#dan-tiles .dan-tile").first).to_be_visible()
    finished(page)
    page.get_by_role("tab", name=tab).click()


def test_cards_say_what_each_attribution_promises_and_keeps(page, small_explainer):
    open_tab(page, "Attributions", "Head Grad-CAM", "DeepLift", "Region ablation")
    names = ("head_grad_cam", "deep_lift", "region_ablation")
    e = small_explainer.explain(EXAMPLES / "astronaut.jpg", attributions=names)
    expect(page.locator(".dan-card")).to_have_count(3)
    lift = page.locator('.dan-card[data-request="deep_lift"]')
    expect(lift.locator(".dan-warning")).to_have_text(attribution_sentence(e.attributions["deep_lift"]))
    expect(page.locator("#dan-tiles .dan-tile", has_text="DeepLift")).to_contain_text("⚠")
    expect(page.locator('.dan-card[data-request="head_grad_cam"] .dan-small-row img')).to_have_count(4)
    by_region = e.attributions["region_ablation"].by_region
    most = f"{float(by_region[by_region.abs().argmax()]):+.2f}".replace("-", "−")
    expect(page.locator('.dan-card[data-request="region_ablation"]')).to_contain_text(most)


def test_baselines_stand_side_by_side_and_a_class_can_be_explained_rather_than_another(page, small_explainer):
    methods(page, "Region ablation")
    for baseline in ("black", "blur"):
        page.locator("#dan-baselines label", has_text=baseline).locator("input").click()
    upload(page, "astronaut.jpg")
    finished(page)
    expect(page.locator("#dan-tiles .dan-tile", has_text="Region ablation")).to_have_count(2)
    page.locator("#dan-against input").click()
    page.get_by_role("option", name="surprise", exact=True).click()
    expect(page.locator(".dan-explained-score")).to_contain_text("happiness rather than surprise")
    e = small_explainer.explain(EXAMPLES / "astronaut.jpg", target="happiness", against="surprise")
    shown = f"sum {float(e.fusion.map.sum()):+.2f} nats".replace("-", "−")
    expect(page.locator("#dan-tiles .dan-tile", has_text="AFN fusion")).to_contain_text(shown)


def test_raw_logits_come_with_a_note_and_equal_base_rates_move_every_number(page, small_explainer):
    methods(page)
    upload(page, "hopper.jpg")
    expect(page.locator("#dan-tiles .dan-tile")).to_have_count(5)
    page.locator("#dan-against input").click()
    page.get_by_role("option", name="nothing (raw logit)", exact=True).click()
    expect(page.locator(".dan-explained-score")).to_contain_text("A raw logit is not the decision")
    raw = small_explainer.explain(EXAMPLES / "hopper.jpg", score="logit")
    fusion = page.locator("#dan-tiles .dan-tile", has_text="AFN fusion")
    total = float(raw.fusion.map.sum())
    note = f"sum {total:+.2f} logits" if float(raw.fusion.map.max()) > 0 else "no positive evidence"
    expect(fusion).to_contain_text(note)
    page.locator("#dan-base-rates label", has_text="every expression equally likely").locator("input").click()
    expect(page.locator("#dan-status")).to_contain_text("every expression counts as equally likely")
    uniform = small_explainer.explain(EXAMPLES / "hopper.jpg", score="logit", prior="uniform")
    first = percent(float(uniform.prediction.probabilities[0]))
    expect(page.locator("#dan-probabilities .dan-class").first).to_contain_text(first)
    shown = page.locator("#dan-probabilities .dan-class > :last-child").all_inner_texts()
    assert shown == [percent(p) for p in uniform.prediction.probabilities.tolist()]


def test_measurements_are_the_librarys(page, small_explainer, few_controls, short_curves):
    open_tab(page, "Faithfulness", "Grad-CAM")
    expect(page.locator("#dan-faithfulness")).to_contain_text("Not measured for this face yet")
    page.locator("#dan-sensitivity input").uncheck()
    page.locator("#dan-measure").click()
    expect(page.locator("#dan-faithfulness")).to_contain_text("still to come")
    expect(page.locator("#dan-faithfulness")).not_to_contain_text("still to come", timeout=SLOWER)
    expect(page.locator("#dan-faithfulness .dan-view")).to_have_count(4)
    e = small_explainer.explain(EXAMPLES / "astronaut.jpg", attributions=("layer_grad_cam",))
    found = deque(small_explainer.faithfulness(e, sensitivity=False), maxlen=1).pop()
    expect(page.locator("#dan-view-faithfulness")).to_contain_text(areas_sentence(found))
    expect(page.locator("#dan-view-infidelity")).to_contain_text(infidelity_sentence(found))
    texts = page.locator("#dan-view-infidelity svg text").all_text_contents()
    assert [text for text in texts if "." in text] == [f"{one.infidelity:.2f}" for one in (*found.maps, found.edges)]


def test_the_slider_shows_each_map_under_a_more_random_network(page, small_explainer):
    open_tab(page, "Faithfulness", "Grad-CAM")
    page.locator("#dan-randomise").click()
    expect(page.locator("#dan-view-randomisation")).to_be_visible()
    expect(page.locator("#dan-randomisation")).not_to_contain_text("still to come", timeout=SLOWER)
    e = small_explainer.explain(EXAMPLES / "astronaut.jpg", attributions=("layer_grad_cam",))
    found = deque(small_explainer.randomisation(e), maxlen=1).pop()
    expect(page.locator("#dan-view-randomisation")).to_contain_text(randomisation_sentence(found))
    page.locator(".dan-depth").fill(str(len(found.layers)))
    shown = page.locator("#dan-randomisation figure", has_text="Grad-CAM").locator("figcaption:visible")
    last = found.similarity("layer_grad_cam")[-1]
    expect(shown).to_contain_text(f"ρ {round(last, 2):g}".replace("-", "−"))


@pytest.mark.parametrize("leaves", [False, True])
def test_stop_and_leaving_end_the_measuring_within_one_pass(
    page, small_explainer, few_controls, monkeypatch, wait_until_idle, leaves
):
    """Counted: the passes that end after the page's Stop, or the visitor's leaving, has arrived."""
    passes, at_stop = [], []
    stop = Session.stop

    def noted(session):
        stop(session)
        at_stop.append(len(passes))

    open_tab(page, "Faithfulness")
    monkeypatch.setattr(Session, "stop", noted)
    hook = small_explainer.model.fc.register_forward_hook(lambda *_: passes.append(1))
    try:
        page.locator("#dan-measure").click()
        expect(page.locator("#dan-faithfulness")).to_contain_text("still to come")
        if leaves:
            page.close()
        else:
            page.locator("#dan-faithfulness .dan-stop-here").click()
            expect(page.locator("#dan-faithfulness")).to_contain_text("Stopped.")
            expect(page.locator("#dan-faithfulness")).not_to_contain_text("still to come")
            expect(page.locator("#dan-stop")).to_be_hidden()
        wait_until_idle(lambda: at_stop)
        assert len(passes) - at_stop[0] <= 1
        assert len(passes) < 46  # all of it takes as many: 1 + 2 + 2·4, then 5·4, then 5·3
    finally:
        hook.remove()


@pytest.mark.parametrize("width", [375, 1440])
def test_the_tabs_do_not_overflow(page, width):
    page.set_viewport_size({"width": width, "height": 900})
    open_tab(page, "Attributions", "Head Grad-CAM", "DeepLift")
    expect(page.locator(".dan-card").first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.get_by_role("tab", name="Faithfulness").click()
    expect(page.locator("#dan-measure")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
