from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from dan_model.config import PreprocessConfig
from dan_model.learn.augmentation import Augmentation


@pytest.fixture
def grey() -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (6, 1, 32, 32), generator=generator, dtype=torch.uint8)


def augmented(grey, augmentation: Augmentation, seed: int = 0) -> torch.Tensor:
    config = PreprocessConfig(mean=(0.5,) * 3, std=(0.5,) * 3)
    return augmentation(grey, 32, config, torch.Generator().manual_seed(seed))


NOTHING = Augmentation(0, 0, 0, (1, 1), 0, 0, 0, 0)


def test_an_augmentation_with_all_strengths_zero_changes_nothing(grey):
    x = augmented(grey, NOTHING)
    assert x.shape == (6, 3, 32, 32)
    torch.testing.assert_close(x[:, 0], grey[:, 0].float() / 127.5 - 1, rtol=0, atol=1e-4)
    torch.testing.assert_close(x[:, 0], x[:, 2])


def test_faces_are_mirrored_moved_and_brightened_independently(grey):
    plain = augmented(grey, NOTHING)
    torch.testing.assert_close(augmented(grey, replace(NOTHING, mirror=1.0)), plain.flip(3), rtol=0, atol=1e-4)
    brighter = augmented(grey, replace(NOTHING, brightness=0.2)) - plain
    middle = (plain > -0.5) & (plain < 0.5)  # elsewhere the light is clipped
    shifts = torch.stack([brighter[i][middle[i]].mean() for i in range(6)])
    assert shifts.unique().numel() == 6
    assert float(shifts.abs().max()) <= 0.4 + 1e-4
    moving = replace(NOTHING, probability=1.0, degrees=20, shift=0.1, scale=(0.9, 1.1))
    moved = augmented(grey, moving)
    assert not torch.allclose(moved, plain, atol=0.1)
    assert torch.equal(moved, augmented(grey, moving))


def test_a_rectangle_is_erased_within_its_bounds(grey):
    plain, erased = augmented(grey, NOTHING), augmented(grey, replace(NOTHING, erase=1.0))
    changed = ((erased - plain).abs().amax(dim=1) > 1e-3).float().mean(dim=(1, 2))
    assert float(changed.min()) > 0
    assert float(changed.max()) <= 0.35  # of 25 %, and what rounding to pixels adds
    third = augmented(grey, replace(NOTHING, erase=1.0, erased_area=(0.33, 0.33), noise=False))
    assert (third == 0).all(dim=1).float().mean(dim=(1, 2)).sub(0.33).abs().max() < 0.06


def test_the_scale_is_drawn_between_its_bounds_and_black_comes_in_from_outside():
    face = torch.full((64, 1, 40, 40), 255, dtype=torch.uint8)
    smaller = replace(NOTHING, probability=1.0, scale=(0.8, 1), edge=False)
    sides = ((augmented(face, smaller)[:, 0] + 1) / 2).mean(dim=(1, 2)).sqrt()
    assert 0.79 < float(sides.min()) < 0.83
    assert 0.96 < float(sides.max()) <= 1
    assert float(augmented(face, replace(smaller, edge=True)).min()) == pytest.approx(1)


def test_a_shift_moves_the_face_by_up_to_that_fraction():
    face = torch.zeros(1, 1, 40, 40, dtype=torch.uint8)
    face[..., 18:22, 18:22] = 255
    found = []
    for seed in range(8):
        x = augmented(face, replace(NOTHING, probability=1.0, shift=0.2), seed)[:, 0] + 1
        rows, columns = torch.meshgrid(torch.arange(32.0), torch.arange(32.0), indexing="ij")
        found.append([float((x * at).sum() / x.sum()) / 32 - 0.5 for at in (rows, columns)])
    reach = torch.tensor(found).abs().amax(dim=0)
    assert (reach > 0.08).all()
    assert (reach < 0.23).all()
