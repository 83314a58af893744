"""Moves against shifts, mirror images and quarter turns that need no interpolation."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from dan_model.learn.moves import compute_moves, correlation, draw_moves, follows, in_view, move, unmoved

STILL = {"angle": torch.zeros(1), "zoom": torch.ones(1), "shift": torch.zeros(1, 2), "mirror": torch.ones(1)}
CELL = 2 / 7  # the side of a cell, where the picture goes from -1 to 1


@pytest.fixture
def maps() -> torch.Tensor:
    return torch.rand(1, 2, 7, 7, generator=torch.Generator().manual_seed(0))


def test_a_shift_by_a_cell_a_mirror_image_and_a_quarter_turn_take_every_cell_along(maps):
    right = compute_moves(**STILL | {"shift": torch.tensor([[CELL, 0.0]])})
    torch.testing.assert_close(move(maps, right, 7)[..., :6], maps[..., 1:])
    assert in_view(right, 7)[0].tolist() == [[True] * 6 + [False]] * 7
    mirrored = compute_moves(**STILL | {"mirror": -torch.ones(1)})
    torch.testing.assert_close(move(maps, mirrored, 7), maps.flip(3))
    turned = move(maps, compute_moves(**STILL | {"angle": torch.tensor([math.pi / 2])}), 7)
    torch.testing.assert_close(turned, maps.rot90(1, (2, 3)), rtol=0, atol=1e-5)
    assert bool(in_view(mirrored, 7).all())


def test_twice_the_size_shows_the_middle_half():
    theta = compute_moves(**STILL | {"zoom": torch.tensor([2.0])})
    ramp = torch.linspace(-6 / 7, 6 / 7, 7).expand(1, 1, 7, 7)
    torch.testing.assert_close(move(ramp, theta, 7), ramp / 2, rtol=0, atol=1e-6)
    half = compute_moves(**STILL | {"zoom": torch.tensor([0.5])})
    assert in_view(half, 7)[0].sum(dim=1).tolist() == [0, 0, 3, 3, 3, 0, 0]


def test_what_goes_along_follows_and_what_does_not_stays(maps):
    theta = compute_moves(**STILL | {"shift": torch.tensor([[CELL, 0.0]])})
    along = torch.rand(1, 2, 7, 7)
    along[..., :6] = maps[..., 1:]
    assert follows(along, maps, theta)[0].tolist() == pytest.approx([1, 1], abs=1e-6)
    stencil = follows(maps, maps, theta)[0]
    for h in range(2):
        by_numpy = np.corrcoef(maps[0, h, :, :6].flatten(), maps[0, h, :, 1:].flatten())[0, 1]
        assert float(stencil[h]) == pytest.approx(by_numpy, abs=1e-5)
    assert float(correlation(maps, torch.ones_like(maps), in_view(theta, 7)).abs().max()) == 0


def test_random_moves_stay_in_their_ranges_and_repeat():
    def drawn(**ranges) -> torch.Tensor:
        return draw_moves(400, torch.Generator().manual_seed(3), **ranges)

    assert torch.equal(drawn(), unmoved(400))
    assert torch.equal(drawn(shift=0.25), drawn(shift=0.25))
    shift = drawn(shift=0.25)[:, :, 2]
    assert 0.48 < float(shift.abs().max()) <= 0.5
    zoom = drawn(scale=(0.8, 1.25))[:, 0, 0].reciprocal()
    assert 0.8 <= float(zoom.min()) < 0.81
    assert 1.24 < float(zoom.max()) <= 1.25
    turn = drawn(degrees=30)
    angles = torch.rad2deg(torch.atan2(turn[:, 1, 0], turn[:, 0, 0]))
    assert 29 < float(angles.abs().max()) <= 30
    mirrored = (torch.linalg.det(drawn(mirror=0.5)[:, :, :2]) < 0).double().mean()
    assert 0.4 < float(mirrored) < 0.6
