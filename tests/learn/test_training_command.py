"""Training and evaluating from the command line: killed, in two processes, and with invalid arguments."""

from __future__ import annotations

import json
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from dan_model.config import PreprocessConfig
from dan_model.learn.datasets import load_faces
from dan_model.learn.training import STATE
from dan_model.network import DAN
from dan_model.weights import load_checkpoint
from tests.fixtures.command_line import run_command
from tests.fixtures.drawn_faces import write_faces
from tests.fixtures.processes import ONE_THREAD, TWO_PROCESSES_SEVERAL_COMMANDS

ROOT = Path(__file__).parents[2]


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Computes in this process as the processes of `ONE_THREAD` do."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@dataclass(frozen=True)
class TwoProcesses:
    """What two processes wrote: evaluating random weights, then training.

    Attributes:
        evaluate: The arguments of `evaluate`, without `--out`.
        evaluation: The JSON file of the evaluation.
        trained: The folder of the training.
    """

    evaluate: list[object]
    evaluation: Path
    trained: Path


@pytest.fixture(scope="module")
def two_processes(drawn, tmp_path_factory) -> TwoProcesses:
    folder = tmp_path_factory.mktemp("two")
    random = DAN(load_faces("folder", drawn, "valid").labels, 2, PreprocessConfig(image_size=64, detail_size=48))
    random.save_pretrained(folder / "random")
    evaluate = ["evaluate", "--dataset", "folder", "--root", drawn, "--weights", folder / "random", "--device", "cpu"]
    found = TwoProcesses(evaluate, folder / "two.json", folder / "trained")
    train = [
        "train", "--dataset", "folder", "--root", drawn, "--also", drawn, "--cpu", "--heads", 2, "--every", 12,
        "--set", "phases=48:1", "--set", "batch_size=8", "--out", found.trained,
    ]  # fmt: skip
    lines = [shlex.join(map(str, command)) for command in ([*evaluate, "--out", found.evaluation], train)]
    done = subprocess.run(
        [*TWO_PROCESSES_SEVERAL_COMMANDS, *lines], env=ONE_THREAD, capture_output=True, text=True, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return found


def test_two_processes_train_together(drawn, two_processes):
    """Each waits for every parameter's gradient of the other; a parameter without one would end the second step."""
    metrics = json.loads((two_processes.trained / "metrics.json").read_text())
    assert (metrics["processes"], metrics["count"]) == (2, 6)
    config = load_checkpoint(two_processes.trained / "weights").model.config
    assert config.num_heads == 2
    card = (two_processes.trained / "weights" / "README.md").read_text()
    assert "**Hardware and time.** 2 processes on cpu, 1 threads; precision no; 0.0 hours" in card
    assert "| class | precision | recall | f1 | count |" in card
    assert config.provenance["dataset"] == f"{drawn.name} train, 32 images"  # 192 of them twice, every twelfth


@pytest.mark.usefixtures("one_thread")
def test_trained_weights_know_their_class_prior_and_are_measured_under_both(drawn, two_processes, tmp_path):
    weights = two_processes.trained / "weights"
    config = load_checkpoint(weights).model.config
    counts = torch.bincount(load_faces("folder", drawn, "train").every(12).classes, minlength=len(config.labels))
    drawn_parts = counts**0.65  # the recipe draws an image in proportion to count^-0.35 of its class
    assert config.class_prior == pytest.approx((drawn_parts / drawn_parts.sum()).tolist())
    few = write_faces(tmp_path / "few", train=1, valid=4)
    evaluate = ["evaluate", "--dataset", "folder", "--root", few, "--device", "cpu", "--prior", "uniform"]
    done = run_command(*evaluate, "--weights", weights, "--out", tmp_path / "uniform.json")
    assert done.exit_code == 0, done.stderr
    measured = json.loads((tmp_path / "uniform.json").read_text())
    assert measured["prior"] == "uniform"
    assert measured["training"].keys() == {"accuracy", "balanced_accuracy", "ece"}
    refused = run_command(*evaluate, "--weights", two_processes.evaluate[6], "--out", tmp_path / "none.json")
    assert refused.exit_code == 2
    assert "do not say how often" in refused.stderr


@pytest.mark.usefixtures("one_thread")
def test_two_processes_measure_what_one_does(two_processes, tmp_path):
    done = run_command(*two_processes.evaluate, "--heads", "--out", tmp_path / "one.json")
    assert done.exit_code == 0, done.stderr
    one, two = (json.loads(path.read_text()) for path in (tmp_path / "one.json", two_processes.evaluation))
    assert (one["processes"], two["processes"]) == (1, 2)
    assert one["count"] == two["count"] == 72
    assert one["confusion"] == two["confusion"]
    assert two["ece"] == pytest.approx(one["ece"], abs=1e-5)
    assert one["heads"]["accuracy"] == pytest.approx(one["accuracy"])
    assert one["maps"]["faces"] == 72
    energy = "".join(f"{value:>14.2f}" for value in one["maps"]["energy"])
    assert f"energy in the mean map    {energy}\n" in done.stdout
    assert (tmp_path / "one-confusion.png").is_file()
    assert (tmp_path / "one-reliability.png").is_file()


@pytest.mark.usefixtures("one_thread")
def test_a_killed_process_can_be_continued_and_its_weights_are_bit_equal(drawn, tmp_path):
    """The command line in a process of its own, killed without a warning; the rest in this process."""
    command = [
        "train", "--dataset", "folder", "--root", drawn, "--cpu", "--heads", 2, "--every", 6,
        "--set", "phases=48:2", "--set", "batch_size=16", "--set", "optimizer=adamw", "--set", "lr=0.001", "--out",
    ]  # fmt: skip
    process = subprocess.Popen(
        [sys.executable, "-m", "dan_model", *map(str, command), str(tmp_path / "parts")],
        env=ONE_THREAD,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    process.stdout.readline()  # after the first epoch
    time.sleep(0.3)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "parts" / "weights").exists()
    for name in ("whole", "parts"):
        done = run_command(*command, tmp_path / name)
        assert done.exit_code == 0, done.stderr
    states = [torch.load(tmp_path / name / STATE, weights_only=True) for name in ("whole", "parts")]
    for name, tensor in states[0]["objective"].items():
        assert torch.equal(tensor, states[1]["objective"][name]), name
    metrics = json.loads((tmp_path / "parts" / "metrics.json").read_text())
    assert metrics["count"] == 12
    model = load_checkpoint(tmp_path / "parts" / "weights").model
    assert model.config.provenance["validation"]["count"] == 12


def test_a_set_with_other_classes_is_measured_on_the_common_ones(drawn, tmp_path):
    """Four classes in the network, one of them not in the set: it cannot be answered any more."""
    labels = (*load_faces("folder", drawn, "valid").labels, "contempt")
    model = DAN(labels, 2, PreprocessConfig(image_size=64, detail_size=48))
    with torch.no_grad():
        model.fc.bias[-1] = 1e4  # always contempt, if it may
    model.save_pretrained(tmp_path / "weights")
    evaluate = [
        "evaluate",
        "--dataset",
        "folder",
        "--root",
        drawn,
        "--weights",
        tmp_path / "weights",
        "--device",
        "cpu",
    ]
    refused = run_command(*evaluate, "--out", tmp_path / "none.json")
    assert refused.exit_code == 2
    assert "--classes common" in refused.stderr
    done = run_command(*evaluate, "--classes", "common", "--out", tmp_path / "common.json")
    assert done.exit_code == 0, done.stderr
    assert f"Common classes: {', '.join(labels[:-1])}; 0 images" in done.stderr.replace("\n", " ")
    found = json.loads((tmp_path / "common.json").read_text())
    assert found["labels"] == list(labels[:-1])
    assert sum(map(sum, found["confusion"])) == found["count"] == 72


def test_invalid_arguments_are_refused_with_the_reason(drawn, tmp_path):
    for arguments, message in (
        (("--dataset", "rafdb", "--root", drawn), "list_patition_label.txt is missing"),
        (("--dataset", "folder", "--root", drawn, "--recipe", "best"), "no recipe 'best'"),
        (("--dataset", "folder", "--root", drawn, "--also", tmp_path / "none"), "none is no folder"),
        (("--dataset", "folder", "--root", drawn, "--set", "speed=9"), "no such setting"),
        (("--dataset", "folder", "--root", drawn, "--set", "phases=64"), "is not valid"),
        (("--dataset", "folder", "--root", drawn, "--set", "batch_size=1"), "batch_size must be 2 or more"),
        (("--dataset", "folder", "--root", drawn, "--set", "optimizer=lion"), "no optimizer 'lion'"),
        (("--dataset", "folder", "--root", drawn, "--set", "schedule=linear"), "no schedule 'linear'"),
        (("--dataset", "folder", "--root", drawn, "--set", "step_epochs=0"), "step_epochs 1 or more"),
        (("--dataset", "folder", "--root", drawn, "--precision", "int8"), "--precision int8 is not available here"),
        (("--dataset", "folder", "--root", drawn, "--precision", "fp16", "--cpu"), "--precision fp16 is not available"),
        (("--dataset", "folder", "--root", drawn, "--from", "weights", "--heads", 2), "have their own heads"),
    ):
        result = run_command("train", "--out", tmp_path, *arguments)
        assert result.exit_code == 2
        assert message in result.stderr.replace("\n", "")
