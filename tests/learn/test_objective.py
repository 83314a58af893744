from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from dan_model.config import ModelConfig
from dan_model.learn.objective import Objective, balance_loss, needed_loss, outside_loss, overlap_loss, scale_attention
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
    assert torch.equal(model.bn.running_mean, before)
    needed_loss(model, embeddings.requires_grad_(), target, 0.5).backward()
    assert embeddings.grad[:, 0, 0].max() < 0  # the head must say more


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
