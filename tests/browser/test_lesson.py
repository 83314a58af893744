"""The links of the lesson open the states that they promise."""

from __future__ import annotations

import re
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import expect

from tests.fixtures.examples import EXAMPLES

pytestmark = pytest.mark.browser
ADDRESS = "http://127.0.0.1:7860"


def links(root):
    text = (root / "docs" / "lesson.md").read_text(encoding="utf-8")
    return sorted(set(re.findall(rf"\(({re.escape(ADDRESS)}/[^)]*)\)", text)))


def test_every_link_of_the_lesson_opens_what_it_says(open_at, shipped, pytestconfig, explainer):
    found = links(pytestconfig.rootpath)
    assert len(found) > 10
    e = explainer.explain(EXAMPLES / "hopper.jpg", attributions=())
    consensus = e.labels[int(e.fusion.consensus.argmax())]  # the same for every face
    page = open_at(shipped)
    for link in found:
        asked = {name: values[0] for name, values in parse_qs(urlsplit(link).query).items()}
        page.goto(link.replace(ADDRESS, shipped))
        expect(page.locator(f'.dan-example[data-name="{asked.pop("example")}"]')).to_have_attribute(
            "aria-pressed", "true"
        )
        if "tab" in asked:
            tab = page.locator("#dan-tabs [role=tab][aria-selected=true]")
            expect(tab).to_have_text(asked.pop("tab"))
        if "tour" in asked:
            expect(page.locator(".dan-tour-place")).to_have_text(f"Tour, card {asked.pop('tour')} of 10")
        if "off" in asked:
            pressed = page.locator('.dan-switch[data-switch="off"][aria-pressed=true]')
            heads = asked.pop("off").split(",")
            expect(pressed).to_have_count(len(heads))
            assert [str(int(one.get_attribute("data-head")) + 1) for one in pressed.all()] == heads
        if "alpha" in asked:
            expect(page.locator(".dan-flow-caption")).to_contain_text(f"α = {float(asked.pop('alpha')):.2f}")
            expect(page.locator("#dan-probabilities .dan-best")).to_contain_text(consensus)
        if "swap" in asked:
            one, other = asked.pop("swap").split(",")
            expect(page.locator(".dan-flow-caption")).to_contain_text(f"Head {one} and Head {other} swapped")
        if "class" in asked:
            expect(page.locator("#dan-probabilities .dan-explained")).to_contain_text(asked.pop("class"))
        assert asked == {}  # everything that the link asks for was checked
