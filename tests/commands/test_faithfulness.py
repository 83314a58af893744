"""The command `faithfulness` on a small dataset in FER+'s layout."""

from __future__ import annotations

import json
from collections import deque
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn.modules.module import register_module_forward_hook
from typer.testing import CliRunner

from dan_model.commands.app import app
from dan_model.explain import Explainer
from dan_model.faces import crop_face, template_face, to_tensor
from tests.fixtures.examples import EXAMPLES

NO_REFERENCE = "weights without reference statistics"


@pytest.fixture
def dataset(tmp_path_factory) -> Path:
    """Two of the class averages as FER+ validation faces."""
    root = tmp_path_factory.mktemp("ferplus")
    folder = root / "FER2013Valid"
    folder.mkdir()
    votes = {"happiness": "0,9,1,0,0,0,0,0,0,0", "surprise": "0,0,9,1,0,0,0,0,0,0"}
    for name in votes:
        Image.open(EXAMPLES / f"mean_{name}.png").convert("L").resize((48, 48)).save(folder / f"{name}.png")
    lines = [f'{name}.png,"(0, 0, 48, 48)",{counts}' for name, counts in votes.items()]
    (folder / "label.csv").write_text("\n".join(lines) + "\n")
    return root


@pytest.fixture
def small(tiny_weights) -> tuple[Path, Explainer]:
    """The embedded weights with faces of 56 pixels: the same code in a sixteenth of the time."""
    return tiny_weights, Explainer.from_pretrained(str(tiny_weights), device="cpu")


def test_a_training_face_is_cut_as_it_is_and_has_regions(explainer, dataset):
    photo = np.array(Image.open(dataset / "FER2013Valid" / "happiness.png").convert("RGB"))
    preprocess = explainer.model.config.preprocess
    crop = crop_face(photo, template_face(photo, preprocess), preprocess)
    np.testing.assert_array_equal(crop.pixels, photo)
    e = explainer.explain(photo, face=template_face(photo, preprocess))
    assert e.regions is not None
    assert torch.equal(explainer.input_of(crop), to_tensor(photo, preprocess))


def test_the_command_measures_what_the_library_does_and_goes_on_where_it_was(
    small, few_controls, short_curves, dataset, tmp_path
):
    weights, explainer = small
    arguments = [
        "faithfulness", "--dataset", "ferplus", "--root", str(dataset), "--out", str(tmp_path), "--count", "2",
        "--method", "saliency", "--sensitivity-every", "0", "--randomisation-every", "0", "--weights", str(weights),
    ]  # fmt: skip
    first = CliRunner().invoke(app, arguments)
    assert first.exit_code == 0, first.output
    assert "2 of 2: surprise.png" in first.stdout
    row = json.loads((tmp_path / "faithfulness.json").read_text())["maps"]["saliency"]
    areas = []
    for name in ("happiness", "surprise"):
        photo = np.array(Image.open(dataset / "FER2013Valid" / f"{name}.png").convert("RGB"))
        template = template_face(photo, explainer.model.config.preprocess)
        e = explainer.explain(photo, attributions=("saliency",), face=template)
        found = deque(explainer.faithfulness(e, sensitivity=False), maxlen=1).pop()
        areas.append(found.maps[-1].deletion_auc)
    assert row["deletion"] == pytest.approx(np.mean(areas), abs=1e-4)
    assert row["faces"] == 2
    again = CliRunner().invoke(app, arguments)
    assert again.exit_code == 0
    assert "of 2:" not in again.stdout  # nothing was measured twice
    assert "Saliency" in (tmp_path / "faithfulness.md").read_text()
    arguments[arguments.index("saliency")] = "layer_grad_cam"  # other options in the same folder
    half: list[bool] = []  # by layer that ran: whether in half precision
    hook = register_module_forward_hook(lambda *_: half.append(torch.is_autocast_enabled("cpu")))
    third = CliRunner().invoke(app, [*arguments, "--count", "1", "--precision", "bf16"])
    hook.remove()
    assert third.exit_code == 0
    assert not half[0]  # the explanation
    assert half[-1]  # the curves
    maps = json.loads((tmp_path / "faithfulness.json").read_text())["maps"]
    assert "saliency" not in maps
    assert maps["layer_grad_cam"]["faces"] == 1
    (dataset / "FER2013Valid" / "surprise.png").write_bytes(b"no image")
    broken = CliRunner().invoke(app, [*arguments, "--out", str(tmp_path / "other")])
    assert broken.exit_code == 1
    assert "surprise.png" in broken.stderr
    assert json.loads((tmp_path / "other" / "faithfulness.json").read_text())["maps"]["layer_grad_cam"]["faces"] == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (["--count", "3"], "valid has 2 faces"),
        (["--method", "magic"], "no attribution method 'magic'"),
        (["--precision", "half"], "no such precision"),
        (["--split", "test"], "FER2013Test"),
        (["--method", "occlusion@mean", "--weights", NO_REFERENCE], "no mean face"),
        (["--method", "saliency", "--baseline", "mean", "--weights", NO_REFERENCE], "no mean face"),
    ],
)
def test_bad_arguments_are_said(dataset, small_weights, tmp_path, change, message):
    change = [str(small_weights) if one == NO_REFERENCE else one for one in change]
    arguments = ["faithfulness", "--dataset", "ferplus", "--root", str(dataset), "--out", str(tmp_path), "--count", "2"]
    result = CliRunner().invoke(app, [*arguments, *change])
    assert result.exit_code == 2
    assert message in result.stderr
