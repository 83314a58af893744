"""Training learns, goes on bit for bit where it was stopped, and stops before it spoils anything."""

from __future__ import annotations

import json
import math
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from dan_model.checkpoints import load_checkpoint
from dan_model.cli import app
from dan_model.config import ModelConfig, PreprocessConfig
from dan_model.errors import ArgumentError, TrainingError
from dan_model.learn.augment import Augmentation
from dan_model.learn.batches import Pixels
from dan_model.learn.datasets import load_faces
from dan_model.learn.objective import Objective, balance_loss, needed_loss, outside_loss, overlap_loss, scale_attention
from dan_model.learn.recipes import RECIPES, Phase, Recipe
from dan_model.learn.training import STATE, Training, fresh_model
from dan_model.network import CHANNELS, DAN
from tests.conftest import ONE_THREAD, TWO_PROCESSES
from tests.drawn_faces import write_faces

QUICK = Recipe(
    (Phase(64, 6),), batch_size=32, optimizer="adamw", lr=2e-3, weight_decay=1e-2, warmup_epochs=1, affinity=0.1,
    partition=0.1, overlap=0.1, alone=0.1, attention_scale=0.02, ema=0.9, clip=2.0,
)  # fmt: skip


@pytest.fixture(scope="module")
def drawn(tmp_path_factory) -> Path:
    return write_faces(tmp_path_factory.mktemp("drawn"), train=64, valid=24)


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
    run = training(pixels, QUICK, tmp_path)
    told = []
    history = run.run(told.append)
    assert history[-1]["accuracy"] > 0.95
    assert len(told) == len(history) == 6
    best = load_checkpoint(tmp_path / "best").model
    assert tuple(best.config.labels) == pixels[0].faces.labels
    assert json.loads((tmp_path / "history.json").read_text()) == json.loads(json.dumps(history))
    assert list((tmp_path / "logs").rglob("events.out.tfevents*"))


def test_stopped_between_epochs_and_gone_on_with_the_weights_are_bit_equal(pixels, tmp_path):
    recipe = replace(QUICK, phases=(Phase(48, 1), Phase(64, 1)))
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


def test_stopped_within_an_epoch_too(pixels, tmp_path, monkeypatch):
    recipe = replace(QUICK, phases=(Phase(48, 1),), batch_size=8)
    whole = training(few(pixels), recipe, tmp_path / "whole")
    whole.run()
    monkeypatch.setattr("dan_model.learn.training.SAVE_EVERY", 2)
    broken = training(few(pixels), recipe, tmp_path / "parts")
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
    rest = training(few(pixels), recipe, tmp_path / "parts")
    assert (rest.epoch, rest.step) == (0, 4)
    rest.run()
    assert_bit_equal(whole.objective, rest.objective)
    assert [told["loss"] for told in rest.history] == [told["loss"] for told in whole.history]


def test_killed_while_an_epoch_is_measured_the_epoch_is_not_lost(pixels, tmp_path, monkeypatch):
    recipe = replace(QUICK, phases=(Phase(48, 1),), batch_size=32)
    whole = training(few(pixels), recipe, tmp_path / "whole")
    whole.run()
    monkeypatch.setattr("dan_model.learn.training.SAVE_EVERY", 1)
    broken = training(few(pixels), recipe, tmp_path / "parts")
    with monkeypatch.context() as patch:
        patch.setattr("dan_model.learn.training.predict", _killed)
        with pytest.raises(KeyboardInterrupt):
            broken.run()
    rest = training(few(pixels), recipe, tmp_path / "parts")
    rest.run()
    assert rest.history[0]["accuracy"] == whole.history[0]["accuracy"]
    assert_bit_equal(whole.objective, rest.objective)


def _killed(*_: object) -> None:
    raise KeyboardInterrupt


