"""The pictures of the page in the README: `python -m benchmarks.page_pictures`, with Chromium and the tests' packages.

docs/page.png is the page as it opens; docs/page.webp shows what a visitor can do with it.
"""

from __future__ import annotations

import io
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
from PIL import Image
from playwright.sync_api import Page, sync_playwright

from campaigns.served import ServedPage

WIDTH, HEIGHT, OPENING = 1280, 900, (1440, 1010)  # of the window, in pixels
SHOWN, SECONDS = 900, 2.0  # width of the animation, and how long each picture stays


def main(out: Annotated[Path, typer.Option(help="Folder for page.png and page.webp.")] = Path("docs")) -> None:
    """Serve the page, use it, and save what is on screen."""
    browser_file = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    with tempfile.TemporaryDirectory() as folder, ServedPage(Path(folder)) as served, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_file, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, reduced_motion="reduce")
        page.goto(f"{served.address}/?__theme=light")
        page.locator("#dan-tiles .dan-tile").nth(7).wait_for()
        page.set_viewport_size({"width": OPENING[0], "height": OPENING[1]})
        _screen(page).save(out / "page.png", optimize=True)
        page.set_viewport_size({"width": WIDTH, "height": HEIGHT})
        first, *others = [one.resize((SHOWN, SHOWN * HEIGHT // WIDTH)) for one in _visit(page)]
        first.save(
            out / "page.webp", save_all=True, append_images=others, duration=int(1000 * SECONDS), loop=0, quality=85
        )
        browser.close()
    for name in ("page.png", "page.webp"):
        typer.echo(f"{out / name}: {(out / name).stat().st_size / 1e6:.1f} MB")


def _visit(page: Page) -> Iterator[Image.Image]:
    """What is on screen, one step after the other."""
    yield _screen(page)
    # Heads switched off; another face; its averages.
    for head in (0, 3):
        page.locator(f'.dan-switch[data-switch="off"][data-head="{head}"]').click()
        yield _screen(page)
    page.locator(".dan-flow-caption button").click()
    page.locator(".dan-example", has_text="surprise").click()
    yield _screen(page)
    page.locator(".dan-compared", has_text="average").click()
    yield _screen(page)
    # The mouth covered; the fusion; the tour.
    page.locator(".dan-example", has_text="Grace Hopper").click()
    page.locator("#dan-probabilities .dan-best", has_text="neutral").wait_for()
    page.get_by_role("tab", name="Cover").click()
    page.locator(".dan-cover-region", has_text="mouth").click()
    page.locator(".dan-cover-result .dan-side-tables").wait_for()
    yield _screen(page, "#dan-tabs")
    yield _screen(page)
    page.locator(".dan-flow-caption button").click()
    page.get_by_role("tab", name="Fusion").click()
    page.locator("#dan-ledger").wait_for()
    yield _screen(page, "#dan-tabs")
    page.locator(".dan-tour-start").click()
    yield _screen(page)


def _screen(page: Page, part: str = "body") -> Image.Image:
    """The window from the top of a part of the page, when everything has been drawn."""
    page.mouse.move(2, HEIGHT // 2)  # pointing at something would light it up
    page.wait_for_timeout(1500)
    page.locator(part).first.evaluate("one => one.scrollIntoView()")
    page.wait_for_timeout(200)
    return Image.open(io.BytesIO(page.screenshot())).convert("RGB")


if __name__ == "__main__":
    typer.run(main)
