"""Evaluating, explaining and training from the command line in two processes, which are started once."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from dan_model.config import PreprocessConfig
from dan_model.learn.batches import Pixels
from dan_model.learn.datasets import load_faces
from dan_model.learn.evaluation import measure, predict
from dan_model.network import DAN
from dan_model.show.archive import NUMBERS, content_of
from dan_model.weights import load_checkpoint
from tests.fixtures.command_line import run_command
from tests.fixtures.drawn_faces import write_faces
from tests.fixtures.examples import EXAMPLES, write_tree
from tests.fixtures.processes import ONE_THREAD, TWO_PROCESSES_SEVERAL_COMMANDS

ROOT = Path(__file__).parents[2]
EXPLAIN = ["explain", "--method", "none", "--no-panel", "--device", "cpu"]


@pytest.fixture(scope="module")
def drawn(tmp_path_factory) -> Path:
    return write_faces(tmp_path_factory.mktemp("drawn"), train=64, valid=24)


@dataclass(frozen=True)
class TwoProcesses:
    """What two processes wrote: evaluating random weights, explaining the images of a tree, then training.

    Attributes:
        evaluate: The arguments of `evaluate`, without `--out`.
        evaluation: The JSON file of the evaluation.
        trained: The folder of the training.
        explained: The folder of the explanations.
        ended: How the processes ended.
    """

    evaluate: list[object]
    evaluation: Path
    trained: Path
    explained: Path
    ended: subprocess.CompletedProcess[str]


@pytest.fixture(scope="module")
def two_processes(drawn, tmp_path_factory) -> TwoProcesses:
    folder = tmp_path_factory.mktemp("two")
    random = DAN(load_faces("folder", drawn, "valid").labels, 2, PreprocessConfig(image_size=64, detail_size=48))
    random.save_pretrained(folder / "random")
    evaluate = ["evaluate", "--dataset", "folder", "--root", drawn, "--weights", folder / "random", "--device", "cpu"]
    evaluation, trained, explained = folder / "two.json", folder / "trained", folder / "explained"
    train = [
        "train", "--dataset", "folder", "--root", drawn, "--also", drawn, "--cpu", "--heads", 2, "--every", 12,
        "--set", "phases=48:1", "--set", "batch_size=8", "--out", trained,
    ]  # fmt: skip
    explain = [*EXPLAIN, write_tree(folder / "photos"), "--out", explained]
    lines = [shlex.join(map(str, command)) for command in ([*evaluate, "--out", evaluation], explain, train)]
    done = subprocess.run(
        [*TWO_PROCESSES_SEVERAL_COMMANDS, *lines], env=ONE_THREAD, capture_output=True, text=True, cwd=ROOT
    )
    assert done.returncode == 1, done.stderr[-2000:]  # an image of the tree is broken
    return TwoProcesses(evaluate, evaluation, trained, explained, done)


def test_two_processes_train_together(drawn, two_processes):
    """Each waits for every parameter's gradient of the other; a parameter without one would end the second step."""
    metrics = json.loads((two_processes.trained / "metrics.json").read_text())
    assert (metrics["processes"], metrics["count"]) == (2, 6)
    config = load_checkpoint(two_processes.trained / "weights").model.config
    assert config.num_heads == 2
    assert two_processes.ended.stderr.replace("\n", " ").count("the term outside is left out") == 1
    assert config.provenance["recipe"]["outside"] == 0
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
    # The same weights with a prior that matters: the metrics are those of the logits less its logarithm.
    prior = [0.9, 0.06, 0.04]
    skewed = DAN(config.labels, 2, config.preprocess, class_prior=prior).eval()
    skewed.load_state_dict(load_checkpoint(weights).model.state_dict())
    skewed.save_pretrained(tmp_path / "skewed")
    found = {}
    for kind in ("training", "uniform"):
        out = tmp_path / f"{kind}.json"
        done = run_command(*evaluate[:-1], kind, "--weights", tmp_path / "skewed", "--out", out)
        assert done.exit_code == 0, done.stderr
        found[kind] = json.loads(out.read_text())
    logits, true = predict(
        skewed, Pixels(load_faces("folder", few, "valid").in_order_of(config.labels), config.preprocess)
    )
    expected = measure(logits - torch.tensor(prior).log(), true, config.labels)
    assert found["uniform"]["confusion"] == expected.to_dict()["confusion"]
    assert found["uniform"]["ece"] == pytest.approx(expected.ece, abs=1e-5)
    assert found["uniform"]["ece"] != pytest.approx(found["training"]["ece"], abs=1e-3)
    as_trained = {name: found["training"][name] for name in ("accuracy", "balanced_accuracy", "ece")}
    assert found["uniform"]["training"] == pytest.approx(as_trained, abs=1e-6)
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


def test_two_processes_share_the_images(two_processes):
    assert re.search(r"1 of [23] images failed", two_processes.ended.stderr)
    found = [json.loads(line) for line in (two_processes.explained / NUMBERS).read_text().splitlines()]
    entries = {Path(entry["image"]).name: entry for entry in found}
    images = [entry["image"] for entry in found]
    assert len(images) == len(set(images))
    assert "is not an image" in entries["broken.jpg"]["error"]
    faces = {
        entry["content"]: [face["prediction"]["label"] for face in entry["faces"]]
        for entry in found
        if "faces" in entry
    }
    assert faces[content_of(EXAMPLES / "astronaut.jpg")] == ["happiness"]
    assert len(faces) == 3
    assert not list(two_processes.explained.glob("numbers-*.jsonl"))
