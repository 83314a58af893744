"""The figure of the curves can be read alone: its legend names every line, and covers none."""

from __future__ import annotations

import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg

from dan_model.explain.attributions import AttributionRequest
from dan_model.explain.faithfulness import Faithfulness, MapFaithfulness, MapName
from dan_model.show.faithfulness_figures import curves_figure

SHORT = ("layer_grad_cam", "occlusion")
LONG = ("integrated_gradients@blur", "occlusion@blur:window=60,stride=40", "layer_grad_cam")


def one_map(name: MapName, height: float = 1.0) -> MapFaithfulness:
    curve = torch.linspace(height, 0, 5)
    return MapFaithfulness(name, torch.zeros(14, 14), curve, curve.flip(0), 0.5)


def found(methods: tuple[str, ...]) -> Faithfulness:
    names = [MapName(f"head {h + 1}", head=h) for h in range(4)] + [MapName("fusion")]
    names += [MapName(text, request=AttributionRequest.parse(text)) for text in methods]
    random = tuple(one_map(MapName(f"random {i}"), 0.5 + i / 10) for i in range(3))
    return Faithfulness("happiness", "nats", "blur", random, one_map(MapName("edges")), tuple(map(one_map, names)))


@pytest.mark.parametrize("methods", [(), SHORT, LONG])
def test_the_legend_of_the_curves_names_every_line_once_and_covers_nothing(methods):
    result = found(methods)
    figure = curves_figure(result)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    (legend,) = figure.legends
    named = [text.get_text() for text in legend.get_texts()]
    assert sorted(named) == sorted([*(one.name.title for one in result.maps), "picture's edges", "random maps"])
    box = legend.get_window_extent(canvas.get_renderer())
    assert figure.bbox.count_contains(box.corners()) == 4
    assert not any(box.overlaps(axes.get_tightbbox()) for axes in figure.axes)
    assert min(axes.bbox.height for axes in figure.axes) > 1.5 * figure.dpi


def test_random_maps_are_thinner_and_fainter_than_every_map_and_lie_below():
    for axes in curves_figure(found(SHORT)).axes:
        colours = [line.get_color() for line in axes.lines]
        random = [line for line in axes.lines if line.get_alpha() is not None]
        others = [line for line in axes.lines if line not in random]
        assert len(random) == 3
        assert len(others) == len(colours) - 3 == 8
        assert max(line.get_linewidth() for line in random) < min(line.get_linewidth() for line in others) / 2
        assert max(line.get_zorder() for line in random) < min(line.get_zorder() for line in others)
