"""The page as a visitor meets it, in headless Chromium."""

from __future__ import annotations

import base64
import io
import json
import time
from urllib.parse import urlsplit

import pytest
from PIL import Image, ImageOps
from playwright.sync_api import Page, expect

from dan_model.explain import Explainer
from dan_model.explain.attributions import METHODS
from dan_model.faces import read_image
from dan_model.show.citation import BIBTEX
from dan_model.show.sentences import summary
from dan_model.show.tiles import percent
from tests.browser.conftest import open_page
from tests.fixtures.examples import EXAMPLES
from tests.fixtures.models import random_dan

pytestmark = pytest.mark.browser


def upload(page: Page, name: str) -> None:
    page.set_input_files("#dan-upload input[type=file]", EXAMPLES / name)


def methods(page: Page, *titles: str) -> None:
    """Leave only these methods checked."""
    if not page.locator("#dan-methods").is_visible():
        page.locator("#dan-settings button").first.click()
    expect(page.locator("#dan-methods label")).to_have_count(len(METHODS))
    for label in page.locator("#dan-methods label").all():
        label.locator("input").set_checked(label.inner_text().split(" · ")[0].strip() in titles)


def drawn(page: Page) -> None:
    """Wait for the next frame: what was changed is drawn by then."""
    page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")


def titles(page: Page) -> list[str]:
    return page.locator("#dan-tiles .dan-tile b").all_inner_texts()


def finished(page: Page) -> None:
    expect(page.locator(".dan-waiting")).to_have_count(0)


HEADS = ["Head 1", "Head 2", "Head 3", "Head 4", "AFN fusion"]


# What the tiles show when the first of them is there: titles of those that are ready, and how many are waiting.
NOTE_FIRST_RESULTS = """() => {
  window.firstResults = null;
  const tiles = (kind) => [...document.querySelectorAll(`#dan-tiles .dan-tile${kind}`)];
  new MutationObserver(() => {
    const ready = tiles(":not(.dan-waiting)").map((tile) => tile.querySelector("figcaption b").textContent);
    const waiting = tiles(".dan-waiting");
    if (ready.length && waiting.length) firstResults ??= [ready, waiting.length];
  }).observe(document.body, { childList: true, subtree: true });
}"""


def test_an_upload_shows_heads_and_fusion_before_attributions_and_contacts_no_other_host(page, server):
    methods(page, "Grad-CAM", "Occlusion")
    page.evaluate(NOTE_FIRST_RESULTS)
    upload(page, "astronaut.jpg")
    expect(page.locator("#dan-tiles .dan-tile").first).to_be_visible()
    finished(page)
    assert page.evaluate("firstResults") == [HEADS, 2]  # and both attributions still to come
    assert titles(page) == [*HEADS, "Grad-CAM", "Occlusion"]
    expect(page.locator(".dan-best")).to_contain_text("happiness")
    hosts = {urlsplit(url).netloc for url in page.requested if not url.startswith(("data:", "blob:"))}
    assert hosts == {urlsplit(server).netloc}


def test_the_numbers_on_the_page_are_the_librarys(page, small_explainer):
    methods(page)
    upload(page, "hopper.jpg")
    expect(page.locator("#dan-tiles .dan-tile")).to_have_count(5)
    e = small_explainer.explain(EXAMPLES / "hopper.jpg")
    shown = page.locator("#dan-probabilities .dan-class > :last-child").all_inner_texts()
    assert shown == [percent(p) for p in e.prediction.probabilities.tolist()]
    page.get_by_role("tab", name="Fusion").click()
    expect(page.locator(".dan-ledger")).to_be_visible()
    cells = [float(text.replace("−", "-")) for text in page.locator(".dan-ledger tbody td").all_inner_texts()]
    expected = [*e.fusion.consensus.tolist(), *e.fusion.ledger.flatten().tolist()]
    expected += e.prediction.logits.log_softmax(dim=0).tolist()
    assert cells == pytest.approx(expected, abs=0.0051)
    values = json.loads(page.locator("#dan-tiles .dan-tile").nth(1).get_attribute("data-values"))
    assert [float(v) for row in values for v in row] == pytest.approx(e.heads.spatial[1].flatten().tolist(), rel=1e-3)


