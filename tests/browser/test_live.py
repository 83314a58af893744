"""The tab Live with a fake camera, whose film changes from a smiling to a neutral face."""

from __future__ import annotations

import io

import pytest
from PIL import Image
from playwright.sync_api import expect

from tests.browser.conftest import FAKE_CAMERA, open_page
from tests.fixtures.examples import EXAMPLES

pytestmark = pytest.mark.browser
FRAMES = 90  # of each face: a few seconds


@pytest.fixture(scope="module")
def film(tmp_path_factory) -> str:
    frames = b""
    for name, place in (("astronaut.jpg", (10, 40)), ("hopper.jpg", (230, 40))):
        frame, buffer = Image.new("RGB", (640, 480), (90, 90, 90)), io.BytesIO()
        frame.paste(Image.open(EXAMPLES / name).convert("RGB").resize((400, 400)), place)
        frame.save(buffer, "JPEG", quality=92)
        frames += buffer.getvalue() * FRAMES
    path = tmp_path_factory.mktemp("film") / "faces.mjpeg"
    path.write_bytes(frames)
    return str(path)


@pytest.fixture
def watcher(launch_browser, film, server):
    """A page with the film as its camera, on the tab Live."""
    browser = launch_browser(*FAKE_CAMERA, f"--use-file-for-fake-video-capture={film}")
    page = browser.new_page(viewport={"width": 1000, "height": 900})
    failures = []
    page.on("pageerror", lambda error: failures.append(str(error)))
    open_page(page, server)
    page.get_by_role("tab", name="Live").click()
    yield page
    browser.close()
    assert failures == []


def overlay_centre(page) -> float:
    """Where the maps are drawn: the mean x of the overlay's opaque pixels, in parts of its width."""
    return page.evaluate(
        """() => {
            const canvas = document.querySelector('.dan-live-overlay'), { width, height } = canvas;
            const { data } = canvas.getContext('2d').getImageData(0, 0, width, height);
            let sum = 0, total = 0;
            for (let i = 3; i < data.length; i += 4) { total += data[i]; sum += data[i] * (((i - 3) / 4) % width); }
            return total ? sum / total / width : null;
        }"""
    )


def test_label_and_overlay_follow_the_film_and_freeze_explains_a_frame(watcher):
    watcher.locator(".dan-live-start").click()
    best, places = watcher.locator(".dan-live-classes .dan-best"), {}
    for label in ("happiness", "neutral"):
        expect(best).to_contain_text(label)
        watcher.wait_for_timeout(600)  # the overlay moves there smoothly
        if label in best.inner_text():  # the film may have gone on
            places[label] = overlay_centre(watcher)
    assert places["happiness"] < 0.45 < 0.5 < places["neutral"]
    # The canvas is mirrored as the video is; what is sent is not.
    assert watcher.locator(".dan-is-mirrored").count() == 1
    # A head can be switched off and on again while frames go on; tests/ui/test_live.py has the numbers that follow.
    with watcher.expect_request(lambda one: '"off":[0]' in (one.post_data or "")):
        watcher.locator(".dan-live-off").first.click()
    expect(watcher.locator(".dan-live-part").first).to_have_text("")
    expect(watcher.locator(".dan-live-part").last).to_contain_text("nats")
    watcher.locator(".dan-live-off").first.click()
    # Freeze: the frame is explained in full, and the camera is off.
    watcher.locator(".dan-live-freeze").click()
    expect(watcher.locator("#dan-tiles .dan-tile").first).to_be_visible()
    expect(watcher.locator(".dan-live-status")).to_contain_text("Frozen")
    assert watcher.evaluate("document.querySelector('.dan-live video').srcObject") is None


def test_two_viewers_take_turns(watcher, server):
    other = watcher.context.browser.new_page()
    open_page(other, server)
    other.get_by_role("tab", name="Live").click()
    for page in (watcher, other):
        page.locator(".dan-live-start").click()
    for page in (watcher, other):
        expect(page.locator(".dan-live-classes .dan-best")).to_be_visible()
    expect(other.locator(".dan-live-rate")).to_contain_text("others are watching")


def test_leaving_the_tab_stops_the_camera(watcher):
    watcher.locator(".dan-live-start").click()
    expect(watcher.locator(".dan-live-classes .dan-best")).to_be_visible()
    watcher.get_by_role("tab", name="Heads").click()
    watcher.wait_for_function("document.querySelector('.dan-live video').srcObject === null")
    watcher.get_by_role("tab", name="Live").click()
    expect(watcher.locator(".dan-live-start")).to_have_text("Start the camera")


def test_leaving_the_tab_stops_the_camera_where_it_is_out_of_view_too(watcher):
    watcher.locator(".dan-live-start").click()
    expect(watcher.locator(".dan-live-classes .dan-best")).to_be_visible()
    watcher.set_viewport_size({"width": 1440, "height": 400})
    watcher.evaluate("scrollTo(0, 0)")
    expect(watcher.locator(".dan-live")).not_to_be_in_viewport()
    watcher.get_by_role("tab", name="Heads").evaluate("tab => tab.click()")  # as the flow picture does
    watcher.wait_for_function("document.querySelector('.dan-live video').srcObject === null")


def test_camera_trouble_is_said_with_a_remedy(launch_browser, server):
    browser = launch_browser("--use-fake-device-for-media-stream", "--deny-permission-prompts")
    page = browser.new_page()
    open_page(page, server)
    page.get_by_role("tab", name="Live").click()
    page.locator(".dan-live-start").click()
    expect(page.locator(".dan-live-status")).to_contain_text("Allow it for this page")
    for name, remedy in (("NotFoundError", "No camera was found"), ("NotReadableError", "in use by another program")):
        page.evaluate(
            "name => navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('', name))", name
        )
        page.locator(".dan-live-start").click()
        expect(page.locator(".dan-live-status")).to_contain_text(remedy)
    browser.close()
