"""Everyone can use the page: axe-core finds nothing serious, the keyboard reaches everything, a phone has its bar."""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

pytestmark = pytest.mark.browser
GRADIOS_OWN = "#dan-upload"  # the name of Gradio's upload box does not begin with what is seen
TABS = {  # and what stands in each once it is open
    "Heads": "#dan-view-gates svg", "Fusion": "#dan-ledger", "Cover": ".dan-cover-face", "Attributions": ".dan-card",
    "Faithfulness": "#dan-measure", "Classes": "#dan-view-projection svg", "Compare": "#dan-keep",
    "Live": ".dan-live-start", "Film": "#dan-film",
}  # fmt: skip
AT_REST = "document.getAnimations().every((one) => one.playState !== 'running')"  # colours have changed


def findings(page, within: str = "body", rules: list[str] | None = None) -> list[str]:
    """What axe-core calls serious or critical in a part of the page, with the elements."""
    found = (
        Axe()
        .run(
            page,
            context={"include": [[within]], "exclude": [[GRADIOS_OWN]]},
            options={"resultTypes": ["violations"], **({"runOnly": rules} if rules else {})},
        )
        .response["violations"]
    )
    return [
        f"{one['id']}: {node['target']}"
        for one in found
        if one["impact"] in ("serious", "critical")
        for node in one["nodes"]
    ]


def test_axe_finds_nothing_serious_on_any_tab_or_in_an_enlarged_map(open_at, shipped):
    """In the light with every rule, then in the dark with those about colours: the others see no theme."""
    page = open_at(f"{shipped}/?__theme=light")
    expect(page.locator("#dan-tiles .dan-tile")).to_have_count(8)

    def enlarged_is_fine(rules: list[str] | None = None) -> None:
        page.locator("#dan-heads-row .dan-zoom").first.click()
        expect(page.locator(".dan-promise")).not_to_be_empty()
        assert findings(page, "#dan-enlarged", rules) == []
        page.keyboard.press("Escape")

    for name, shown in TABS.items():
        page.get_by_role("tab", name=name).click()
        expect(page.get_by_role("tab", name=name)).to_have_attribute("aria-selected", "true")
        expect(page.locator(shown).locator("visible=true").first).to_be_visible()
        page.wait_for_function(AT_REST)
        assert findings(page, "#dan-tabs") == [], name
    page.locator("#dan-settings button").first.click()
    assert findings(page) == []
    enlarged_is_fine()
    # In the dark all tabs at once: colours do not depend on which one is open.
    page.evaluate("document.body.classList.add('dark')")
    page.add_style_tag(content="#dan-tabs [role=tabpanel] { display: flex !important }")
    for shown in TABS.values():
        expect(page.locator(shown).locator("visible=true").first).to_be_visible()
    page.wait_for_function(AT_REST)
    colours = ["color-contrast", "link-in-text-block"]
    assert findings(page, rules=colours) == []
    enlarged_is_fine(colours)


def test_the_keyboard_goes_from_the_first_stop_to_an_enlarged_map_and_back(open_at, shipped):
    page = open_at(shipped)
    expect(page.locator("#dan-tiles .dan-tile")).to_have_count(8)
    page.keyboard.press("Tab")
    first = page.evaluate("document.activeElement.textContent.trim()")
    assert first == "To the maps"
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "dan-zoom"
    page.keyboard.press("Enter")
    dialog = page.locator("#dan-enlarged")
    expect(dialog).to_be_visible()
    page.keyboard.press("ArrowRight")
    expect(dialog.locator("h2")).to_have_text("Head 2")
    page.keyboard.press("Escape")
    expect(dialog).not_to_be_visible()
    assert page.evaluate("document.activeElement.getAttribute('aria-label')") == "Enlarge Head 1"  # where it came from


def test_in_high_contrast_bars_are_filled_and_what_is_chosen_is_framed(open_at, shipped):
    page = open_at(shipped, forced_colors="active")
    style = "(one, name) => getComputedStyle(one)[name]"
    best = page.locator("#dan-probabilities .dan-best .dan-track")
    fill, track = (one.evaluate(style, "backgroundColor") for one in (best.locator("span"), best))
    assert fill != track
    off = page.locator(".dan-switch[data-switch=off]").first
    off.click()
    for chosen in (off, page.get_by_role("tab", name="Heads"), page.locator(".dan-explained")):
        assert chosen.evaluate(style, "outlineStyle") == "solid"


def test_a_slider_has_a_name_and_says_what_its_value_means(open_at, shipped):
    page = open_at(shipped)
    page.get_by_role("tab", name="Fusion").click()
    slider = page.get_by_role("slider", name="Differences between heads α", exact=True)
    expect(slider).to_have_attribute("aria-valuetext", "1.00, this face")
    slider.fill("0")
    expect(slider).to_have_attribute("aria-valuetext", "0.00, all heads equal")
    page.locator("#dan-bench .dan-more summary").click()
    expect(page.get_by_role("slider", name="Scale of Head 2", exact=True)).to_have_count(1)


def test_a_phone_has_a_bar_that_leads_to_the_parts_and_covers_nothing(open_at, shipped):
    page = open_at(shipped, 375, 812)
    bar = page.locator(".dan-phone-bar")
    expect(bar).to_be_visible()
    bar.get_by_role("button", name="Class").click()
    place = page.locator("#dan-request").bounding_box()
    assert -1 < place["y"] < 812  # scrolling ends on whole pixels, the layout does not
    assert page.evaluate("document.documentElement.scrollWidth") <= 375
    # At the very end of the page, the last line is above the bar.
    page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
    assert page.locator("footer").bounding_box()["y"] + page.locator("footer").bounding_box()["height"] <= 812 - 48 + 1
    expect(bar.get_by_role("button", name="Stop")).not_to_be_visible()
    page.set_viewport_size({"width": 1440, "height": 900})
    expect(bar).not_to_be_visible()


def test_on_a_phone_what_a_switched_head_does_is_said_where_it_is_switched(open_at, shipped):
    page = open_at(shipped, 375, 812)
    page.locator('.dan-tile[data-head="1"] .dan-switch[data-switch="off"]').click()
    line = page.locator(".dan-outcome")
    expect(line).to_be_in_viewport(ratio=1)
    expect(line).to_contain_text("Head 2 off: the network would read")
    assert findings(page, ".dan-outcome", ["color-contrast"]) == []  # it can be read
    below, bar = line.bounding_box(), page.locator(".dan-phone-bar").bounding_box()
    assert below["y"] + below["height"] <= bar["y"] + 1
    line.get_by_role("button", name="Undo").click()
    expect(line).not_to_be_visible()
    expect(page.locator('.dan-switch[aria-pressed="true"]')).to_have_count(0)