def test_changing_the_target_class_explains_that_class(page, small_explainer):
    methods(page)
    upload(page, "astronaut.jpg")
    expect(page.locator(".dan-class.dan-explained")).to_contain_text("happiness")
    page.locator("#dan-target input").click()
    page.get_by_role("option", name="anger", exact=True).click()
    expect(page.locator(".dan-class.dan-explained")).to_contain_text("anger")
    expect(page.locator(".dan-best")).to_contain_text("happiness")
    expect(page.locator("#dan-sentence")).to_have_text(
        summary(small_explainer.explain(EXAMPLES / "astronaut.jpg", "anger"))
    )


def test_tiles_enlarge_by_click_and_keyboard_and_values_are_read_by_pointing(page):
    methods(page)
    upload(page, "astronaut.jpg")
    expect(page.locator("#dan-tiles .dan-tile")).to_have_count(5)
    tile = page.locator("#dan-tiles .dan-tile").nth(0)
    # The place that is pointed at is marked in every map, with the value there.
    width = tile.locator("img").first.bounding_box()["width"]
    cells = len(json.loads(tile.get_attribute("data-values")))
    row, column = cells - 2, 1
    place = {"x": width * (column + 0.5) / cells, "y": width * (row + 0.5) / cells}
    tile.locator("img").first.hover(position=place)
    for other in page.locator("#dan-tiles .dan-tile").all():
        values, unit = json.loads(other.get_attribute("data-values")), other.get_attribute("data-unit")
        expect(other.locator(".dan-pointed")).to_have_text(f"{values[row][column]} {unit}")
        cell, image = other.locator(".dan-cell").bounding_box(), other.locator("img").first.bounding_box()
        assert cell["x"] - image["x"] == pytest.approx(column / cells * image["width"], abs=4)
        assert cell["y"] - image["y"] == pytest.approx(row / cells * image["height"], abs=4)
    page.mouse.move(2, 2)
    expect(page.locator(".dan-pointed")).to_have_count(0)
    tile.locator(".dan-zoom").click()
    dialog = page.locator("#dan-enlarged")
    expect(dialog).to_be_visible()
    expect(dialog).to_contain_text("Head 1")
    assert dialog.locator(".dan-layers").bounding_box()["width"] > 1.5 * tile.bounding_box()["width"]
    page.keyboard.press("ArrowRight")
    expect(dialog).to_contain_text("Head 2")
    dialog.locator("summary").focus()
    page.keyboard.press("Enter")
    values = json.loads(page.locator("#dan-tiles .dan-tile").nth(1).get_attribute("data-values"))
    assert dialog.locator(".dan-enlarged-values td").all_inner_texts() == [value for row in values for value in row]
    page.keyboard.press("Escape")
    expect(dialog).not_to_be_visible()
    tile.locator(".dan-zoom").focus()
    page.keyboard.press("Enter")
    expect(dialog).to_be_visible()
    dialog.get_by_role("button", name="Close").click()
    expect(dialog).not_to_be_visible()


