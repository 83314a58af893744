from __future__ import annotations

import math
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from dan_model.errors import ArgumentError
from dan_model.explain.fusion import tug_of_war
from dan_model.explain.heads import Heads, compute_overlap, mean_of_pairs, pairwise_iou, strongest_channels, top_cells
from dan_model.losses import partition_loss


def heads(spatial: torch.Tensor) -> Heads:
    channels = torch.rand(len(spatial), 8)
    return Heads(spatial, channels, channels)


def test_maps_in_proportion_overlap_fully_and_maps_without_a_common_cell_not_at_all():
    left, right = torch.zeros(7, 7), torch.zeros(7, 7)
    left[:, 0] = torch.arange(1.0, 8)
    right[:, 6] = torch.arange(1.0, 8)
    overlap = compute_overlap(heads(torch.stack([left, 5 * left, right])), cells=7)
    expected = torch.tensor([[1.0, 1, 0], [1, 1, 0], [0, 0, 1]], dtype=torch.float64)
    torch.testing.assert_close(overlap.cosine, expected)
    torch.testing.assert_close(overlap.iou, expected)
    assert overlap.mean_cosine == pytest.approx(1 / 3)


def test_overlap_by_hand():
    """(3, 4, 0) and (4, 3, 0): cosine 24/25. Top two of (3, 4, 0, 1) and (0, 4, 3, 1) share one of three cells."""
    one = torch.tensor([[3.0, 4.0], [0.0, 0.0]])
    other = torch.tensor([[4.0, 3.0], [0.0, 0.0]])
    assert float(compute_overlap(heads(torch.stack([one, other])), 1).cosine[0, 1]) == pytest.approx(24 / 25)
    one = torch.tensor([[3.0, 4.0], [0.0, 1.0]])
    other = torch.tensor([[0.0, 4.0], [3.0, 1.0]])
    assert float(compute_overlap(heads(torch.stack([one, other])), 2).iou[0, 1]) == pytest.approx(1 / 3)


def test_gates_are_compared_by_cosine_and_the_largest_are_listed():
    gates = torch.tensor([[0.6, 0.8, 0.1], [0.8, 0.6, 0.7]])
    made = replace(heads(torch.rand(2, 7, 7)), gates=gates)
    a, b = (0.48 + 0.48 + 0.07), math.sqrt(1.01) * math.sqrt(1.49)
    assert float(compute_overlap(made).gates[0, 1]) == pytest.approx(a / b)
    assert strongest_channels(gates, 2).tolist() == [[1, 0], [0, 2]]


def test_the_partition_loss_by_hand_and_after_log_softmax():
    """Two heads, channels (0, 2) and (1, 1 + √2): variances 2 and 1, mean 1.5, so ln(1 + 2 / 1.5)."""
    v = torch.tensor([[0.0, 1.0], [2.0, 1 + math.sqrt(2)]], dtype=torch.float64)
    expected = math.log(7 / 3)
    assert float(partition_loss(v)) == pytest.approx(expected)
    assert float(partition_loss(v.log_softmax(dim=0))) == pytest.approx(expected)
    assert float(partition_loss(v.expand(3, 2, 2))) == pytest.approx(expected)
    made = replace(heads(torch.rand(2, 7, 7)), embeddings=v)
    assert compute_overlap(made).partition_loss == pytest.approx(expected)
    assert math.isfinite(float(partition_loss(torch.ones(4, 3))))


def test_a_single_head_is_refused_and_so_are_more_cells_than_there_are():
    with pytest.raises(ArgumentError, match="single head"):
        compute_overlap(heads(torch.rand(1, 7, 7)))
    with pytest.raises(ArgumentError, match=r"\[1, 49\], got 50"):
        compute_overlap(heads(torch.rand(2, 7, 7)), 50)
    with pytest.raises(ArgumentError, match="single head"):
        tug_of_war(SimpleNamespace(pull=torch.zeros(40)), torch.rand(1, 40))


def test_a_fifth_of_the_cells_count_as_most_attended():
    assert [top_cells(n) for n in (49, 16, 9, 4, 1)] == [10, 3, 2, 1, 1]
    assert compute_overlap(heads(torch.rand(2, 7, 7))).cells == 10


def test_many_faces_are_compared_as_one_by_one():
    maps = torch.rand(5, 3, 49, generator=torch.Generator().manual_seed(0))
    each = torch.stack([pairwise_iou(face, 10) for face in maps])
    torch.testing.assert_close(pairwise_iou(maps, 10), each, rtol=0, atol=0)
    by_hand = [(float(m[0, 1]) + float(m[0, 2]) + float(m[1, 2])) / 3 for m in each]
    assert mean_of_pairs(each).tolist() == pytest.approx(by_hand)
