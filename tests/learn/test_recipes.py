from __future__ import annotations

import math

import pytest

from dan_model.learn.recipes import RECIPES, Phase, Recipe


def test_rates_follow_their_schedules():
    cosine = Recipe((Phase(64, 10),), lr=1.0, warmup_epochs=2)
    assert cosine.rate(0) == 0
    assert cosine.rate(1) == pytest.approx(0.5 * (1 + math.cos(0.1 * math.pi)) / 2)
    assert cosine.rate(5) == pytest.approx(0.5)
    assert cosine.rate(10) == pytest.approx(0)
    rafdb, affectnet = RECIPES["rafdb"], RECIPES["affectnet8"]
    assert [rafdb.rate(e) for e in (0, 9.9, 10, 39.9)] == pytest.approx([0.1, 0.1, 0.01, 1e-4])
    assert [affectnet.rate(e) for e in (0.5, 1, 3)] == pytest.approx([1e-4, 6e-5, 2.16e-5])
    mixed = Recipe((Phase(64, 2), Phase(112, 1)))
    assert [mixed.size(e) for e in range(4)] == [64, 64, 112, 112]