def test_a_tile_enlarged_right_after_another_one_was_closed_is_complete(page):
    """The dialog's close event comes after it was opened again: it must not empty the new tile."""
    methods(page)
    upload(page, "astronaut.jpg")
    tiles = page.locator("#dan-tiles .dan-tile")
    expect(tiles).to_have_count(5)
    dialog = page.locator("#dan-enlarged")
    tiles.nth(0).locator(".dan-zoom").click()
    expect(dialog).to_contain_text("Head 1")
    page.evaluate(
        """() => new Promise((done) => {
          const dialog = document.getElementById("dan-enlarged");
          dialog.addEventListener("close", () => setTimeout(done), { once: true });
          dialog.close();
          document.querySelectorAll("#dan-tiles .dan-zoom")[1].click();
        })"""
    )
    expect(dialog).to_contain_text("Head 2")
    expect(dialog.get_by_role("button", name="Close")).to_be_visible()
    for head in ("Head 3", "Head 4"):  # the dialog keeps the focus, so the arrow keys go on
        page.keyboard.press("ArrowRight")
        expect(dialog).to_contain_text(head)


def test_several_faces_are_numbered_and_can_be_chosen(page):
    methods(page)
    upload(page, "two_faces.jpg")
    expect(page.locator("#dan-status")).to_contain_text("2 faces found")
    expect(page.locator("#dan-overview img")).to_be_visible()
    expect(page.locator(".dan-best")).to_contain_text("neutral")
    page.locator("#dan-face label", has_text="2").click()
    expect(page.locator(".dan-best")).to_contain_text("happiness")


def test_without_a_face_nothing_is_guessed_until_the_whole_image_is_chosen(page):
    methods(page)
    upload(page, "no_face.jpg")
    expect(page.locator("#dan-status")).to_contain_text("No face was found")
    expect(page.locator("#dan-tiles .dan-tile")).to_have_count(0)
    expect(page.locator(".dan-download")).to_be_hidden()  # nothing to take
    page.locator("#dan-face label", has_text="whole image").click()
    expect(page.locator("#dan-tiles .dan-tile")).to_have_count(5)
    expect(page.locator(".dan-download")).to_be_visible()
    expect(page.locator("#dan-status")).to_contain_text("whole image is explained")


def test_an_example_is_explained_by_one_click(page):
    methods(page)
    page.locator("#dan-examples button", has_text="Eileen Collins").click()
    expect(page.locator(".dan-best")).to_contain_text("happiness")


def test_native_cells_and_own_scales_redraw_at_once_and_last_while_methods_arrive(page):
    methods(page, "Grad-CAM", "Occlusion")
    upload(page, "astronaut.jpg")
    head = page.locator("#dan-tiles .dan-tile").nth(2)
    expect(head).to_be_visible()
    smooth = head.locator("img").first.get_attribute("src")
    page.locator("#dan-drawing label", has_text="native").click()
    page.locator("#dan-shared input").click()
    expect(head).not_to_contain_text("one scale")
    finished(page)
    expect(head).not_to_contain_text("one scale")
    assert head.locator("img").first.get_attribute("src") != smooth
    assert titles(page) == [*HEADS, "Grad-CAM", "Occlusion"]


def test_stop_ends_the_computation_and_keeps_what_is_there(page, small_explainer, wait_until_idle):
    methods(page, "Integrated gradients", "Occlusion")
    passes = []

    def slow(*_):  # no attribution is ready before Stop
        passes.append(1)
        time.sleep(1)

    hook = small_explainer.model.fc.register_forward_hook(slow)
    try:
        upload(page, "astronaut.jpg")
        expect(page.locator(".dan-waiting")).to_have_count(2)
        page.locator("#dan-stop").click()
        finished(page)
        assert titles(page) == HEADS
        before = len(passes)
        wait_until_idle()
        assert len(passes) == before
    finally:
        hook.remove()


def test_a_bad_file_is_a_toast_that_says_what_is_wrong(page, tmp_path):
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n nothing")
    page.set_input_files("#dan-upload input[type=file]", tmp_path / "broken.png")
    toast = page.locator(".toast-body")
    expect(toast).to_contain_text("broken.png is damaged")
    assert "/tmp" not in toast.inner_text()


