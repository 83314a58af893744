"""The panel is drawn for any number of heads and any class names."""

from __future__ import annotations

import io
import re

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image

from dan_model.explain import Explainer
from dan_model.show.axes import text_inches, wrapped
from dan_model.show.panel import panel
from dan_model.show.report import panel_png
from tests.fixtures.models import random_dan


@pytest.mark.parametrize("heads", [1, 2, 4])
def test_panels_are_drawn_for_any_number_of_heads(detector, astronaut, heads):
    e = Explainer(random_dan(heads=heads), detector).explain(astronaut)
    image = Image.open(io.BytesIO(panel_png(e)))
    assert image.width > 400
    titles = [axes.get_title().split("\n")[0] for axes in panel(e).axes]
    assert [title for title in titles if title.startswith("Head")] == [f"Head {h + 1}" for h in range(heads)]


@pytest.mark.parametrize("heads", [1, 2, 4])
def test_titles_in_a_panel_are_whole_and_overlap_no_neighbour(detector, astronaut, heads, monkeypatch):
    long = {"nose": "the bridge of the nose and its wings", "mouth": "Oberlippenundunterlippenbereich"}
    monkeypatch.setattr("dan_model.show.tiles._", lambda text: long.get(text, text))
    methods = ("occlusion@blur:window=60,stride=40", "layer_grad_cam")
    drawn = panel(Explainer(random_dan(heads=heads), detector).explain(astronaut, attributions=methods))
    canvas = FigureCanvasAgg(drawn)
    canvas.draw()
    texts = [axes.title for axes in drawn.axes] + [axes.xaxis.label for axes in drawn.axes]
    texts = [text for text in [*texts, *drawn.subfigs[0].texts] if text.get_text()]
    boxes = [text.get_window_extent(canvas.get_renderer()) for text in texts]
    assert len(boxes) > heads + 4
    assert not [(i, k) for k, one in enumerate(boxes) for i in range(k) if one.overlaps(boxes[i])]
    assert not [text for text, box in zip(texts, boxes, strict=True) if drawn.bbox.count_contains(box.corners()) < 4]
    words = " ".join(" ".join(text.get_text() for text in texts).split())
    assert "highest cell" in words  # nothing is lost by breaking lines
    assert "Occlusion" in words


def test_signed_numbers_of_tiles_and_panel_have_a_true_minus(explainer, astronaut):
    e = explainer.explain(astronaut, attributions=("integrated_gradients",), target="sadness")
    drawn = panel(e)
    written = [text.get_text() for axes in drawn.axes for text in (*axes.texts, axes.title)]
    numbers = [text for text in written if re.search(r"[-−+]\d", text)]
    assert any("−" in text for text in numbers)
    assert not [text for text in numbers if re.search(r"-\d", text)]


def test_lines_are_broken_at_words_and_inside_words_only_where_one_alone_is_too_wide():
    assert wrapped("40 % on nose; highest cell 50 %", 8, 1.2) == "40 % on nose;\nhighest cell 50 %"
    assert wrapped("short\ntext", 8, 1.2) == "short\ntext"
    broken = wrapped("a Rindfleischetikettierungsgesetz b", 8, 0.8).split("\n")
    assert "".join(broken).replace(" ", "") == "aRindfleischetikettierungsgesetzb"
    assert max(text_inches(line, 8) for line in broken) <= 0.8
