from __future__ import annotations

import torch

from dan_model.explain.faithfulness import map_names, new_map, shown_map


def test_maps_computed_again_equal_the_shown_ones(small_explainer, explanation):
    task = small_explainer.task(explanation)
    for name in map_names(explanation):
        shown, again = shown_map(explanation, name), new_map(task, name)
        torch.testing.assert_close(again.double(), shown.double(), rtol=1e-3, atol=1e-5 * float(shown.abs().max()))
