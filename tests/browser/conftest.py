from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator

import gradio as gr
import pytest
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from dan_model.ui.page import build
from dan_model.ui.theme import launch_settings, queue_settings
from dan_model.ui.weights_cache import LoadedWeights, WeightsCache
from dan_model.weights import load_checkpoint
from tests.fixtures.examples import EXAMPLES

QUIET = (  # no sandbox for root in containers; no calls home
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

FAKE_CAMERA = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
PERMISSIONS = ["camera", "clipboard-read", "clipboard-write"]
SLOW = 60_000  # milliseconds: attributions on two busy cores
expect.set_options(timeout=SLOW)


@pytest.fixture(scope="session")
def camera(tmp_path_factory):
    """A film of one face, as Motion JPEG: what the fake camera shows."""
    path = tmp_path_factory.mktemp("camera") / "face.mjpeg"
    face = Image.open(EXAMPLES / "astronaut.jpg").resize((480, 480))
    frame = Image.new("RGB", (640, 480), (90, 90, 90))
    frame.paste(face, (80, 0))
    still = path.with_suffix(".jpg")
    frame.save(still, quality=92)
    path.write_bytes(still.read_bytes() * 3)
    return path


@pytest.fixture(scope="session")
def launch_browser() -> Iterator[Callable[..., Browser]]:
    """Starts Chromium with further arguments."""
    executable = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if executable is None:
        if os.environ.get("CI"):
            pytest.fail("Browser tests need Chromium: apt-get install chromium")
        pytest.skip("no Chromium here: apt-get install chromium, or set CHROMIUM to its path")
    with sync_playwright() as playwright:
        yield lambda *args: playwright.chromium.launch(executable_path=executable, args=[*QUIET, *args])


@pytest.fixture(scope="session")
def browser(camera, launch_browser) -> Iterator[Browser]:
    browser = launch_browser(*FAKE_CAMERA, f"--use-file-for-fake-video-capture={camera}")
    yield browser
    browser.close()


@pytest.fixture(scope="session")
def shipped_blocks(explainer) -> Iterator[gr.Blocks]:
    """The page with the embedded weights, as `make demo` opens it."""
    gr.set_static_paths([EXAMPLES])
    page = build(WeightsCache(LoadedWeights(load_checkpoint(), explainer), paths_allowed=True), EXAMPLES)
    page.queue(**queue_settings()).launch(prevent_thread_lock=True, quiet=True, **launch_settings())
    yield page
    page.close()


@pytest.fixture(scope="session")
def shipped(shipped_blocks) -> str:
    """Its address."""
    return shipped_blocks.local_url.rstrip("/")


@pytest.fixture(scope="session")
def visitor(browser) -> Iterator[BrowserContext]:
    """A browser window whose cache holds Gradio's files for all tests."""
    context = browser.new_context(viewport={"width": 1440, "height": 900}, permissions=PERMISSIONS)
    yield context
    context.close()


@pytest.fixture
def page(visitor, server) -> Iterator[Page]:
    """The page at 1440 px as at a first visit, with every request and every script error on record."""
    page = visitor.new_page()
    page.requested, page.failures = [], []
    page.on("request", lambda request: page.requested.append(request.url))
    page.on("pageerror", lambda error: page.failures.append(str(error)))
    open_page(page, server)
    yield page
    failures = page.failures
    if page.is_closed():  # the test has left the page
        page = visitor.new_page()
        page.goto(f"{server}/manifest.json")
    page.evaluate("localStorage.clear()")
    page.close()
    assert failures == []


@pytest.fixture
def open_at(visitor) -> Iterator[Callable[..., Page]]:
    """Opens an address at a size, without animations; script errors fail the test."""
    pages: list[Page] = []
    failures: list[str] = []

    def opened(address: str, width: int = 1440, height: int = 900, **media: str) -> Page:
        page = visitor.new_page()
        pages.append(page)
        page.set_viewport_size({"width": width, "height": height})
        page.emulate_media(**{"reduced_motion": "reduce", **media})
        page.on("pageerror", lambda error: failures.append(str(error)))
        open_page(page, address)
        return page

    yield opened
    for page in pages:
        page.close()
    assert failures == []


def open_page(page: Page, address: str) -> None:
    """Open the page and wait until its components are there."""
    page.goto(address)
    page.locator("#dan-upload input[type=file]").wait_for(state="attached")
    page.locator("#dan-tabs [role=tab]").first.wait_for()
