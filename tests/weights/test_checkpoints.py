from __future__ import annotations

import json
import pickle
import shutil
import tracemalloc
from pathlib import Path

import pytest
import torch
import torchvision
from safetensors.torch import load_file, save_file

from dan_model.errors import CheckpointError, ConfigError
from dan_model.weights import EMBEDDED, checkpoints, load_backbone, load_checkpoint
from tests.fixtures.models import random_dan


@pytest.fixture(scope="module")
def saved(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("saved") / "weights"
    random_dan(heads=2).save_pretrained(folder)
    return folder


@pytest.fixture
def folder(saved, tmp_path) -> Path:
    """A copy: tests change its files in place."""
    return Path(shutil.copytree(saved, tmp_path / "weights"))


def rewrite(folder: Path, change) -> None:
    state = load_file(folder / "model.safetensors")
    change(state)
    save_file(state, folder / "model.safetensors")


def test_the_embedded_weights_load_in_eval_mode_with_their_labels_and_preprocessing():
    model = load_checkpoint().model
    assert not model.training
    assert model.config.labels[:2] == ("neutral", "happiness")
    assert model.config.preprocess.detail_size == 48
    assert model.config.preprocess.landmark_template is not None
    assert "template" in model.config.provenance["landmark_template"]


def test_altered_embedded_weights_are_refused(monkeypatch, tmp_path):
    data = bytearray((EMBEDDED / "model.safetensors").read_bytes())
    data[-1] ^= 1
    (tmp_path / "model.safetensors").write_bytes(data)
    monkeypatch.setattr(checkpoints, "EMBEDDED", tmp_path)
    with pytest.raises(CheckpointError, match="sha256"):
        load_checkpoint()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("fc.bias"), "missing: fc.bias"),
        (lambda s: s.update(extra=torch.zeros(1)), "unknown: extra"),
        (lambda s: s.update({"fc.weight": torch.zeros(9, 512)}), "has 9 classes, its config 7 labels"),
        (lambda s: s.update({"fc.bias": torch.zeros(9)}), r"fc.bias \(9,\) instead of \(7,\)"),
        (lambda s: s.update({"fc.renamed": s.pop("fc.weight")}), "missing: fc.weight; unknown: fc.renamed"),
        (lambda s: s["bn.running_var"].fill_(float("inf")), "not finite: bn.running_var"),
        (lambda s: s["bn.running_var"].fill_(-1), "negative: bn.running_var"),
        (lambda s: s.update({"bn.bias": torch.full((7,), 1e300, dtype=torch.float64)}), "not finite: bn.bias"),
        (lambda s: s.update({"bn.bias": torch.zeros(7, dtype=torch.complex64)}), "not plain numbers: bn.bias"),
        (lambda s: s.update({"fc.weight": torch.tensor(1.0)}), "has 0 classes, its config 7 labels"),
    ],
)
def test_weights_that_do_not_fit_are_refused_by_name(folder, change, message):
    rewrite(folder, change)
    with pytest.raises(CheckpointError, match=message):
        load_checkpoint(folder)


def nested(depth: int, inner="x"):
    for _ in range(depth):
        inner = {"deeper": [inner]}
    return inner


@pytest.mark.parametrize("depth", [15, 400, 20_000])
@pytest.mark.parametrize("entry", ["provenance", "labels", "preprocess", "num_heads", "class_prior"])
def test_deep_nesting_in_a_config_is_refused_in_words(folder, entry, depth):
    text = '{"deeper": [' * depth + "1" + "]}" * depth
    config = json.loads((folder / "config.json").read_text())
    config.pop(entry)
    (folder / "config.json").write_text(json.dumps(config)[:-1] + f', "{entry}": {text}}}')
    with pytest.raises(ConfigError) as raised:
        load_checkpoint(folder)
    assert len(str(raised.value)) < 1000


def test_a_provenance_as_deep_as_allowed_is_loaded_and_saved_again(folder, tmp_path):
    config = json.loads((folder / "config.json").read_text())
    config["provenance"] = {"deepest": nested(9)}
    (folder / "config.json").write_text(json.dumps(config))
    model = load_checkpoint(folder).model
    model.save_pretrained(tmp_path / "again")
    assert load_checkpoint(tmp_path / "again").model.config.provenance == {"deepest": nested(9)}


def test_a_folder_without_its_files_or_with_broken_ones_is_refused(folder):
    (folder / "model.safetensors").write_bytes(b"\xff" * 100)
    with pytest.raises(CheckpointError, match="cannot be read"):
        load_checkpoint(folder)
    (folder / "config.json").write_text("{")
    with pytest.raises(ConfigError, match="not valid JSON"):
        load_checkpoint(folder)
    (folder / "config.json").write_text(json.dumps({"labels": ["a", "a"]}))
    with pytest.raises(ConfigError, match="all different"):
        load_checkpoint(folder)
    (folder / "config.json").unlink()
    with pytest.raises(CheckpointError, match=r"no config\.json"):
        load_checkpoint(folder)


def test_a_path_that_does_not_exist_is_refused():
    with pytest.raises(CheckpointError, match=r"no weights at '\./no/such'"):
        load_checkpoint("./no/such")
    with pytest.raises(CheckpointError, match="is no path"):
        load_checkpoint("x" * 5000)


