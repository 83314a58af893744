"""Training and evaluating from the command line: killed, and with invalid arguments."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from dan_model.config import PreprocessConfig
from dan_model.learn.datasets import load_faces
from dan_model.learn.training import STATE
from dan_model.network import DAN
from dan_model.weights import load_checkpoint
from tests.fixtures.command_line import run_command
from tests.fixtures.processes import ONE_THREAD

ROOT = Path(__file__).parents[2]


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
    deadline = time.monotonic() + 60
    while not (tmp_path / "parts" / STATE).is_file():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "parts" / "weights").exists()
    for name, first in (("whole", True), ("parts", False)):
        done = run_command(*command, tmp_path / name)
        assert done.exit_code == 0, done.stderr
        assert ("epoch 1/2" in done.stdout) == first
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
    mistyped = run_command(*evaluate, "--classes", "common", "--prior", "unifrom", "--out", tmp_path / "none.json")
    assert mistyped.exit_code == 2
    assert "no such prior" in mistyped.stderr
    assert not (tmp_path / "none.json").exists()
    done = run_command(*evaluate, "--classes", "common", "--out", tmp_path / "common.json")
    assert done.exit_code == 0, done.stderr
    assert f"Common classes: {', '.join(labels[:-1])}; 0 images" in done.stderr.replace("\n", " ")
    found = json.loads((tmp_path / "common.json").read_text())
    assert found["labels"] == list(labels[:-1])
    assert sum(map(sum, found["confusion"])) == found["count"] == 72
    # A network that lacks one of the set's classes: its images are left out, and counted.
    DAN((*labels[:2], "contempt"), 2, PreprocessConfig(image_size=64, detail_size=48)).save_pretrained(tmp_path / "two")
    two = ["evaluate", "--dataset", "folder", "--root", drawn, "--weights", tmp_path / "two", "--device", "cpu"]
    done = run_command(*two, "--classes", "common", "--out", tmp_path / "two.json")
    assert "; 24 images of others are left out" in done.stderr.replace("\n", " ")
    found = json.loads((tmp_path / "two.json").read_text())
    assert (found["count"], found["images_left_out"]) == (48, 24)


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
        (("--dataset", "folder", "--root", drawn, "--preset", "rafdb"), "--preset is for a published file"),
    ):
        result = run_command("train", "--out", tmp_path, *arguments)
        assert result.exit_code == 2
        assert message in result.stderr.replace("\n", "")
