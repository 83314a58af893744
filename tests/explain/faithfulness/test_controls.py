from __future__ import annotations

import torch

from dan_model.explain.faithfulness.controls import edge_map


def test_edges_are_where_the_image_changes():
    x = torch.zeros(1, 3, 224, 224)
    x[..., 100:] = 1.0
    columns = edge_map(x).sum(dim=0)
    assert columns.nonzero().flatten().tolist() == [6]  # pixels 96 … 111
