"""The tabs Heads and Fusion: what the bench computes in the browser is what the library computes."""

from __future__ import annotations

import re
from decimal import Decimal

import pytest
import torch
from playwright.sync_api import Page, expect

from dan_model.explain.fusion import ablate, ablate_all_but, blend, copy, fuse, scale, swap, tug_of_war
from dan_model.explain.fusion.ledger import integrate
from dan_model.show.sentences import regions_sentence, summary
from dan_model.show.tiles import percent
from tests.browser.test_page import drawn, methods, upload
from tests.fixtures.examples import EXAMPLES
from tests.fixtures.models import random_dan

pytestmark = pytest.mark.browser


def open_fusion(page: Page, name: str) -> None:
    methods(page)
    upload(page, name)
    expect(page.locator("#dan-tiles .dan-tile")).to_have_count(5)
    page.get_by_role("tab", name="Fusion").click()
    expect(page.locator(".dan-bench")).to_be_visible()
    expect(page.locator(".dan-path polyline")).to_have_count(8)


def number(text: str) -> float:
    return float(text.replace("−", "-").replace("+", ""))


def decision(page: Page) -> tuple[list[str], list[float]]:
    """Probabilities and log-probabilities as the bench shows them."""
    rows = page.locator(".dan-decision .dan-class")
    probabilities, logs = (rows.locator(f"> :nth-child({i})").all_inner_texts() for i in (3, 4))
    return probabilities, [number(text) for text in logs]


def assert_decides(page: Page, e, embeddings: torch.Tensor) -> None:
    logits = e.fusion.classifier.logits(embeddings)
    expect(page.locator(".dan-decision .dan-best > :first-child")).to_have_text(e.labels[int(logits.argmax())])
    drawn(page)
    probabilities, shown = decision(page)
    assert shown == pytest.approx(logits.log_softmax(dim=0).tolist(), abs=0.00501)
    assert probabilities == [percent(p) for p in logits.softmax(dim=0).tolist()]
    # The flow picture and the list of classes show the same.
    assert page.locator("#dan-probabilities .dan-class > :last-child").all_inner_texts() == probabilities
    expected = [float(one) for one in integrate(e.fusion.classifier, embeddings, e.score).ledger[:, e.target]]
    for picture in (".dan-flow-wide", ".dan-flow-tall"):
        texts = page.locator(f"{picture} .dan-contribution").all_text_contents()
        assert [number(text) for text in texts] == pytest.approx(expected, abs=0.00501)


def test_every_control_predicts_as_the_library_does_and_reset_undoes_all(page, small_explainer):
    open_fusion(page, "hopper.jpg")
    e = small_explainer.explain(EXAMPLES / "hopper.jpg")
    v = e.heads.embeddings
    assert_decides(page, e, v)
    runs = []
    hooks = [
        part.register_forward_hook(lambda *_: runs.append(1))
        for part in (small_explainer.model.features[0], small_explainer.model.fc)
    ]
    try:
        page.locator(".dan-off").nth(0).click()
        assert_decides(page, e, ablate(v, 0))
        text = page.locator(".dan-bench-sentence")
        without = e.fusion.classifier.logits(ablate(v, 0)).softmax(dim=0)
        own, after = float(e.prediction.probabilities[e.target]), float(without[e.target])
        would = f"Predicted: {e.labels[int(without.argmax())]}."
        expect(text).to_have_text(f"Head 1 off: {e.prediction.label} {percent(own)} → {percent(after)}. {would}")
        page.locator(".dan-alpha").fill("0.5")
        assert_decides(page, e, blend(ablate(v, 0), 0.5))
        page.locator(".dan-reset").click()
        assert_decides(page, e, v)
        page.locator(".dan-only").nth(2).click()
        assert_decides(page, e, ablate_all_but(v, 2))
        page.locator(".dan-only").nth(2).click()
        assert_decides(page, e, v)
        page.locator(".dan-more summary").click()
        page.locator(".dan-swap").select_option("1,3")
        assert_decides(page, e, swap(v, 1, 3))
        page.locator(".dan-scale").nth(1).fill("0.25")
        assert_decides(page, e, scale(swap(v, 1, 3), 1, 0.25))
        page.locator(".dan-reset").click()
        page.locator(".dan-copy").select_option("2")
        assert_decides(page, e, copy(v, 2))
        page.locator(".dan-reset").click()
        page.locator(".dan-alpha").fill("2")
        assert_decides(page, e, blend(v, 2.0))
    finally:
        for hook in hooks:
            hook.remove()
    assert runs == []


def test_two_faces_at_alpha_zero_have_the_same_prediction(page):
    shown = []
    for name in ("hopper.jpg", "astronaut.jpg"):
        if shown:
            page.locator("#dan-upload button[aria-label='Remove Image']").click()
            expect(page.locator("#dan-tiles .dan-tile")).to_have_count(0)
        open_fusion(page, name)
        expect(page.locator(".dan-alpha")).to_have_value("1")  # another face starts without changes
        page.locator(".dan-alpha").fill("0")
        expect(page.locator(".dan-bench-sentence")).to_contain_text("α = 0.00")
        drawn(page)
        shown.append(decision(page))
    assert shown[0] == shown[1]


