"""What a visitor waits for, in Chromium on the same cores: the opening, a photo's first results, the live view.

The page runs as `app.py` serves it, in a process of its own. Left out, with a word, where there is no Chromium.
"""

from __future__ import annotations

import os
import re
import shutil
import statistics
import tempfile
import time
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from benchmarks.bare import bare_pass
from benchmarks.rows import Row
from benchmarks.turns import median_seconds
from campaigns.served import ServedPage
from dan_model import Explainer
from dan_model.faces import read_image

EXAMPLES = Path(__file__).parent.parent / "examples"
PHOTOS = (EXAMPLES / "astronaut.jpg", EXAMPLES / "two_faces.jpg")
ROUNDS = 5
LIVE_SECONDS = 15
EXTRA = 0.15  # seconds that a click may take beside 1.5 times the network's own work
RATE = re.compile(r"([\d.]+) frames a second")
FIRST_MAP = "document.querySelector('#dan-heads-row .dan-tile')?.dataset.values"
COMPLETE = "!document.querySelector('.dan-waiting') && !document.body.innerText.includes('coarse so far')"
ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")


def rows() -> list[Row]:
    """The page in Chromium."""
    executable = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if executable is None:
        print("no Chromium: what a visitor waits for is not measured")
        return []
    with tempfile.TemporaryDirectory() as folder, ServedPage(Path(folder)) as served, sync_playwright() as playwright:
        film = Path(folder) / "face.mjpeg"
        _film(film)
        browser = playwright.chromium.launch(
            executable_path=executable, args=[*ARGUMENTS, f"--use-file-for-fake-video-capture={film}"]
        )
        found = [*_opening(browser, served.address), *_first_results(browser, served.address)]
        found.append(_live(browser, served.address))
        browser.close()
    return found


def _opening(browser: Browser, address: str) -> list[Row]:
    """From the address to the first map on screen, against the page's own load; the browser's cache is warm."""
    context, loads, maps = browser.new_context(viewport={"width": 1440, "height": 900}), [], []
    for _ in range(ROUNDS + 1):
        page = context.new_page()
        start = time.perf_counter()
        page.goto(address, wait_until="load")
        loads.append(time.perf_counter() - start)
        page.locator("#dan-tiles .dan-tile").first.wait_for()
        maps.append(time.perf_counter() - start)
        page.close()
    context.close()
    after = statistics.median(maps[1:]) - statistics.median(loads[1:])
    return [Row("page opened: the example's maps after the load event", "warm cache", after, "≤ 1", "s")]


def _first_results(browser: Browser, address: str) -> list[Row]:
    """From a chosen file to its maps, against detection and one pass, measured while the page is idle."""
    work = _detection_and_pass()
    first, last, taken = [], [], []
    for n in range(ROUNDS + 1):
        page = _page(browser, address)  # of a new visitor, for whom nothing has been computed
        before = page.evaluate(FIRST_MAP)
        start = time.perf_counter()
        page.set_input_files("#dan-upload input[type=file]", PHOTOS[n % 2])
        page.wait_for_function(f"before => ![undefined, before].includes({FIRST_MAP})", arg=before)
        first.append(time.perf_counter() - start)
        page.wait_for_function(COMPLETE, timeout=120_000)
        last.append(time.perf_counter() - start)
        start = time.perf_counter()
        with page.expect_download(timeout=120_000):
            page.locator(".dan-download").click()
        taken.append(time.perf_counter() - start)
        page.close()
    waited, ended, downloaded = (statistics.median(one[1:]) for one in (first, last, taken))
    goal = 1.5 + EXTRA / work
    return [
        Row("a chosen file to its head maps in the page", "detection and one pass", waited / work, f"≤ {goal:.2f}"),
        Row("a chosen file to all default attributions", "detection and one pass", ended / work),
        Row("Download, until the file is there", "detection and one pass", downloaded / work),
    ]


def _live(browser: Browser, address: str) -> Row:
    """The rate that the tab Live shows after a while."""
    page = _page(browser, address)
    page.get_by_role("tab", name="Live").click()
    page.locator(".dan-live-start").click()
    page.wait_for_function("document.querySelector('.dan-live-rate').innerText !== ''", timeout=60_000)
    rates = []
    for _ in range(LIVE_SECONDS):
        page.wait_for_timeout(1000)
        found = RATE.search(page.locator(".dan-live-rate").inner_text())
        rates += [float(found[1])] if found else []
    page.close()
    return Row(
        "live answers in the browser", "320 × 240, on the same cores", statistics.median(rates), "≥ 8", "a second"
    )


def _detection_and_pass() -> float:
    """Seconds of finding the faces in a photo and of one bare pass."""
    explainer, photo = Explainer.from_pretrained(device="cpu"), read_image(PHOTOS[0])
    x = explainer.input_of(explainer.crop(photo, explainer.faces(photo)[0]))
    runs = {"detection": lambda: explainer.faces(photo), "pass": bare_pass(explainer.model, x)}
    return sum(median_seconds(runs, 15).values())


def _page(browser: Browser, address: str) -> Page:
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    page.goto(address)
    page.locator("#dan-tiles .dan-tile").first.wait_for()
    page.wait_for_timeout(1000)
    return page


def _film(path: Path) -> None:
    """One face, as Motion JPEG: what the fake camera shows."""
    frame = Image.new("RGB", (640, 480), (90, 90, 90))
    frame.paste(Image.open(PHOTOS[0]).convert("RGB").resize((480, 480)), (80, 0))
    still = path.with_suffix(".jpg")
    frame.save(still, quality=92)
    path.write_bytes(still.read_bytes() * 3)
