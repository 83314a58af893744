"""Every view is drawn, or states why not, and fits into a page."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import replace

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text

from dan_model.explain import Explainer
from dan_model.show.figure_views import all_views, transplant_view
from dan_model.show.report import panel_png
from dan_model.show.style import INK
from dan_model.show.svg import inline_svg
from tests.fixtures.models import random_dan


@pytest.fixture(scope="module")
def explanation(explainer, astronaut):
    return explainer.explain(astronaut, attended_vs_used=True)


@pytest.mark.parametrize(("heads", "figures"), [(1, 3), (2, 10), (9, 10), (11, 9)])
def test_every_view_is_drawn_or_says_why_not(heads, figures, detector, astronaut, recwarn):
    e = Explainer(random_dan(heads=heads), detector).explain(astronaut, attended_vs_used=True)
    views = all_views(e)
    drawn = [inline_svg(view.figure, view.sentence) for view in views if view.figure is not None]
    assert len(drawn) == figures
    assert all(view.sentence for view in views)
    for view in views:
        if view.figure is None:
            assert any(why in view.sentence for why in ("two heads or more", "up to 10 heads, not 11", "no reference"))
        else:
            assert min(axes.get_position().width for axes in view.figure.axes) > 0.2
    assert not [w for w in recwarn.list if issubclass(w.category, UserWarning)]


@pytest.mark.parametrize("heads", [2, 4, 9])
def test_every_text_lies_in_its_figure_and_is_twelve_pixels_high_on_the_page(heads, detector, astronaut):
    e = Explainer(random_dan(heads=heads), detector).explain(astronaut, attended_vs_used=True)
    for view in all_views(e):
        if view.figure is None:
            continue
        canvas = FigureCanvasAgg(view.figure)
        canvas.draw()
        frame, undrawn = view.figure.bbox.padded(1), set()  # labels of ticks beyond the end of an axis are not drawn
        for axis in (axis for axes in view.figure.axes for axis in (axes.xaxis, axes.yaxis)):
            low, high = sorted(axis.get_view_interval())
            for tick in axis.get_major_ticks():
                undrawn |= set() if low <= tick.get_loc() <= high else {tick.label1, tick.label2}
        for text in view.figure.findobj(Text):
            if text.get_visible() and text.get_text().strip() and text not in undrawn:
                assert text.get_fontsize() >= 8, (view.name, text)  # page.css draws 8 points as 12 pixels
                box = text.get_window_extent(canvas.get_renderer())
                assert frame.count_contains(box.corners()) == 4, (view.name, text)


def test_figures_in_pages_are_well_formed_scoped_and_take_the_pages_ink(explanation):
    for view in [*all_views(explanation), transplant_view(explanation, explanation.heads.embeddings * 2, "<b>")]:
        drawn = inline_svg(view.figure, 'a "quoted" <text>')
        root = ET.fromstring(drawn)
        assert root.get("aria-label") == 'a "quoted" <text>'
        assert "<style" not in drawn
        assert INK.lower() not in drawn
        assert "currentColor" in drawn or view.name == "region-map"  # a picture with labels of its own
        assert "DejaVu" not in drawn


def test_class_names_are_no_formulas(explanation):
    odd = tuple(f"$\\bad{{$ <b>{k}" for k in range(8))
    for view in all_views(replace(explanation, labels=odd)):
        if view.figure is not None:
            inline_svg(view.figure, view.sentence)
    assert panel_png(replace(explanation, labels=odd)).startswith(b"\x89PNG")
