"""Figures in the page keep all their text, and bring no font of their own."""

from __future__ import annotations

import re

from matplotlib.figure import Figure

from dan_model.show.svg import inline_svg


def test_every_line_of_every_text_is_in_the_svg_without_a_font_family():
    figure = Figure(figsize=(3, 2))
    for place, anchor in enumerate(("left", "center", "right")):
        figure.text(0.5, 0.3 * place, f"{anchor} one\n{anchor} two\n{anchor} three", ha=anchor)
        figure.text(0.5, 0.3 * place, f"{anchor} alone", ha=anchor)
    drawn = inline_svg(figure, "")
    wanted = [f"{a} {line}" for a in ("left", "center", "right") for line in ("one", "two", "three", "alone")]
    assert sorted(re.findall(r"<text[^>]*>([^<]*)</text>", drawn)) == sorted(wanted)
    assert "font-family" not in drawn
    assert all(style.startswith("font-size") for style in re.findall(r'<text style="([^"]*)"', drawn))
