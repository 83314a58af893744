"""Importing the published files as folders."""

from __future__ import annotations

from argparse import Namespace
from pathlib import PosixPath

import numpy as np
import pytest
import torch
from huggingface_hub import ModelCard

from dan_model.errors import CheckpointError
from dan_model.weights import import_published, load_checkpoint
from tests.fixtures.command_line import run_command
from tests.fixtures.models import random_dan
from tests.fixtures.straight_line import straight_line


@pytest.mark.parametrize(("preset", "classes"), [("rafdb", 7), ("affectnet7", 7), ("affectnet8", 8)])
def test_import_turns_a_published_file_into_a_folder_with_bit_equal_logits(tmp_path, preset, classes):
    source = random_dan(classes=classes)
    torch.save({"iter": 1, "model_state_dict": source.state_dict(), "optimizer_state_dict": {}}, tmp_path / "x.pth")
    result = run_command("import", tmp_path / "x.pth", "--preset", preset, "--out", tmp_path / "out")
    assert result.exit_code == 0, result.stderr
    model = load_checkpoint(tmp_path / "out").model
    x = torch.randn(2, 3, 224, 224)
    with torch.no_grad():
        assert torch.equal(model(x), source(x))
        expected = straight_line(source.state_dict(), x)
        torch.testing.assert_close(model(x), expected, rtol=1e-5, atol=1e-5 * float(expected.abs().max()))
    card = ModelCard.load(tmp_path / "out" / "README.md")
    assert card.data.pipeline_tag == "image-classification"
    assert card.data.license == "other"
    for text in (", ".join(model.config.labels), "Intended use", "Out of scope", "Biases", "None were measured"):
        assert text in card.content
    again = run_command("import", tmp_path / "x.pth", "--preset", preset, "--out", tmp_path / "out")
    assert again.exit_code == 2
    assert "nothing is overwritten" in again.stderr


def test_import_accepts_custom_labels_and_preprocessing(tmp_path):
    torch.save(random_dan(classes=3, heads=1).state_dict(), tmp_path / "x.pth")
    options = ("--labels", "a,b,c", "--grayscale", "--detail-size", "64", "--margin", "0.2", "--license", "mit")
    result = run_command("import", tmp_path / "x.pth", "--out", tmp_path / "out", *options)
    assert result.exit_code == 0, result.stderr
    config = load_checkpoint(tmp_path / "out").model.config
    assert config.labels == ("a", "b", "c")
    assert (config.preprocess.grayscale, config.preprocess.detail_size, config.preprocess.margin) == (True, 64, 0.2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "Give --preset"),
        (("--preset", "affectnet8"), "3 classes, preset 'affectnet8' has 8"),
        (("--labels", "a,b"), "3 classes, the list of labels has 2"),
        (("--labels", "a,b,c", "--detail-size", "2"), "detail_size"),
    ],
)
def test_import_refuses_options_that_do_not_fit_the_file(tmp_path, options, message):
    torch.save(random_dan(classes=3, heads=1).state_dict(), tmp_path / "x.pth")
    result = run_command("import", tmp_path / "x.pth", "--out", tmp_path / "out", *options)
    assert result.exit_code == 2
    assert message in result.stderr
    assert not (tmp_path / "out").exists()


WRAPPERS = {
    "bare": lambda state: state,
    "model_state_dict": lambda state: {"model_state_dict": state, "epoch": 3},
    "net": lambda state: {"net": state, "args": Namespace(lr=0.1, out=PosixPath("runs"))},
    "nested": lambda state: {"checkpoint": {"model": state}, "best": np.float64(0.9)},
    "prefixes": lambda state: {f"module.model._orig_mod.{key}": value for key, value in state.items()},
    "average": lambda state: {
        "model_ema": {f"module.{k}": v for k, v in state.items()} | {"n_averaged": torch.tensor(7)}
    },
    "losses": lambda state: {"state_dict": state | {"criterion.centers": torch.zeros(7, 512)}},
    "counters": lambda state: {k: v for k, v in state.items() if not k.endswith("num_batches_tracked")},
}


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_dans_own_names_are_found_in_whatever_is_around_them(wrapper, tmp_path):
    own = random_dan()
    torch.save(WRAPPERS[wrapper](dict(own.state_dict())), tmp_path / "dan.pth")
    found = import_published(tmp_path / "dan.pth", "rafdb")
    x = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.equal(found(x), own(x))


def test_the_trained_weights_are_taken_before_an_average_of_them(tmp_path):
    trained, average = random_dan(seed=1), random_dan(seed=2)
    torch.save({"ema": average.state_dict(), "model": trained.state_dict()}, tmp_path / "dan.pth")
    assert torch.equal(import_published(tmp_path / "dan.pth", "rafdb").fc.weight, trained.fc.weight)


class Foreign:
    """An object of a program that is not installed here."""


def test_a_file_with_a_foreign_object_says_which_and_how_to_save_without_it(tmp_path):
    torch.save({"model": random_dan().state_dict(), "trainer": Foreign()}, tmp_path / "dan.pth")
    with pytest.raises(CheckpointError, match=r"test_published\.Foreign") as refused:
        import_published(tmp_path / "dan.pth", "rafdb")
    assert "torch.save(model.state_dict(), PATH)" in str(refused.value)
    assert "\x1b" not in str(refused.value)


def test_what_is_not_dan_is_refused_with_the_names_that_were_found(tmp_path):
    torch.save({"conv1.weight": torch.zeros(1), "fc.weight": torch.zeros(7, 512)}, tmp_path / "other.pth")
    with pytest.raises(CheckpointError, match=r"It has: conv1\.weight"):
        import_published(tmp_path / "other.pth", "rafdb")


def test_a_small_file_with_a_huge_tensor_is_refused_before_it_grows(tmp_path):
    state = dict(random_dan().state_dict())
    state["features.0.weight"] = torch.zeros(1, dtype=torch.float16).expand(10**10)
    torch.save(state, tmp_path / "huge.pth")
    with pytest.raises(CheckpointError, match=r"features\.0\.weight \(10000000000,\) instead of"):
        import_published(tmp_path / "huge.pth", "rafdb")
