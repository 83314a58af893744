"""The page as it opens: an example is explained, the first screen shows the whole way, and all of it is alive."""

from __future__ import annotations

import io
import json
import re
import zipfile
from urllib.parse import parse_qs, urlsplit
from xml.etree import ElementTree

import pytest
from PIL import Image
from playwright.sync_api import expect

from dan_model.explain.cover import Cover, explain_covered
from dan_model.explain.fusion import ablate
from dan_model.explain.regions import REGIONS
from dan_model.show.report import numbers
from dan_model.show.sentences import signed
from dan_model.show.tiles import percent
from dan_model.ui.panels.cover import CELLS
from dan_model.ui.results import Results
from dan_model.weights import fingerprint
from tests.fixtures.examples import EXAMPLES
from tests.fixtures.queues import wait_until_idle

pytestmark = pytest.mark.browser


@pytest.fixture
def opened(open_at, shipped, shipped_blocks, explainer):
    """The page at 1440 px, just opened, and the passes of the network since then."""
    wait_until_idle(shipped_blocks)  # what the visitor before had begun has ended
    passes = []
    hook = explainer.model.features[0].register_forward_hook(lambda *_: passes.append(1))
    page = open_at(shipped)
    expect(page.locator("#dan-tiles .dan-tile")).to_have_count(8)
    yield page, passes
    hook.remove()


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


def test_an_enlarged_map_lies_over_its_face_and_says_what_it_promises(opened, explainer):
    page, passes = opened
    page.locator("#dan-heads-row .dan-zoom").nth(1).click()
    dialog = page.locator("#dan-enlarged")
    expect(dialog.locator(".dan-promise")).to_contain_text("weighs the features")
    # The slider fades the map; both pictures are square and lie side by side.
    over = dialog.locator(".dan-over")
    face, under = dialog.locator(".dan-plain-face img").bounding_box(), dialog.locator(".dan-under").bounding_box()
    assert over.bounding_box() == under
    assert under["width"] == pytest.approx(under["height"], abs=1)
    assert face["x"] + face["width"] < under["x"]
    dialog.locator(".dan-opacity").focus()
    page.keyboard.press("Home")
    assert over.evaluate("one => one.style.opacity") == "0"
    smooth = over.get_attribute("src")
    dialog.locator(".dan-native").check()
    assert over.get_attribute("src") != smooth
    # Its regions are the library's.
    e = explainer.explain(EXAMPLES / "hopper.jpg")
    shares = sorted(e.regions.shares(e.heads.spatial[1]).tolist(), reverse=True)
    assert dialog.locator(".dan-region-shares td:last-child").all_inner_texts() == [percent(s) for s in shares]
    # Pictures and vectors of it, and of a figure.
    with page.expect_download() as download:
        dialog.locator('.dan-save[data-kind="png"]').click()
    with Image.open(download.value.path()) as saved:
        assert saved.width == 3 * 480
    assert download.value.suggested_filename == "dan-neutral-head-2.png"
    page.keyboard.press("Escape")
    with page.expect_download() as download:
        page.locator('.dan-view .dan-save[data-kind="svg"]:visible').first.click()
    assert ElementTree.parse(download.value.path()).getroot().tag.endswith("svg")
    assert download.value.suggested_filename.startswith("dan-neutral-")
    assert len(passes) == 1  # of this test's own explanation


def test_an_enlarged_difference_stays_the_difference_on_a_page_that_was_just_opened(opened):
    page, _ = opened
    page.locator("#dan-heads-row .dan-compared", has_text="difference").click()
    tile = page.locator("#dan-heads-row .dan-tile").first
    ends = tile.locator(".dan-bar span")
    expect(ends.first).to_contain_text("−")
    tile.locator(".dan-zoom").click()
    dialog = page.locator("#dan-enlarged")
    expect(dialog.locator(".dan-plain-face img")).to_have_attribute("src", re.compile("^data:"))  # the server's answer
    assert dialog.locator(".dan-bar span").all_inner_texts() == ends.all_inner_texts()


