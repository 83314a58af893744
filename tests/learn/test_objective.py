from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from dan_model.config import ModelConfig
from dan_model.errors import ArgumentError
from dan_model.learn.moves import compute_moves, unmoved
from dan_model.learn.objective import (
    Objective,
    alike_loss,
    balance_loss,
    fewer_loss,
    needed_loss,
    outside_loss,
    overlap_loss,
    scale_attention,
)
from dan_model.learn.training import fresh_model
from dan_model.network import CHANNELS, DAN
from tests.fixtures.recipes import QUICK_RECIPE


def test_the_head_terms_by_hand():
    maps = torch.zeros(1, 2, 2, 2)
    maps[0, 0] = torch.tensor([[3.0, 4.0], [0.0, 0.0]])
    maps[0, 1] = torch.tensor([[4.0, 3.0], [0.0, 0.0]])
    assert float(overlap_loss(maps)) == pytest.approx(0.96)
    assert float(overlap_loss(maps, 0.5)) == pytest.approx(0.46)
    embeddings = torch.tensor([[[1.0, 2.0], [1.0, 0.0]]])  # parts 3/4 and 1/4, of two heads
    assert float(balance_loss(embeddings)) == pytest.approx(-(math.log(3 / 2) + math.log(1 / 2)) / 2)
    assert float(balance_loss(torch.ones(3, 4, 5))) == pytest.approx(0, abs=1e-6)
    inside = torch.zeros(4, 4)
    inside[:2, :2] = 1  # the first cell
    assert float(outside_loss(maps, inside)) == pytest.approx(1 - (3 / 7 + 4 / 7) / 2)


def test_outside_moves_with_the_face_so_that_a_stencil_loses():
    stencil = torch.zeros(2, 1, 4, 4)
    stencil[..., :2] = 1.0
    inside = torch.zeros(8, 8)
    inside[:, :4] = 1  # the left half
    one_cell = torch.full((2,), 1.0)
    right = compute_moves(
        torch.zeros(2), one_cell, torch.tensor([[0.5, 0.0], [1.0, 0.0]]), one_cell
    )  # one cell and two
    assert float(outside_loss(stencil, inside)) == 0
    assert float(outside_loss(stencil, inside, unmoved(2))) == pytest.approx(0, abs=1e-6)
    assert float(outside_loss(stencil, inside, right)) == pytest.approx((1 / 2 + 1) / 2)
    along = torch.zeros_like(stencil)
    along[..., 0] = 1.0
    assert float(outside_loss(along[:1], inside, right[:1])) == pytest.approx(0, abs=1e-6)


def test_maps_that_are_alike_lose_above_the_margin():
    maps = torch.zeros(5, 2, 2, 2)
    maps[:, 0] = torch.rand(2, 2)  # one map for all, of energy 1
    for i, cell in enumerate([0, 0, 0, 1, 2]):  # single cells: their mean explains (9 + 1 + 1)/25
        maps[i, 1].view(-1)[cell] = 3.0
    assert float(alike_loss(maps, 0.0)) == pytest.approx((1 + 11 / 25) / 2)
    assert float(alike_loss(maps, 0.5)) == pytest.approx(0.5 / 2)


def test_fewer_heads_take_turns_in_every_set_that_is_neither_empty_nor_full():
    model = DAN(("a", "b", "c"), 3)
    with torch.no_grad():
        model.bn.running_mean.uniform_(-1, 1)
        model.bn.running_var.uniform_(0.5, 2)
    v, targets = torch.rand(12, 3, CHANNELS) * 3, torch.eye(3)[torch.arange(12) % 3]
    expected = []
    model.eval()
    for i in range(12):
        kept = torch.tensor([[1, 0, 0], [0, 1, 0], [1, 1, 0], [0, 0, 1], [1, 0, 1], [0, 1, 1]])[i % 6]
        with torch.no_grad():
            logits = model.classify(model.fuse((v[i] * kept[:, None])[None])[1])
        expected.append(float(-(logits.log_softmax(dim=1) * targets[i]).sum()))
    model.train()
    assert float(fewer_loss(model, v, targets)) == pytest.approx(sum(expected) / 12, rel=1e-4)


