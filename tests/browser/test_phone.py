"""What fingers and narrow screens need: room for the camera, words that fit, swipes, large targets, a steady layout."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import open_page

pytestmark = pytest.mark.browser
HEIGHTS = {375: 812, 768: 1024, 1440: 900}


def edges(page: Page, selector: str) -> dict[str, float]:
    """Left, top, right, bottom, width and height of an element, in pixels of the window."""
    return page.locator(selector).first.evaluate("one => one.getBoundingClientRect().toJSON()")


@pytest.mark.parametrize("width", [375, 1440])
def test_the_camera_of_the_upload_has_room_and_only_its_shutter_may_touch_the_picture(open_at, shipped, width):
    page = open_at(shipped, width, HEIGHTS[width])
    small = edges(page, "#dan-upload")["height"]
    page.locator("#dan-upload [aria-label='Capture from camera']").click()
    grant, sources = "#dan-upload [title='grant webcam access']", "#dan-upload .source-selection"
    expect(page.locator(grant)).to_be_visible()
    box = edges(page, "#dan-upload")
    assert edges(page, f"{grant} .wrap")["bottom"] <= edges(page, sources)["top"] < box["bottom"]
    page.locator(f"{grant} button").click()
    shutter = page.locator("#dan-upload .button-wrap")
    expect(shutter).to_be_visible()
    video, box = edges(page, "#dan-upload video"), edges(page, "#dan-upload")
    assert video["height"] >= 250
    assert video["width"] >= 300
    assert box["height"] >= 300
    if width == 375:  # the column's whole width
        assert box["width"] == pytest.approx(edges(page, "#dan-input")["width"], abs=1)
    assert edges(page, "#dan-upload label")["bottom"] <= video["top"]
    assert video["bottom"] <= edges(page, sources)["top"]
    assert shutter.bounding_box()["y"] >= video["bottom"] - 0.2 * video["height"]
    # Small again: with another source, and with a photo.
    page.locator("#dan-upload [aria-label='Upload file']").click()
    expect(page.locator("#dan-upload video")).to_have_count(0)
    assert edges(page, "#dan-upload")["height"] == small
    page.locator("#dan-upload [aria-label='Capture from camera']").click()
    page.locator(f"{grant} button").click()
    page.locator("#dan-upload [aria-label='capture photo']").click()
    expect(page.locator("#dan-upload .image-frame img")).to_be_visible()
    assert edges(page, "#dan-upload")["height"] == small


@pytest.mark.parametrize("width", [375, 768, 1440])
def test_the_words_of_the_upload_box_are_whole_and_beside_nothing_else(open_at, shipped, width):
    page = open_at(shipped, width, HEIGHTS[width])
    words = page.locator("#dan-upload [data-testid=upload-text] .prompt")
    expect(words).to_contain_text("Click to Upload")
    assert words.evaluate("one => one.scrollWidth <= one.clientWidth && one.scrollHeight <= one.clientHeight")
    box, sources = words.bounding_box(), edges(page, "#dan-upload .source-selection")
    assert edges(page, "#dan-upload label")["bottom"] <= box["y"]
    assert box["y"] + box["height"] <= sources["top"]


@pytest.fixture
def touched(browser, shipped) -> Iterator[Page]:
    """The page on a phone, for fingers."""
    context = browser.new_context(
        viewport={"width": 375, "height": HEIGHTS[375]},
        has_touch=True,
        is_mobile=True,
        reduced_motion="reduce",
        permissions=["camera"],
    )
    page, failures = context.new_page(), []
    page.on("pageerror", lambda error: failures.append(str(error)))
    open_page(page, shipped)
    yield page
    context.close()
    assert failures == []


def test_the_line_below_the_maps_says_what_fingers_can_do(touched, open_at, shipped):
    for page, said in ((touched, "Tap a map to enlarge it."), (open_at(shipped), "Point at a map to read every map")):
        lines = page.locator(".dan-hint span:visible")
        expect(lines).to_have_count(1)
        expect(lines).to_contain_text(said)


def drag(page: Page, start: tuple[float, float], end: tuple[float, float], steps: int = 8) -> None:
    """A finger goes from one point to another, as the browser gets it from a touch screen."""
    devtools = page.context.new_cdp_session(page)
    for i in range(steps + 1):
        x, y = (a + (b - a) * i / steps for a, b in zip(start, end, strict=True))
        points = [{"x": x, "y": y}]
        devtools.send("Input.dispatchTouchEvent", {"type": "touchMove" if i else "touchStart", "touchPoints": points})
    devtools.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    devtools.detach()


def test_a_swipe_shows_the_next_map_and_leaves_scrolling_and_the_slider_alone(touched):
    touched.locator("#dan-heads-row .dan-zoom").first.tap()
    dialog = touched.locator("#dan-enlarged")
    title, slider = dialog.locator("h2"), dialog.locator(".dan-opacity")
    expect(dialog.locator(".dan-promise")).not_to_be_empty()
    box = edges(touched, "#dan-enlarged .dan-layers")
    left, right, middle = box["left"] + 30, box["right"] - 30, box["top"] + 100
    drag(touched, (right, middle), (left, middle + 12))
    expect(title).to_have_text("Head 2")
    drag(touched, (left, middle), (right, middle - 12))
    expect(title).to_have_text("Head 1")
    drag(touched, (left, middle), (right, middle))
    expect(title).to_have_text(
        touched.locator("#dan-tiles .dan-tile b").last.inner_text()
    )  # the first one is next to it
    drag(touched, (right, middle), (left, middle))
    expect(title).to_have_text("Head 1")
    expect(dialog.locator(".dan-promise")).not_to_be_empty()
    # Up and down it scrolls.
    drag(touched, (left + 60, middle + 120), (left, middle - 60))
    touched.wait_for_function("document.querySelector('#dan-enlarged').scrollTop > 50")
    expect(title).to_have_text("Head 1")
    # The slider goes where the finger goes.
    slider.scroll_into_view_if_needed()
    place = slider.bounding_box()
    height = place["y"] + place["height"] / 2
    drag(touched, (place["x"] + place["width"] - 8, height), (place["x"] + 40, height))
    touched.wait_for_function("document.querySelector('.dan-opacity').value < 50")
    expect(title).to_have_text("Head 1")


def test_the_camera_of_the_tab_live_comes_into_view_when_it_plays(touched):
    touched.get_by_role("tab", name="Live").tap()
    touched.locator(".dan-live-start").tap()
    touched.wait_for_function("Math.abs(document.querySelector('.dan-live').getBoundingClientRect().top) < 2")
    assert edges(touched, ".dan-live video")["bottom"] <= edges(touched, ".dan-phone-bar")["top"]
    touched.locator(".dan-live-start").tap()


def test_targets_are_large_and_the_tabs_stand_in_even_rows(touched):
    expect(touched.locator("#dan-tiles .dan-tile")).to_have_count(8)
    for selector in (
        ".dan-switch",
        ".dan-compared",
        "#dan-theme",
        ".dan-start button",
        "#dan-upload .source-selection button",
        "#dan-tabs [role=tab]",
    ):
        heights = touched.locator(selector).evaluate_all("all => all.map(one => one.getBoundingClientRect().height)")
        assert heights
        assert min(heights) >= 36, selector
    tabs = touched.locator("#dan-tabs [role=tab]").evaluate_all(
        "all => all.map(one => one.getBoundingClientRect().toJSON())"
    )
    rows = {round(tab["top"]): [] for tab in tabs}
    for tab in tabs:
        rows[round(tab["top"])].append(tab)
    assert len(rows) <= 3
    assert {(round(row[0]["left"]), round(row[-1]["right"])) for row in rows.values()} == {(32, 343)}
    words = "all => all.every(one => one.scrollWidth <= one.clientWidth)"
    assert touched.locator("#dan-tabs [role=tab]").evaluate_all(words)


@pytest.mark.parametrize("width", [375, 768, 1440])
def test_the_chooser_of_faces_moves_no_example(open_at, shipped, width):
    page = open_at(shipped, width, HEIGHTS[width])
    expect(page.locator("#dan-tiles .dan-tile")).to_have_count(8)
    before = edges(page, ".dan-example")
    for example, chooser in (("Two faces", "#dan-overview"), ("A cup", "#dan-face")):
        page.locator(".dan-example", has_text=example).click()
        expect(page.locator(chooser)).to_be_visible()
        expect(page.locator("#dan-status")).to_contain_text({"Two faces": "2 faces", "A cup": "No face"}[example])
        expect(page.locator("#dan-overview img")).to_have_count(1)
        page.evaluate(
            "document.querySelector('.dan-strip').scrollLeft = 0, scrollTo(0, 0)"
        )  # a narrow row scrolled to it
        assert edges(page, ".dan-example") == before


@pytest.mark.parametrize("width", [375, 1440])
def test_a_row_of_examples_fades_out_where_it_goes_on_and_ends_in_full(open_at, shipped, width):
    page = open_at(shipped, width, HEIGHTS[width])
    row = page.locator(".dan-strip", has_text="Average face of")
    fade = "one => [getComputedStyle(one, '::after').position, one.scrollWidth > one.clientWidth]"
    assert row.evaluate(fade) == ["sticky", True]
    row.evaluate("one => (one.scrollLeft = one.scrollWidth)")
    last = row.locator(".dan-example").last.bounding_box()
    assert last["x"] + last["width"] <= row.bounding_box()["x"] + row.bounding_box()["width"] - 36


def test_the_bars_stop_is_there_while_something_is_measured_and_ends_it(open_at, shipped):
    page = open_at(shipped, 375, HEIGHTS[375])
    stop = page.locator(".dan-phone-bar").get_by_role("button", name="Stop")
    page.get_by_role("tab", name="Faithfulness").click()
    expect(stop).not_to_be_visible()
    page.locator("#dan-measure").click()
    stop.click()
    expect(page.locator("#dan-faithfulness")).to_contain_text("Stopped")
    expect(stop).not_to_be_visible()
