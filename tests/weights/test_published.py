"""Importing the published files as folders."""

from __future__ import annotations

import pytest
import torch
from huggingface_hub import ModelCard

from dan_model.weights import load_checkpoint
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