def test_a_map_that_follows_its_face_costs_nothing_and_a_stencil_does():
    recipe = replace(QUICK_RECIPE, follow=2.0, alike=0.3, alike_margin=0.1, fewer=0.4, affinity=0, partition=0, alone=0)
    objective = Objective(fresh_model(ModelConfig(("a", "b"), 2), recipe), replace(recipe, overlap=0)).eval()
    still = torch.rand(2, 2, 7, 7)
    ones = torch.ones(2)
    theta = torch.cat([compute_moves(torch.zeros(2), ones, torch.zeros(2, 2), -ones), unmoved(2)])
    stages = objective.model.stages(torch.randn(4, 3, 64, 64))
    for moved, expected in ((still.flip(3), 0.0), (1 - still.flip(3), 2.0)):
        maps = torch.cat([moved, still])
        loss, terms = objective.from_stages(replace(stages, spatial=maps), torch.eye(2)[[0, 1, 0, 1]], theta)
        assert float(terms["follow"]) == pytest.approx(expected, abs=1e-5)
        halves = (alike_loss(moved, 0.1) + alike_loss(still, 0.1)) / 2
        assert float(terms["alike"]) == pytest.approx(float(halves))
        parts = terms["cross_entropy"] + 2 * terms["follow"] + 0.3 * terms["alike"] + 0.4 * terms["fewer"]
        torch.testing.assert_close(loss.detach(), parts)


def test_the_loss_for_ablating_a_head_by_hand():
    """Head 0 says 2 in channel 0, head 1 nothing: S₀ is log softmax(2, 0) summed, without head 0 that of (0, 0)."""
    model = DAN(("a", "b"), 2).train()
    with torch.no_grad():
        model.fc.weight.zero_()
        model.fc.bias.zero_()
        model.fc.weight[0, 0] = -1.0  # logit a = −S₀; logit b = 0
        model.bn.running_mean[0] = 1.0  # and a third of that, less 1/3, after the running statistics
        model.bn.running_var[0] = 9.0 - model.bn.eps
    embeddings, target = torch.zeros(3, 2, CHANNELS), torch.eye(2)[[0, 0, 0]]
    embeddings[:, 0, 0] = 2.0
    loud = 2 * math.log(1 + math.exp(2)) - 2
    silent = 2 * math.log(2)

    def surprise(s: float) -> float:
        return math.log(1 + math.exp(-(s - 1) / 3))

    kept, ablated = surprise(loud), surprise(silent)
    assert ablated > kept
    before = model.bn.running_mean.clone()
    for margin in (0.5, (ablated - kept) / 2):
        expected = (max(0, kept + margin - ablated) + margin) / 2  # head 0, head 1
        assert needed_loss(model, embeddings, target, margin).item() == pytest.approx(expected, abs=1e-6)
    # Head 1 causes too little, head 0 too much.
    limited = needed_loss(model, embeddings, target, 0.1, (ablated - kept) / 4).item()
    assert limited == pytest.approx((0.1 + (ablated - kept) * 3 / 4) / 2, abs=1e-6)
    assert ablated - kept > 0.1
    assert torch.equal(model.bn.running_mean, before)
    needed_loss(model, embeddings.requires_grad_(), target, 0.5).backward()
    assert embeddings.grad[:, 0, 0].max() < 0  # the head must say more


def test_outside_needs_to_know_what_is_inside():
    recipe = replace(QUICK_RECIPE, outside=0.25)
    with pytest.raises(ArgumentError, match="what is inside the face"):
        Objective(fresh_model(ModelConfig(("a", "b", "c"), 2), recipe), recipe)


def test_the_objective_is_the_weighted_sum_of_its_terms():
    recipe = replace(QUICK_RECIPE, label_smoothing=0.0, outside=0.25, balance=0.5, needed=0.2, needed_margin=1e3)
    model = fresh_model(ModelConfig(("a", "b", "c"), 2), recipe)
    objective = Objective(model, recipe, torch.ones(4, 4) / 2).eval()
    loss, terms = objective(torch.randn(4, 3, 64, 64), torch.eye(3)[[0, 1, 2, 0]])
    expected = terms["cross_entropy"] + 0.1 * (terms["affinity"] + terms["partition"] + terms["overlap"])
    expected = expected + 0.1 * terms["alone"] + 0.25 * terms["outside"] + 0.5 * terms["balance"]
    expected = expected + 0.2 * terms["needed"]
    assert float(terms["needed"]) > 0
    torch.testing.assert_close(loss.detach(), expected)
    assert float(terms["outside"]) == pytest.approx(0.5)


def test_attention_starts_at_the_scale_of_the_recipe():
    one, other = (fresh_model(ModelConfig(("a", "b"), 2), replace(QUICK_RECIPE, attention_scale=s)) for s in (1.0, 0.5))
    x = torch.randn(2, 512, 7, 7).relu()
    torch.testing.assert_close(other.eval().attend(x).spatial, 0.5 * one.eval().attend(x).spatial, rtol=1e-4, atol=1e-4)
    scale_attention(other, 2.0)
    assert torch.equal(other.cat_head0.sa.conv_3x3[1].weight, one.cat_head0.sa.conv_3x3[1].weight)