@pytest.mark.parametrize("way", ["chosen", "dropped"])
def test_a_heic_photo_is_taken_though_the_browser_knows_no_type_for_it(page, way):
    read_image(EXAMPLES / "hopper.jpg")  # registers the format
    photo = io.BytesIO()
    Image.open(EXAMPLES / "astronaut.jpg").save(photo, "HEIF", quality=90)
    content = base64.b64encode(photo.getvalue()).decode()
    methods(page)
    with page.expect_file_chooser():
        page.locator("#dan-upload button:has(input[type=file])").first.click()
    assert ".heic" in page.locator("#dan-upload input[type=file]").first.get_attribute("accept")
    page.evaluate(
        """([content, way]) => {
          const bytes = Uint8Array.from(atob(content), (c) => c.charCodeAt(0)), files = new DataTransfer();
          files.items.add(new File([bytes], "IMG_1.HEIC", { type: "" }));
          const input = document.querySelector("#dan-upload input[type=file]");
          if (way === "chosen") {
            input.files = files.files;
            input.dispatchEvent(new Event("change", { bubbles: true }));
          } else {
            const event = { bubbles: true, cancelable: true, dataTransfer: files };
            input.parentElement.dispatchEvent(new DragEvent("drop", event));
          }
        }""",
        [content, way],
    )
    expect(page.locator(".dan-best")).to_contain_text("happiness")


def test_a_new_photo_replaces_one_that_is_still_being_explained(page, small_explainer, tmp_path):
    """Counted in passes of the network: the first photo's attribution would take far more than lie between."""
    methods(page, "Region Shapley")
    new = tmp_path / "mirrored.png"  # no other test has left results of it
    ImageOps.mirror(Image.open(EXAMPLES / "astronaut.jpg")).save(new)
    passes = []
    hook = small_explainer.model.fc.register_forward_hook(lambda *_: passes.append(1))
    try:
        page.set_input_files("#dan-upload input[type=file]", new)
        expect(page.locator(".dan-best")).to_contain_text("happiness")
        assert page.locator(".dan-waiting").count() >= 1  # the first is still computed
        before = len(passes)
        page.locator("#dan-examples button", has_text="Grace Hopper").click()
        expect(page.locator(".dan-best")).to_contain_text("neutral")
        between = len(passes) - before
        finished(page)
        expect(page.locator(".dan-best")).to_contain_text("neutral")
        passes.clear()
        fresh = Explainer(small_explainer.model, small_explainer.detector, small_explainer.reference)
        fresh.explain(new, attributions=("region_shapley",))
    finally:
        hook.remove()
    assert between < len(passes) / 2


def test_stop_right_after_another_face_was_chosen_does_not_bring_the_first_one_back(page, wait_until_idle):
    upload(page, "two_faces.jpg")
    expect(page.locator(".dan-best")).to_contain_text("neutral")
    page.locator("#dan-face label", has_text="2").click()
    expect(page.locator(".dan-best")).to_contain_text("happiness")
    page.locator("#dan-stop").click()
    finished(page)
    wait_until_idle()
    expect(page.locator(".dan-best")).to_contain_text("happiness")


def test_a_removed_photo_does_not_come_back_while_it_is_explained(page, wait_until_idle):
    methods(page, "Grad-CAM", "Occlusion")
    upload(page, "astronaut.jpg")
    expect(page.locator("#dan-tiles .dan-tile").first).to_be_visible()
    page.locator("#dan-upload button[aria-label='Remove Image']").click()
    expect(page.locator("#dan-tiles .dan-tile")).to_have_count(0)
    wait_until_idle()
    drawn(page)
    expect(page.locator("#dan-status")).to_contain_text("Choose a photo")
    assert page.locator("#dan-tiles .dan-tile").count() == 0


