"""The page offers to stretch a photo of few bits, and explains the stretched one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from dan_model.faces import read_photo
from dan_model.show.tiles import percent
from tests.browser.test_page import methods, upload
from tests.fixtures.examples import EXAMPLES

pytestmark = pytest.mark.browser


@pytest.fixture
def deep(tmp_path) -> Path:
    """A portrait of 10 bits in a file of 16: nearly black."""
    grey = np.asarray(Image.open(EXAMPLES / "astronaut.jpg").convert("L")).copy()
    grey[0, 0] = 255
    path = tmp_path / "deep.png"
    Image.fromarray(np.rint(grey / 255 * 1023).astype(np.uint16)).save(path)
    return path


def probabilities(page: Page) -> list[str]:
    return page.locator("#dan-probabilities .dan-class > :last-child").all_inner_texts()


def test_a_dark_photo_is_stretched_by_a_box_beside_it(page, deep, small_explainer):
    methods(page)
    box, status = page.get_by_label("Stretch the brightness"), page.locator("#dan-status")
    expect(box).to_have_count(0)
    page.set_input_files("#dan-upload input[type=file]", deep)
    expect(status).to_contain_text("is 1023 of 65535: it may hold 10 bits. It is read as it is, nearly black.")
    expect(status).to_contain_text("tick “Stretch the brightness”.")
    expect(box).not_to_be_checked()
    box.check()
    expect(status).to_contain_text("were stretched: 1023 of 65535 is white.")
    expect(page.locator("#dan-tiles .dan-tile")).to_have_count(5)
    expect(box).to_be_checked()
    expected = small_explainer.explain(read_photo(deep, stretch=True)).prediction.probabilities
    assert probabilities(page) == [percent(p) for p in expected.tolist()]
    # And back, by keyboard.
    box.press("Space")
    expect(status).to_contain_text("nearly black")
    expect(box).not_to_be_checked()
    # Another photo has no such box; the same one begins unticked.
    box.check()
    expect(status).to_contain_text("is white")
    upload(page, "hopper.jpg")
    expect(box).to_have_count(0)
    expect(status).not_to_contain_text("65535")
    page.set_input_files("#dan-upload input[type=file]", deep)
    expect(status).to_contain_text("nearly black")
    expect(box).not_to_be_checked()
