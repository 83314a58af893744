"""The figures of the tab Classes."""

from __future__ import annotations

from itertools import pairwise

import torch

from dan_model.explain.reference import ClassDistances, Reference
from dan_model.show.class_figures import projection_figure


def test_every_class_is_named_at_its_centre_and_no_name_covers_another():
    """Four classes of which three nearly coincide."""
    centres = torch.tensor([[0.0, 0.0], [0.1, 0.01], [0.2, 0.02], [5.0, 9.0]])
    reference = Reference(
        centres=centres, axes=torch.eye(2), mean=torch.zeros(2), points=torch.randn(40, 2), classes=torch.arange(40) % 4
    )
    here = ClassDistances(torch.zeros(4), torch.tensor([1.0, 1.0]))
    (axes,) = projection_figure(here, reference, ("a", "b", "c", "d")).axes
    named = {one.get_text(): one for one in axes.texts}
    assert {text: tuple(one.xy) for text, one in named.items()} == {
        text: tuple(centre) for text, centre in zip("abcd", centres.tolist(), strict=True)
    }
    low, high = axes.get_ylim()
    heights = sorted(one.xyann[1] for one in named.values())
    assert min(b - a for a, b in pairwise(heights)) > 0.04 * (high - low)
    assert [named[text].xyann[1] for text in "abc"] == heights[:3]  # in the order of the centres