def test_weights_are_switched_without_a_restart_and_a_wrong_name_changes_nothing(page, tmp_path):
    random_dan(classes=3, heads=2).save_pretrained(tmp_path / "three")
    methods(page)
    upload(page, "astronaut.jpg")
    expect(page.locator("#dan-tiles .dan-tile")).to_have_count(5)
    page.locator("#dan-model button").first.click()
    cited = page.locator("#dan-cite pre")
    assert cited.inner_text() == BIBTEX
    assert cited.evaluate("one => one.scrollWidth <= one.clientWidth")
    page.locator("#dan-model textarea, #dan-model input[type=text]").first.fill("./no/such")
    page.locator("#dan-load").click()
    expect(page.locator(".toast-body")).to_contain_text("There are no weights that can be loaded at './no/such'")
    expect(page.locator("#dan-head")).to_contain_text("FER+ (embedded)")
    page.locator("#dan-model textarea, #dan-model input[type=text]").first.fill(str(tmp_path / "three"))
    page.locator("#dan-load").click()
    expect(page.locator("#dan-head")).to_contain_text("2 attention heads")
    expect(page.locator("#dan-tiles .dan-tile")).to_have_count(3)
    assert [text.split()[0] for text in page.locator(".dan-class").all_inner_texts()] == ["class"] * 3
    finished(page)
    page.locator(".dan-example").first.click()
    expect(page.locator(".dan-example[aria-pressed=true]")).to_have_count(1)
    finished(page)
    page.locator(".dan-copy-link").click()
    expect(page.locator("#dan-download")).to_contain_text("this page's first model, not to the one that you loaded")
    page.get_by_role("tab", name="Film").click()  # its choices follow the model
    page.get_by_label("Maps shown").click()
    expect(page.get_by_role("option")).to_contain_text(["all heads", "Head 1", "Head 2"])


def test_a_refused_photo_takes_the_one_before_away(page, wait_until_idle, tmp_path):
    methods(page)
    upload(page, "astronaut.jpg")
    expect(page.locator("#dan-tiles .dan-tile")).to_have_count(5)
    (tmp_path / "text.png").write_text("no image")
    page.set_input_files("#dan-upload input[type=file]", tmp_path / "text.png")
    expect(page.locator("#dan-status")).to_contain_text("text.png is not an image")
    expect(page.locator("#dan-tiles .dan-tile")).to_have_count(0)
    with page.expect_response(lambda one: "queue/join" in one.url):
        page.locator("#dan-methods input").first.click()
    wait_until_idle()
    expect(page.locator("#dan-status")).to_contain_text("Choose a photo")
    assert page.locator("#dan-tiles .dan-tile").count() == 0


def test_a_snapshot_from_the_camera_is_explained(page):
    methods(page)
    page.locator("#dan-upload button[aria-label='Capture from camera']").click()
    page.locator("#dan-upload button:visible", has_text="Webcam").click()
    page.locator("#dan-upload button[aria-label='capture photo']").click()
    expect(page.locator(".dan-best")).to_contain_text("happiness")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_nothing_overflows_and_at_desktop_width_tiles_are_large_and_stand_in_two_rows(page, server, theme):
    open_page(page, f"{server}/?__theme={theme}")
    methods(page, "Grad-CAM", "Saliency", "Input × gradient")
    upload(page, "astronaut.jpg")
    expect(page.locator("#dan-tiles .dan-tile", has_text="Input × gradient")).to_be_visible()
    finished(page)
    for width in (375, 768, 1440, 1920):
        page.set_viewport_size({"width": width, "height": 900})
        drawn(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        boxes = page.locator("#dan-tiles .dan-tile").evaluate_all(
            "all => all.map(one => one.getBoundingClientRect().toJSON())"
        )
        assert len(boxes) == 8
        if width >= 1440:  # heads and fusion, then attributions
            assert len({round(box["top"]) for box in boxes[:5]}) == len({round(box["top"]) for box in boxes[5:]}) == 1
            assert boxes[0]["width"] >= {1440: 220, 1920: 280}[width]
        assert max(box["width"] for box in boxes) - min(box["width"] for box in boxes) < 1
