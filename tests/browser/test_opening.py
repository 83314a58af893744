"""The page as it opens: an example is explained, the first screen shows the whole way, and all of it is alive."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator

import gradio as gr
import pytest
from playwright.sync_api import expect

from dan_model.explain.fusion import ablate
from dan_model.show.report import numbers
from dan_model.show.tiles import percent
from dan_model.ui.page import build
from dan_model.ui.theme import launch_settings
from dan_model.ui.weights_cache import LoadedWeights, WeightsCache
from dan_model.weights import load_checkpoint
from tests.fixtures.examples import EXAMPLES

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def shipped(explainer) -> Iterator[str]:
    """The address of the page with the embedded weights, as `make demo` opens it."""
    gr.set_static_paths([EXAMPLES])
    page = build(WeightsCache(LoadedWeights(load_checkpoint(), explainer), paths_allowed=True), EXAMPLES)
    page.queue(max_size=64).launch(prevent_thread_lock=True, quiet=True, **launch_settings())
    yield page.local_url.rstrip("/")
    page.close()


@pytest.fixture
def opened(browser, shipped, explainer):
    """The page at 1440 px, just opened, and the passes of the network since then."""
    passes = []
    hook = explainer.model.features[0].register_forward_hook(lambda *_: passes.append(1))
    context = browser.new_context(viewport={"width": 1440, "height": 900}, accept_downloads=True)
    page, failures = context.new_page(), []
    page.on("pageerror", lambda error: failures.append(str(error)))
    page.goto(shipped)
    expect(page.locator("#dan-tiles .dan-tile")).to_have_count(8)
    yield page, passes
    hook.remove()
    assert failures == []
    context.close()


def test_the_first_screen_shows_face_flow_answer_and_heads_without_a_pass(opened):
    page, passes = opened
    for place in ("#dan-flow .dan-flow-wide", "#dan-probabilities", "#dan-sentence", "#dan-examples"):
        box = page.locator(place).bounding_box()
        assert box["y"] + box["height"] <= 900
    for picture in page.locator("#dan-heads-row .dan-zoom").all():
        box = picture.bounding_box()
        assert box["y"] + box["height"] <= 900
        assert box["width"] >= 220
    expect(page.locator(".dan-best")).to_contain_text("neutral")
    expect(page.locator(".dan-example[aria-pressed=true]")).to_contain_text("Grace Hopper")  # it is an example
    assert passes == []


def test_all_of_it_works_before_the_first_pass(opened, explainer):
    page, passes = opened
    e = explainer.explain(EXAMPLES / "hopper.jpg", attributions=("layer_grad_cam",))
    passes.clear()
    # Heads are switched off under their maps; flow picture and probabilities follow.
    before = page.locator(".dan-flow-wide .dan-band").evaluate_all("all => all.map(one => one.getAttribute('d'))")
    page.locator('.dan-switch[data-switch="off"]').first.click()
    without = e.fusion.classifier.logits(ablate(e.heads.embeddings, 0)).softmax(dim=0)
    best = int(without.argmax())
    expect(page.locator(".dan-flow-caption")).to_contain_text(f"would read {e.labels[best]}")
    assert page.locator("#dan-probabilities .dan-class > :last-child").all_inner_texts() == [
        percent(p) for p in without.tolist()
    ]
    page.locator(".dan-flow-caption button").click()
    expect(page.locator(".dan-flow-caption")).to_contain_text("All heads equal")
    after = page.locator(".dan-flow-wide .dan-band").evaluate_all("all => all.map(one => one.getAttribute('d'))")
    assert after == before
    # Average and difference of the heads' maps; another example; a part of the picture opens its tab.
    page.locator(".dan-compared", has_text="average").click()
    expect(page.locator("#dan-heads-row")).to_contain_text("average over the reference faces")
    page.locator(".dan-example", has_text="Two faces").click()
    expect(page.locator("#dan-status")).to_contain_text("2 faces found")
    page.locator(".dan-face-box").nth(1).click()
    expect(page.locator(".dan-best")).to_contain_text("happiness")
    page.locator(".dan-part-fusion").first.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#dan-view-contributions")).to_be_visible()
    assert passes == []


def test_pointing_at_a_head_leaves_only_what_belongs_to_it(opened):
    page, _ = opened
    page.locator(".dan-flow-wide .dan-part-head").nth(2).hover()
    faded = page.locator("#dan-tiles .dan-tile.dan-faded b")
    expect(faded).to_have_text(["Head 1", "Head 2", "Head 4"])
    page.locator("#dan-sentence").hover()
    expect(faded).to_have_count(0)


def test_everything_of_the_face_can_be_downloaded(opened, explainer):
    page, passes = opened
    with page.expect_download() as download:
        page.locator(".dan-download").click()
    with zipfile.ZipFile(io.BytesIO(download.value.path().read_bytes())) as file:
        found = json.loads(file.read("numbers.json"))
    assert passes == []
    live = numbers(explainer.explain(EXAMPLES / "hopper.jpg"))
    assert found["prediction"]["label"] == "neutral"
    assert found["fusion"]["contributions"] == pytest.approx(live["fusion"]["contributions"], abs=1e-3)
    assert set(found["attributions"]) == {"layer_grad_cam", "integrated_gradients", "occlusion"}
