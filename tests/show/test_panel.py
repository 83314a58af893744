"""The panel is drawn for any number of heads and any class names."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from dan_model.explain import Explainer
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
