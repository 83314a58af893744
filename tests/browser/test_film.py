"""The tab Film in a browser: a film is explained, the slider moves it, any moment is explained in full."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.test_access import findings
from tests.fixtures.films import scene, write_film

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def film(tmp_path_factory) -> str:
    frames = [(i / 25, scene(("astronaut.jpg" if i < 25 else "hopper.jpg", (60, 20)))) for i in range(50)]
    return str(write_film(tmp_path_factory.mktemp("film") / "faces.mp4", frames))


def test_a_film_is_explained_and_its_moments_open_one_after_the_other(page, film, tmp_path):
    page.get_by_role("tab", name="Film").click()
    upload = page.locator("#dan-film-upload input[type=file]")
    upload.set_input_files(film)
    expect(page.locator("#dan-view-person1")).to_contain_text("happiness 0:00–0:01, neutral 0:01–0:02.")
    expect(page.locator("#dan-film-stop")).to_be_hidden()
    # The slider moves the film to the frame of the moment.
    page.wait_for_function("document.querySelector('#dan-film-video video')?.readyState > 0")
    slider, said = page.locator(".dan-moments input"), page.locator(".dan-moments output")
    slider.fill("7")
    expect(said).to_contain_text("0:01.4 · neutral")
    page.wait_for_function("Math.abs(document.querySelector('#dan-film-video video').currentTime - 1.4) < 0.02")
    assert findings(page) == []  # by axe-core
    # Moments are explained as photos; the second takes the place of the first.
    for index, label in (("7", "neutral"), ("1", "happiness")):
        slider.fill(index)
        expect(said).to_contain_text(label)
        number = said.inner_text().split(label)[1].strip()
        page.locator(".dan-explain-moment").click()
        expect(page.locator("#dan-sentence")).to_contain_text(f"Predicted: {label} ({number})")
        expect(page.locator(".dan-moments [role=status]")).to_have_text("Explained above.")
    # What is no film is said, and the rest stays as it is.
    page.locator("#dan-film-upload button[aria-label='Clear']").click()
    expect(page.locator(".dan-moments")).to_have_count(0)
    text = tmp_path / "text.mp4"
    text.write_text("no film")
    upload.set_input_files(str(text))
    expect(page.locator("#dan-film-status .dan-warning")).to_contain_text("text.mp4 is no film that can be read")
    expect(page.locator("#dan-sentence")).to_contain_text("Predicted: happiness")