def test_covered_regions_change_prediction_maps_flow_and_table(opened, explainer):
    page, passes = opened
    page.get_by_role("tab", name="Cover").click()
    page.locator(".dan-cover-region", has_text="mouth").click()
    expect(page.locator(".dan-flow-caption")).to_contain_text("Mouth covered")
    assert len(passes) == 1
    # What is shown is the library's.
    e = explainer.explain(EXAMPLES / "hopper.jpg")
    step = e.regions.map.shape[0] // CELLS
    cells = e.regions.map[step // 2 :: step, step // 2 :: step] == REGIONS.index("mouth")
    covered = explain_covered(explainer, e, Cover(cells.numpy()))
    expected = [percent(p) for p in covered.prediction.probabilities.tolist()]
    assert page.locator("#dan-probabilities .dan-class > :last-child").all_inner_texts() == expected
    tables = page.locator(".dan-side-table")
    assert tables.nth(0).locator("td:last-child").all_inner_texts() == expected
    contributions = [signed(one) for one in covered.fusion.ledger[:, e.target]]
    assert tables.nth(1).locator("td:last-child").all_inner_texts()[1:] == contributions
    assert page.locator(".dan-flow-wide .dan-contribution").all_text_contents() == contributions
    # Painted on, then undone step by step; the flow picture's Undo uncovers the face as well.
    box = page.locator(".dan-cover canvas").bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 8)
    expect(page.locator(".dan-flow-caption")).to_contain_text("Part of the face covered")
    page.locator(".dan-cover-undo").click()
    expect(page.locator(".dan-flow-caption")).to_contain_text("Mouth covered")
    page.locator(".dan-flow-caption button").click()
    expect(page.locator(".dan-cover-result")).to_contain_text("Nothing is covered")
    expect(page.locator("#dan-probabilities .dan-best")).to_contain_text(
        percent(float(e.prediction.probabilities.max()))
    )


def test_a_link_restores_example_face_class_tab_and_heads(open_at, shipped):
    page = open_at(f"{shipped}/?example=two_faces&face=2&class=anger&tab=Fusion&off=1,3&alpha=1.5&head=Head+9")
    expect(page.locator(".dan-flow-caption")).to_contain_text("Head 1, Head 3 off, α = 1.50")
    expect(page.locator(".dan-class.dan-explained").first).to_contain_text("anger")
    expect(page.locator("#dan-ledger")).to_be_visible()
    page.wait_for_function(
        "Math.abs(document.getElementById('dan-tabs').getBoundingClientRect().top) < 3"
    )  # what it leads to
    assert page.locator("#dan-face input:checked").get_attribute("value") == "2"
    page.locator(".dan-copy-link").click()
    expect(page.locator("#dan-download")).to_contain_text("Link copied.")
    copied = parse_qs(urlsplit(page.evaluate("navigator.clipboard.readText()")).query)
    wanted = {"example": ["two_faces"], "face": ["2"], "class": ["anger"], "tab": ["Fusion"]}
    assert copied == {**wanted, "off": ["1,3"], "alpha": ["1.5"]}


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
    assert found["provenance"]["weights"]["fingerprint"] == fingerprint(explainer.model)
    assert "hopper" not in json.dumps(found)  # the name of the photo


def test_figures_of_another_face_that_arrive_late_are_hidden_and_asked_for_again(open_at, shipped, monkeypatch):
    draw, late = Results.draw, ['<div data-shown="-1">of another face</div>']

    def first_late(results, session, name):
        return {name: late.pop()} if late and name == "Heads" else draw(results, session, name)

    monkeypatch.setattr(Results, "draw", first_late)
    page = open_at(shipped)
    page.locator("#dan-tabs").scroll_into_view_if_needed()
    expect(page.locator("#dan-view-regions")).to_be_visible()
    expect(page.get_by_text("of another face")).to_have_count(0)
    assert late == []