def test_the_formulas_show_the_chosen_channels_numbers(page, small_explainer):
    open_fusion(page, "astronaut.jpg")
    e = small_explainer.explain(EXAMPLES / "astronaut.jpg")
    v = e.heads.embeddings.double()
    tug, weight, mean = tug_of_war(e.fusion, v), e.fusion.classifier.weight, e.prediction.probabilities.double()
    for channel in (int(tug.order[0]), int(tug.order[-1])):
        page.locator(".dan-channel").select_option(str(channel))
        drawn(page)
        shares = [
            number(text.split("=")[1]) for text in page.locator(".dan-shares > div > :first-child").all_inner_texts()
        ]
        assert shares == pytest.approx(v.softmax(dim=0)[:, channel].tolist(), abs=0.000501)
        fused, identity, added, pull, slope, saturated = page.locator(".dan-numbers dd").all_inner_texts()
        assert number(fused) == pytest.approx(float(fuse(v)[channel]), abs=0.000501)
        assert number(identity.split("=")[1]) == pytest.approx(number(fused), abs=0.00101)
        assert number(added) == pytest.approx(float(fuse(v)[channel]) + 5.545177, abs=0.000501)
        of_logit = float(weight[1, channel]) * (float(fuse(v)[channel]) + 5.545177)
        assert number(pull.split("=")[1].removesuffix(" logits")) == pytest.approx(of_logit, abs=0.000501)
        expected = float(weight[1, channel] - mean @ weight[:, channel])
        assert number(slope.split("=")[1]) == pytest.approx(expected, rel=0.00501, abs=1e-6)
        terms = (*slope.split("=")[0].split(" − ", maxsplit=1), slope.split("=")[1])
        one, other, shown = (Decimal(text.strip(" ()").replace("−", "-")) for text in terms)
        assert one - other == shown  # it adds up as it is written
        assert saturated == f"{tug.saturation:.0%}".replace("%", " %")


def test_the_class_follows_the_request_and_changes_to_the_heads_stay(page, small_explainer):
    open_fusion(page, "astronaut.jpg")
    page.locator(".dan-off").nth(1).click()
    page.locator("#dan-target input").click()
    page.get_by_role("option", name="anger", exact=True).click()
    expect(page.locator(".dan-decision .dan-explained")).to_contain_text("anger")
    expect(page.locator(".dan-off").nth(1)).to_have_attribute("aria-pressed", "true")
    e = small_explainer.explain(EXAMPLES / "astronaut.jpg", "anger")
    assert_decides(page, e, ablate(e.heads.embeddings, 1))
    expect(page.locator("#dan-view-contributions")).to_contain_text("anger")


def test_heads_and_fusion_show_the_librarys_sentences_and_figures(page, small_explainer):
    methods(page)
    upload(page, "astronaut.jpg")
    e = small_explainer.explain(EXAMPLES / "astronaut.jpg", attended_vs_used=True)
    expect(page.locator("#dan-sentence")).to_contain_text(summary(e))
    expect(page.locator("#dan-heads .dan-view")).to_have_count(5)
    expect(page.locator("#dan-view-regions")).to_contain_text(regions_sentence(e))
    texts = page.locator("#dan-view-regions svg text").all_text_contents()
    shares = [f"{100 * float(share):.0f}\u00a0%" for share in e.regions.shares(e.heads.spatial[1])]
    assert any(texts[i : i + 8] == shares for i in range(len(texts)))
    page.get_by_role("tab", name="Fusion").click()
    expect(page.locator("#dan-fusion .dan-view")).to_have_count(4)
    expect(page.locator("#dan-fusion svg[role=img]")).to_have_count(4)


def test_a_kept_face_stands_beside_the_next_and_its_heads_are_transplanted(page):
    open_fusion(page, "two_faces.jpg")
    page.get_by_role("tab", name="Compare").click()
    page.locator("#dan-keep").click()
    expect(page.locator("#dan-comparison")).to_contain_text("This face is kept")
    page.locator("#dan-face label", has_text="2").click()
    expect(page.locator("#dan-comparison .dan-side-row")).to_have_count(3)  # kept, now, difference
    expect(page.locator("#dan-view-transplant")).to_contain_text(
        re.compile(r"With the other face's Head \d, happiness (falls|stays|rises)")
    )


def test_one_and_two_heads_have_their_tabs(page, tmp_path):
    for heads in (1, 2):
        random_dan(classes=3, heads=heads).save_pretrained(tmp_path / str(heads))
    methods(page)
    upload(page, "astronaut.jpg")
    page.get_by_role("tab", name="Fusion").click()
    page.locator("#dan-model button").first.click()
    for heads, chips in ((2, 2), (1, 0)):
        page.locator("#dan-model textarea, #dan-model input[type=text]").first.fill(str(tmp_path / str(heads)))
        page.locator("#dan-load").click()
        expect(page.locator("#dan-head")).to_contain_text("one attention head" if heads == 1 else "2 attention heads")
        expect(page.locator(".dan-off")).to_have_count(chips)
    expect(page.locator("#dan-fusion")).to_contain_text("needs two heads")


@pytest.mark.parametrize("width", [375, 1440])
def test_the_tabs_do_not_overflow(page, width):
    page.set_viewport_size({"width": width, "height": 900})
    methods(page)
    upload(page, "astronaut.jpg")
    for tab in ("Heads", "Fusion", "Classes"):
        page.get_by_role("tab", name=tab).click()
        expect(page.locator(".dan-view svg:visible").first).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= width
