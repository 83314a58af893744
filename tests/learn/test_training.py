"""Training learns, goes on bit for bit where it was stopped, and stops before it spoils anything."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from dan_model.config import ModelConfig, PreprocessConfig
from dan_model.errors import ArgumentError, TrainingError
from dan_model.learn.batches import Pixels
from dan_model.learn.datasets import load_faces
from dan_model.learn.moves import move, unmoved
from dan_model.learn.recipes import Phase, Recipe
from dan_model.learn.training import STATE, Training, fresh_model
from dan_model.weights import load_checkpoint
from tests.fixtures.recipes import QUICK_RECIPE
from tests.learn.conftest import light_networks

ONE_EPOCH = replace(QUICK_RECIPE, phases=(Phase(48, 1),), batch_size=8)
TWO_EPOCHS = replace(QUICK_RECIPE, phases=(Phase(48, 2),))


@pytest.fixture(scope="module")
def pixels(drawn) -> tuple[Pixels, Pixels]:
    config = PreprocessConfig(image_size=64, detail_size=48, grayscale=True)
    return tuple(Pixels(load_faces("folder", drawn, split), config) for split in ("train", "valid"))


def training(pixels, recipe: Recipe, out: Path, heads: int = 2) -> Training:
    config = ModelConfig(pixels[0].faces.labels, heads, pixels[0].config)
    return Training(fresh_model(config, recipe), *pixels, recipe, out, cpu=True)


def few(pixels) -> tuple[Pixels, Pixels]:
    """A third of the images, for tests that are not about learning."""
    config = pixels[0].config
    return tuple(Pixels(p.faces.every(3), config) for p in pixels)


def assert_bit_equal(module: torch.nn.Module, other: torch.nn.Module) -> None:
    for (name, one), two in zip(module.state_dict().items(), other.state_dict().values(), strict=True):
        assert torch.equal(one, two), name


def test_it_learns_drawn_faces_from_scratch(pixels, tmp_path):
    run = training(pixels, QUICK_RECIPE, tmp_path)
    lines = []
    history = run.run(lines.append)
    assert history[-1]["accuracy"] > 0.95
    assert len(lines) == len(history) == 4
    best = load_checkpoint(tmp_path / "best").model
    assert tuple(best.config.labels) == pixels[0].faces.labels
    assert json.loads((tmp_path / "history.json").read_text()) == json.loads(json.dumps(history))
    assert list((tmp_path / "logs").rglob("events.out.tfevents*"))


@pytest.mark.usefixtures("light_network")
def test_the_best_epoch_of_the_last_phase_is_saved(pixels, tmp_path, monkeypatch):
    recipe = replace(QUICK_RECIPE, phases=(Phase(48, 1), Phase(64, 5)), affinity=0)
    run, saved = training(few(pixels), recipe, tmp_path), []
    monkeypatch.setattr("dan_model.learn.training.write_checkpoint", lambda model, out: saved.append(run.epoch))
    for epoch, accuracy in enumerate([0.9, 0.2, 0.5, 0.4, 0.5, 0.6]):
        run.epoch = epoch
        run.history.append({"accuracy": accuracy})
        run._save_if_best()
    assert saved == [1, 2, 5]


@pytest.mark.usefixtures("light_network")
def test_stopped_between_epochs_and_continued_the_weights_are_bit_equal(pixels, tmp_path):
    recipe = replace(QUICK_RECIPE, phases=(Phase(48, 1), Phase(64, 1)))
    whole = training(few(pixels), recipe, tmp_path / "whole")
    whole.run()
    training(few(pixels), recipe, tmp_path / "parts").run(until=1)
    rest = training(few(pixels), recipe, tmp_path / "parts")
    assert rest.epoch == 1
    rest.run()
    assert_bit_equal(whole.objective, rest.objective)
    assert_bit_equal(whole.average, rest.average)
    strip = [{k: v for k, v in entry.items() if k != "images_per_second"} for entry in whole.history]
    assert strip == [{k: v for k, v in entry.items() if k != "images_per_second"} for entry in rest.history]


@pytest.mark.usefixtures("light_network")
def test_with_follow_every_face_is_seen_moved_and_as_it_is(pixels, tmp_path, monkeypatch):
    moving = replace(QUICK_RECIPE.augmentation, shift=0.2, erase=0)
    recipe = replace(ONE_EPOCH, follow=1.0, alike=1.0, fewer=0.5, augmentation=moving)
    run, seen = training(few(pixels), recipe, tmp_path), []
    objective = run.objective.forward

    def recorded(x: torch.Tensor, targets: torch.Tensor, theta: torch.Tensor) -> tuple:
        seen.append((x, targets, theta))
        return objective(x, targets, theta)

    monkeypatch.setattr(run.objective, "forward", recorded)
    (entry,) = run.run()
    assert {"follow", "alike", "fewer"} <= entry.keys()
    assert math.isfinite(entry["loss"])
    x, targets, theta = seen[0]
    assert (len(x), len(targets), len(theta)) == (16, 16, 16)
    assert torch.equal(targets[:8], targets[8:])
    assert torch.equal(theta[8:], unmoved(8))
    # The second half, moved like the first, is the first but for light and for what comes in from outside.
    again = move(x[8:], theta[:8], 48)
    pairs = torch.stack([x[:8], again])[:, :, 0, 16:32, 16:32].flatten(2)
    assert min(float(torch.corrcoef(pairs[:, i])[0, 1]) for i in range(8)) > 0.9


@pytest.fixture(scope="module")
def whole_epoch(pixels, tmp_path_factory) -> Training:
    """An epoch of eight steps, trained without a stop."""
    with light_networks():
        run = training(few(pixels), ONE_EPOCH, tmp_path_factory.mktemp("whole"))
        run.run()
    return run


@pytest.mark.usefixtures("light_network")
def test_stopped_within_an_epoch_and_continued_the_weights_are_bit_equal(whole_epoch, pixels, tmp_path, monkeypatch):
    monkeypatch.setattr("dan_model.learn.training.SAVE_EVERY", 2)
    broken = training(few(pixels), ONE_EPOCH, tmp_path)
    save, saved = broken._save, []

    def killed_after_the_second() -> None:
        if len(saved) == 2:
            raise KeyboardInterrupt
        save()
        saved.append(broken.step)

    monkeypatch.setattr(broken, "_save", killed_after_the_second)
    with pytest.raises(KeyboardInterrupt):
        broken.run()
    assert saved == [2, 4]
    rest = training(few(pixels), ONE_EPOCH, tmp_path)
    assert (rest.epoch, rest.step) == (0, 4)
    rest.run()
    assert_bit_equal(whole_epoch.objective, rest.objective)
    assert [entry["loss"] for entry in rest.history] == [entry["loss"] for entry in whole_epoch.history]


@pytest.mark.usefixtures("light_network")
def test_killed_during_the_validation_of_an_epoch_the_epoch_is_not_lost(whole_epoch, pixels, tmp_path, monkeypatch):
    monkeypatch.setattr("dan_model.learn.training.SAVE_EVERY", 7)  # the last state before the end of the epoch
    broken = training(few(pixels), ONE_EPOCH, tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr("dan_model.learn.training.predict", _killed)
        with pytest.raises(KeyboardInterrupt):
            broken.run()
    rest = training(few(pixels), ONE_EPOCH, tmp_path)
    rest.run()
    assert rest.history[0]["accuracy"] == whole_epoch.history[0]["accuracy"]
    assert_bit_equal(whole_epoch.objective, rest.objective)


def _killed(*_: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.usefixtures("light_network")
def test_the_average_starts_again_with_another_input_size(pixels, tmp_path):
    recipe = replace(QUICK_RECIPE, phases=(Phase(64, 1), Phase(48, 1)))
    run = training(few(pixels), recipe, tmp_path)
    run.run(until=1)
    steps = int(run.average.n_averaged)
    assert steps > 1
    run.run()
    assert int(run.average.n_averaged) == steps


@pytest.fixture(scope="module")
def first_epoch(pixels, tmp_path_factory) -> Path:
    """The folder of a training of two epochs after the first; no test may change its state."""
    folder = tmp_path_factory.mktemp("first")
    with light_networks():
        training(few(pixels), TWO_EPOCHS, folder).run(until=1)
    return folder


@pytest.mark.usefixtures("light_network")
def test_a_loss_that_is_not_finite_stops_and_keeps_the_last_state(first_epoch, pixels):
    before = (first_epoch / STATE).read_bytes()
    broken = training(few(pixels), TWO_EPOCHS, first_epoch)
    with torch.no_grad():
        broken.model.fc.weight.fill_(math.nan)
    with pytest.raises(TrainingError, match="epoch 2, step 2"):
        broken.run()
    assert (first_epoch / STATE).read_bytes() == before


@pytest.mark.usefixtures("light_network")
def test_a_network_that_is_not_finite_is_not_saved(first_epoch, pixels, monkeypatch):
    monkeypatch.setattr("dan_model.learn.training.SAVE_EVERY", 1)
    before = (first_epoch / STATE).read_bytes()
    broken = training(few(pixels), TWO_EPOCHS, first_epoch)
    spoil = lambda: broken.model.fc.weight.data.fill_(math.nan)  # noqa: E731
    monkeypatch.setattr(broken.optimizer, "step", spoil)  # the loss before was finite
    with pytest.raises(TrainingError, match="network is not finite in epoch 2, step 1"):
        broken.run()
    assert (first_epoch / STATE).read_bytes() == before


@pytest.mark.usefixtures("light_network")
def test_every_step_is_reported_and_another_recipe_network_or_data_set_is_refused(pixels, tmp_path):
    steps: list[tuple[int, int, int]] = []
    recipe = replace(QUICK_RECIPE, phases=(Phase(48, 1),), affinity=0)
    training(few(pixels), recipe, tmp_path).run(on_progress=lambda *step: steps.append(step))
    assert steps == [(1, 1, 2), (1, 2, 2)]
    assert not (tmp_path / "best" / "reference.safetensors").exists()  # centres are saved only if they are trained
    with pytest.raises(ArgumentError, match="another recipe"):
        training(few(pixels), replace(recipe, lr=0.5), tmp_path)
    with pytest.raises(ArgumentError, match=r"holds a training of 2 heads.*this one is of 3 heads"):
        training(few(pixels), recipe, tmp_path, heads=3)
    with pytest.raises(ArgumentError, match=r"on 64 images.*on 192 images"):
        training(pixels, recipe, tmp_path)