def test_a_preset_without_a_published_file_is_refused_not_ignored(folder):
    for source in (None, folder):
        with pytest.raises(CheckpointError, match="'rafdb'"):
            load_checkpoint(source, preset="rafdb")


def test_a_published_file_needs_a_preset_that_fits(tmp_path):
    path = tmp_path / "seven.pth"
    torch.save(random_dan(classes=7).state_dict(), path)
    with pytest.raises(CheckpointError, match="rafdb, affectnet7, affectnet8"):
        load_checkpoint(path)
    with pytest.raises(CheckpointError, match="'rafbd'"):
        load_checkpoint(path, preset="rafbd")
    with pytest.raises(CheckpointError, match="7 classes, preset 'affectnet8' has 8"):
        load_checkpoint(path, preset="affectnet8")
    assert load_checkpoint(path, preset="rafdb").model.config.labels[0] == "surprise"


@pytest.mark.parametrize("content", [{"a": 1}, [1, 2], {"state_dict": {"w": torch.zeros(1)}}, {"state_dict": {}}])
def test_a_file_without_the_parameters_of_dan_is_refused(tmp_path, content):
    torch.save(content, tmp_path / "other.pth")
    with pytest.raises(CheckpointError, match=r"state dict|DAN's parameters"):
        load_checkpoint(tmp_path / "other.pth", preset="rafdb")


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"\x80\x04."])
def test_damaged_files_are_refused(tmp_path, content):
    (tmp_path / "damaged.pth").write_bytes(content)
    with pytest.raises(CheckpointError, match="cannot be read"):
        load_checkpoint(tmp_path / "damaged.pth", preset="rafdb")


def test_a_header_that_claims_ten_gigabytes_is_refused_without_allocating_them(folder):
    for header in (10 * 2**30, 90_000_000):
        (folder / "model.safetensors").write_bytes(header.to_bytes(8, "little") + b"{}" + b" " * 1000)
        tracemalloc.start()
        with pytest.raises(CheckpointError, match="cannot be read"):
            load_checkpoint(folder)
        assert tracemalloc.get_traced_memory()[1] < 50e6
        tracemalloc.stop()
    entry = {"fc.weight": {"dtype": "F32", "shape": [7, 384_000_000], "data_offsets": [0, 10 * 2**30]}}
    text = json.dumps(entry).encode()
    (folder / "model.safetensors").write_bytes(len(text).to_bytes(8, "little") + text)
    with pytest.raises(CheckpointError, match="cannot be read"):
        load_checkpoint(folder)


class _WritesAFile:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.mark.parametrize("save", [torch.save, lambda o, path: path.write_bytes(pickle.dumps(o))])
def test_code_in_a_pickle_is_not_run(tmp_path, save):
    trace = tmp_path / "was_here"
    save({"model_state_dict": _WritesAFile(trace)}, tmp_path / "evil.pth")
    with pytest.raises(CheckpointError, match="never run"):
        load_checkpoint(tmp_path / "evil.pth", preset="rafdb")
    assert not trace.exists()


def test_a_backbone_is_taken_from_a_resnet_18_in_torchvisions_names(tmp_path):
    """As the paper's, trained on MS-Celeb-1M, is published; the classifier in it is left out."""
    resnet = torchvision.models.resnet18(num_classes=10).eval()
    torch.save({"state_dict": resnet.state_dict()}, tmp_path / "resnet.pth")
    model = random_dan().eval()
    head = model.fc.weight.clone()
    load_backbone(model, tmp_path / "resnet.pth")
    x = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        middle = resnet.maxpool(resnet.relu(resnet.bn1(resnet.conv1(x))))
        expected = resnet.layer4(resnet.layer3(resnet.layer2(resnet.layer1(middle))))
        torch.testing.assert_close(model.features(x), expected)
    assert torch.equal(model.fc.weight, head)


def test_a_backbone_is_taken_from_dan_as_a_folder_or_a_file_and_nothing_else_is_one(folder, tmp_path):
    source = load_checkpoint(folder).model
    torch.save(source.state_dict(), tmp_path / "dan.pth")
    for place in (folder, tmp_path / "dan.pth"):
        model = random_dan(seed=3)
        load_backbone(model, place)
        for one, other in zip(model.features.parameters(), source.features.parameters(), strict=True):
            assert torch.equal(one, other)
    torch.save(torchvision.models.resnet34().state_dict(), tmp_path / "deep.pth")
    torch.save({"weight": torch.ones(2)}, tmp_path / "other.pth")
    for name in ("deep.pth", "other.pth"):
        with pytest.raises(CheckpointError, match="holds no ResNet-18"):
            load_backbone(random_dan(), tmp_path / name)


@pytest.mark.parametrize("source", [7, 0.5, b"weights", ["a"], {"a": 1}, True, "~nobody/x", "a\0b", "x" * 5000])
def test_what_is_no_source_is_refused_in_words(source):
    with pytest.raises(CheckpointError) as raised:
        load_checkpoint(source)
    assert len(str(raised.value)) < 500
    with pytest.raises(CheckpointError):
        load_backbone(random_dan(heads=1), source)