def test_two_processes_train_together(drawn, tmp_path):
    """Each waits for every parameter's gradient of the other; a parameter without one would end the second step."""
    command = [
        "train", "--dataset", "folder", "--root", drawn, "--also", drawn, "--cpu", "--heads", 2, "--every", 12,
        "--set", "phases=48:1", "--set", "batch_size=8", "--out", tmp_path,
    ]  # fmt: skip
    done = subprocess.run([*TWO_PROCESSES, *map(str, command)], env=ONE_THREAD, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert (metrics["processes"], metrics["count"]) == (2, 6)
    config = load_checkpoint(tmp_path / "weights").model.config
    assert config.num_heads == 2
    card = (tmp_path / "weights" / "README.md").read_text()
    assert "**Hardware and time.** 2 processes on cpu, 1 threads; precision no; 0.0 hours" in card
    assert "| class | precision | recall | f1 | count |" in card
    assert config.provenance["dataset"] == f"{drawn.name} train, 32 images"  # 192 of them twice, every twelfth


def test_a_killed_process_goes_on_and_its_weights_are_bit_equal(drawn, tmp_path):
    """The command line as a person would use it, killed without a warning."""
    common = [
        "train", "--dataset", "folder", "--root", drawn, "--cpu", "--heads", 2, "--every", 6,
        "--set", "phases=48:2", "--set", "batch_size=16", "--set", "optimizer=adamw", "--set", "lr=0.001",
    ]  # fmt: skip
    command = [sys.executable, "-m", "dan_model", *map(str, common), "--out"]
    subprocess.run([*command, str(tmp_path / "whole")], check=True, env=ONE_THREAD, capture_output=True)
    process = subprocess.Popen([*command, str(tmp_path / "parts")], env=ONE_THREAD, stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()  # after the first epoch
    time.sleep(0.3)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "parts" / "weights").exists()
    subprocess.run([*command, str(tmp_path / "parts")], check=True, env=ONE_THREAD, capture_output=True)
    states = [torch.load(tmp_path / name / STATE, weights_only=True) for name in ("whole", "parts")]
    for name, tensor in states[0]["objective"].items():
        assert torch.equal(tensor, states[1]["objective"][name]), name
    metrics = json.loads((tmp_path / "parts" / "metrics.json").read_text())
    assert metrics["count"] == 12
    model = load_checkpoint(tmp_path / "parts" / "weights").model
    assert model.config.provenance["validation"]["count"] == 12


def test_the_average_begins_anew_with_another_input_size(pixels, tmp_path):
    recipe = replace(QUICK, phases=(Phase(64, 1), Phase(48, 1)))
    run = training(few(pixels), recipe, tmp_path)
    run.run(until=1)
    steps = int(run.average.n_averaged)
    assert steps > 1
    run.run()
    assert int(run.average.n_averaged) == steps


def test_a_loss_that_is_not_finite_stops_and_keeps_the_last_state(pixels, tmp_path):
    recipe = replace(QUICK, phases=(Phase(48, 2),))
    training(few(pixels), recipe, tmp_path).run(until=1)
    before = (tmp_path / STATE).read_bytes()
    broken = training(few(pixels), recipe, tmp_path)
    with torch.no_grad():
        broken.model.fc.weight.fill_(math.nan)
    with pytest.raises(TrainingError, match="epoch 2, step 2"):
        broken.run()
    assert (tmp_path / STATE).read_bytes() == before


def test_a_network_that_is_not_finite_is_not_saved(pixels, tmp_path, monkeypatch):
    monkeypatch.setattr("dan_model.learn.training.SAVE_EVERY", 1)
    recipe = replace(QUICK, phases=(Phase(48, 2),))
    training(few(pixels), recipe, tmp_path).run(until=1)
    before = (tmp_path / STATE).read_bytes()
    broken = training(few(pixels), recipe, tmp_path)
    spoil = lambda: broken.model.fc.weight.data.fill_(math.nan)  # noqa: E731
    monkeypatch.setattr(broken.optimizer, "step", spoil)  # the loss before was finite
    with pytest.raises(TrainingError, match="network is not finite in epoch 2, step 1"):
        broken.run()
    assert (tmp_path / STATE).read_bytes() == before


def test_every_step_is_told_and_what_differs_is_not_mixed_in(pixels, tmp_path):
    told: list[tuple[int, int, int]] = []
    recipe = replace(QUICK, phases=(Phase(48, 1),), affinity=0)
    training(few(pixels), recipe, tmp_path).run(follow=lambda *step: told.append(step))
    assert told == [(1, 1, 2), (1, 2, 2)]
    assert not (tmp_path / "best" / "reference.safetensors").exists()  # centres are kept where they are trained
    with pytest.raises(ArgumentError, match="another recipe"):
        training(few(pixels), replace(recipe, lr=0.5), tmp_path)
    with pytest.raises(ArgumentError, match=r"holds a training of 2 heads.*this one is of 3 heads"):
        training(few(pixels), recipe, tmp_path, heads=3)
    with pytest.raises(ArgumentError, match=r"on 64 images.*on 192 images"):
        training(pixels, recipe, tmp_path)


def test_two_processes_measure_what_one_does(drawn, tmp_path):
    random = DAN(load_faces("folder", drawn, "valid").labels, 2, PreprocessConfig(image_size=64, detail_size=48))
    random.save_pretrained(tmp_path / "weights")
    common = [
        "evaluate", "--dataset", "folder", "--root", drawn, "--weights", tmp_path / "weights", "--device", "cpu",
    ]  # fmt: skip
    for name, start in (("one", [sys.executable, "-m", "dan_model"]), ("two", TWO_PROCESSES)):
        done = subprocess.run(
            [*start, *map(str, common), "--out", str(tmp_path / f"{name}.json")],
            env=ONE_THREAD, capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-2000:]
    one, two = (json.loads((tmp_path / f"{name}.json").read_text()) for name in ("one", "two"))
    assert (one["processes"], two["processes"]) == (1, 2)
    assert one["count"] == two["count"] == 72
    assert one["confusion"] == two["confusion"]
    assert two["ece"] == pytest.approx(one["ece"], abs=1e-5)
    assert (tmp_path / "one-confusion.png").is_file()
    assert (tmp_path / "one-reliability.png").is_file()


def test_bad_arguments_are_said(drawn, tmp_path):
    def run(*arguments: object):
        return CliRunner().invoke(app, ["train", "--out", str(tmp_path), *map(str, arguments)])

    for arguments, message in (
        (("--dataset", "rafdb", "--root", drawn), "list_patition_label.txt is missing"),
        (("--dataset", "folder", "--root", drawn, "--recipe", "best"), "no recipe 'best'"),
        (("--dataset", "folder", "--root", drawn, "--also", tmp_path / "none"), "none is no folder"),
        (("--dataset", "folder", "--root", drawn, "--set", "speed=9"), "no such setting"),
        (("--dataset", "folder", "--root", drawn, "--set", "phases=64"), "makes no sense"),
        (("--dataset", "folder", "--root", drawn, "--set", "batch_size=1"), "batch_size must be 2 or more"),
        (("--dataset", "folder", "--root", drawn, "--set", "optimizer=lion"), "no optimizer 'lion'"),
        (("--dataset", "folder", "--root", drawn, "--set", "schedule=linear"), "no schedule 'linear'"),
        (("--dataset", "folder", "--root", drawn, "--set", "step_epochs=0"), "step_epochs 1 or more"),
        (("--dataset", "folder", "--root", drawn, "--precision", "int8"), "--precision int8 cannot be had here"),
        (("--dataset", "folder", "--root", drawn, "--precision", "fp16", "--cpu"), "--precision fp16 cannot be had"),
        (("--dataset", "folder", "--root", drawn, "--from", "weights", "--heads", 2), "have their heads"),
    ):
        result = run(*arguments)
        assert result.exit_code == 2
        assert message in result.stderr.replace("\n", "")


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


def test_what_muting_a_head_costs_by_hand():
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

    kept, muted = surprise(loud), surprise(silent)
    assert muted > kept
    before = model.bn.running_mean.clone()
    for margin in (0.5, (muted - kept) / 2):
        expected = (max(0, kept + margin - muted) + margin) / 2  # head 0, head 1
        assert needed_loss(model, embeddings, target, margin).item() == pytest.approx(expected, abs=1e-6)
    assert torch.equal(model.bn.running_mean, before)
    needed_loss(model, embeddings.requires_grad_(), target, 0.5).backward()
    assert embeddings.grad[:, 0, 0].max() < 0  # the head must say more


def test_the_objective_weighs_its_terms():
    recipe = replace(QUICK, label_smoothing=0.0, outside=0.25, balance=0.5, needed=0.2, needed_margin=1e3)
    model = fresh_model(ModelConfig(("a", "b", "c"), 2), recipe)
    objective = Objective(model, recipe, torch.ones(4, 4) / 2).eval()
    loss, terms = objective(torch.randn(4, 3, 64, 64), torch.eye(3)[[0, 1, 2, 0]])
    expected = terms["cross_entropy"] + 0.1 * (terms["affinity"] + terms["partition"] + terms["overlap"])
    expected = expected + 0.1 * terms["alone"] + 0.25 * terms["outside"] + 0.5 * terms["balance"]
    expected = expected + 0.2 * terms["needed"]
    assert float(terms["needed"]) > 0
    torch.testing.assert_close(loss.detach(), expected)
    assert float(terms["outside"]) == pytest.approx(0.5)


def test_attention_starts_as_strong_as_asked():
    one, other = (fresh_model(ModelConfig(("a", "b"), 2), replace(QUICK, attention_scale=s)) for s in (1.0, 0.5))
    x = torch.randn(2, 512, 7, 7).relu()
    torch.testing.assert_close(other.eval().attend(x).spatial, 0.5 * one.eval().attend(x).spatial, rtol=1e-4, atol=1e-4)
    scale_attention(other, 2.0)
    assert torch.equal(other.cat_head0.sa.conv_3x3[1].weight, one.cat_head0.sa.conv_3x3[1].weight)


@pytest.fixture
def grey() -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (6, 1, 32, 32), generator=generator, dtype=torch.uint8)


def augmented(grey, augmentation: Augmentation, seed: int = 0) -> torch.Tensor:
    config = PreprocessConfig(mean=(0.5,) * 3, std=(0.5,) * 3)
    return augmentation(grey, 32, config, torch.Generator().manual_seed(seed))


NOTHING = Augmentation(0, 0, 0, (1, 1), 0, 0, 0, 0)


def test_augmentation_of_nothing_changes_nothing(grey):
    x = augmented(grey, NOTHING)
    assert x.shape == (6, 3, 32, 32)
    torch.testing.assert_close(x[:, 0], grey[:, 0].float() / 127.5 - 1, rtol=0, atol=1e-4)
    torch.testing.assert_close(x[:, 0], x[:, 2])


def test_faces_are_mirrored_moved_and_lit_each_in_its_own_way(grey):
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


def test_a_shift_moves_the_face_by_that_part():
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
