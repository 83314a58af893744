"""The ONNX file computes what the network computes, for any number of faces, and says how a face becomes its input."""

from __future__ import annotations

import json
import sys

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from typer.testing import CliRunner

from dan_model.commands.app import app
from dan_model.errors import ArgumentError
from dan_model.weights import export_onnx, load_checkpoint
from dan_model.weights.onnx_export import OUTPUTS
from tests.fixtures.models import random_dan


def run(*arguments):
    return CliRunner().invoke(app, ["export", *(str(a) for a in arguments)])


def session(path) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


def assert_equals_the_network(written: onnxruntime.InferenceSession, model, batch: int) -> None:
    side = model.config.preprocess.image_size
    faces = torch.randn(batch, 3, side, side, generator=torch.Generator().manual_seed(batch))
    with torch.no_grad():
        stages = model.eval().stages(faces)
    expected = (stages.logits, stages.spatial, stages.embeddings)
    for values, wanted in zip(written.run(OUTPUTS, {"faces": faces.numpy()}), expected, strict=True):
        assert values.shape == tuple(wanted.shape)
        assert np.abs(values - wanted.numpy()).max() < 1e-4 * max(1.0, float(wanted.abs().max()))


def test_the_exported_weights_equal_the_network_in_any_batch_and_name_classes_and_preprocessing(tmp_path):
    done = run("--onnx", tmp_path / "dan.onnx")
    assert done.exit_code == 0, done.output
    model, written = load_checkpoint().model, session(tmp_path / "dan.onnx")
    for batch in (1, 2, 5):
        assert_equals_the_network(written, model, batch)
    described = written.get_modelmeta().custom_metadata_map
    assert json.loads(described["labels"]) == list(model.config.labels)
    preprocess = json.loads(described["preprocess"])
    assert preprocess["mean"] == list(model.config.preprocess.mean)
    assert preprocess["std"] == list(model.config.preprocess.std)
    assert preprocess["image_size"] == 224
    # No BatchNorm is left; the file is one, and smaller than the weights.
    graph = onnx.load(tmp_path / "dan.onnx").graph
    assert not {node.op_type for node in graph.node} & {"BatchNormalization"}
    assert b"onnx_export.py" not in (tmp_path / "dan.onnx").read_bytes()  # no notes with paths of this machine
    assert [path.name for path in tmp_path.iterdir()] == ["dan.onnx"]
    assert (tmp_path / "dan.onnx").stat().st_size < 4 * sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize("heads", [1, 2])
def test_networks_with_fewer_heads_other_classes_and_sizes_are_exported_too(tmp_path, heads):
    model = random_dan(classes=3, heads=heads, image_size=96)
    export_onnx(model, tmp_path / "small.onnx")
    for batch in (1, 3):
        assert_equals_the_network(session(tmp_path / "small.onnx"), model, batch)


def test_what_is_missing_or_in_the_way_is_named_and_nothing_is_overwritten(tmp_path, monkeypatch):
    (tmp_path / "here.onnx").write_text("mine")
    done = run("--onnx", tmp_path / "here.onnx")
    assert done.exit_code == 2
    assert "exists already" in done.stderr
    assert (tmp_path / "here.onnx").read_text() == "mine"
    assert "is no folder" in run("--onnx", tmp_path / "no" / "dan.onnx").stderr
    (tmp_path / "taken.onnx.part").mkdir()
    with pytest.raises(ArgumentError, match="cannot be written"):
        export_onnx(random_dan(classes=2, heads=1, image_size=32), tmp_path / "taken.onnx")
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    done = run("--onnx", tmp_path / "dan.onnx")
    assert done.exit_code == 2
    assert "pip install onnx onnxscript" in done.stderr
