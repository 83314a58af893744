"""The real Hub client against a small server on this machine."""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from huggingface_hub import ModelCard, constants
from safetensors.torch import load, save
from typer.testing import CliRunner

from dan_model.cards import model_card
from dan_model.checkpoints import load_checkpoint, load_or_embedded
from dan_model.cli import app
from dan_model.config import ModelConfig
from dan_model.errors import CheckpointError, ConfigError
from dan_model.explain.explainer import Explainer
from dan_model.hub import HubAddress, UnreachableError
from tests.conftest import HUB_PORT, random_dan
from tests.hub_server import Hub
from tests.test_network import straight_line


@pytest.fixture(scope="module")
def saved(tmp_path_factory) -> dict[str, bytes]:
    """A checkpoint's two files."""
    folder = tmp_path_factory.mktemp("saved")
    random_dan(heads=1).half().float().save_pretrained(folder)
    return {name: (folder / name).read_bytes() for name in ("config.json", "model.safetensors")}


@pytest.fixture
def hub(saved) -> Iterator[Hub]:
    """A Hub with one good repository, `somebody/dan`, and an empty cache here."""
    shutil.rmtree(constants.HF_HUB_CACHE, ignore_errors=True)
    hub = Hub()
    hub.add("somebody/dan", saved)
    server = hub.serve(HUB_PORT)
    yield hub
    server.shutdown()
    server.server_close()


def fetched(hub: Hub) -> list[str]:
    return [request.rsplit("/", 1)[1] for request in hub.requests if request.startswith("GET /somebody")]


def test_first_load_fetches_both_files_and_says_the_commit(hub):
    checkpoint = load_checkpoint("somebody/dan")
    assert checkpoint.name == "somebody/dan"
    assert checkpoint.revision == hub.commits["somebody/dan", "main"][:8]
    assert checkpoint.notice is None
    assert fetched(hub) == ["config.json", "model.safetensors"]
    expected = random_dan(heads=1).half().float()
    x = torch.randn(1, 3, 224, 224)
    with torch.no_grad():
        assert torch.equal(checkpoint.model(x), expected(x))
    assert Explainer.from_pretrained("somebody/dan").labels == checkpoint.model.config.labels


def test_a_second_load_downloads_nothing(hub):
    load_checkpoint("somebody/dan")
    hub.requests.clear()
    load_checkpoint("somebody/dan")
    assert fetched(hub) == []


def test_a_revision_is_pinned(hub, saved):
    other = {**saved, "config.json": saved["config.json"].replace(b"class 0", b"another")}
    commit = hub.add("somebody/dan", other, revision="v2")
    for revision in ("v2", commit):
        checkpoint = load_checkpoint(f"somebody/dan@{revision}")
        assert checkpoint.model.config.labels[0] == "another"
        assert checkpoint.revision == commit[:8]
    assert load_checkpoint("somebody/dan").model.config.labels[0] == "class 0"


def test_offline_the_earlier_download_serves_with_a_notice(hub, monkeypatch):
    load_checkpoint("somebody/dan")
    hub.requests.clear()
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    checkpoint = load_checkpoint("somebody/dan")
    assert hub.requests == []
    assert checkpoint.notice == "An earlier download of somebody/dan serves: HF_HUB_OFFLINE is set."
    with pytest.warns(UserWarning, match="An earlier download"):
        Explainer.from_pretrained("somebody/dan")
    with pytest.raises(UnreachableError, match="HF_HUB_OFFLINE is set"):
        load_checkpoint("somebody/other")


def test_an_unreachable_hub_is_said_within_seconds_not_after_retries():
    """No server runs on the port."""
    shutil.rmtree(constants.HF_HUB_CACHE, ignore_errors=True)
    start = time.monotonic()
    with pytest.raises(UnreachableError, match="the Hub cannot be reached"):
        load_checkpoint("somebody/dan")
    checkpoint = load_or_embedded("somebody/dan")
    assert time.monotonic() - start < 15  # the client's own retries take 23 seconds for each file
    assert checkpoint.name == "FER+ (embedded)"
    assert checkpoint.notice.startswith("These are the embedded weights, not somebody/dan: config.json")


@pytest.mark.parametrize(
    ("status", "code", "message"),
    [
        (404, "RepoNotFound", "no somebody/dan on the Hub, or it is private"),
        (401, "RepoNotFound", "no somebody/dan on the Hub, or it is private"),
        (401, "", r"does not let you read somebody/dan \(status 401\)"),
        (403, "GatedRepo", "somebody/dan is gated. Ask for access"),
        (429, "", r"asks to wait \(too many requests\)"),
        (500, "", r"out of order \(status 500\)"),
        (503, "", r"out of order \(status 503\)"),
        (418, "", "The Hub refused config.json of somebody/dan"),
    ],
)
def test_each_refusal_has_its_own_message(hub, status, code, message):
    hub.refusals["somebody/dan"] = (status, code)
    with pytest.raises(CheckpointError, match=message):
        load_checkpoint("somebody/dan")


@pytest.mark.parametrize("status", [429, 500])
def test_an_earlier_download_serves_while_the_hub_is_busy_or_broken(hub, status):
    load_checkpoint("somebody/dan")
    hub.refusals["somebody/dan"] = (status, "")
    assert "An earlier download" in load_checkpoint("somebody/dan").notice


def test_unknown_repositories_revisions_and_files_are_told_apart(hub, saved):
    hub.add("somebody/half", {"config.json": saved["config.json"]})
    for source, message in (
        ("nobody/dan", "no nobody/dan on the Hub"),
        ("somebody/dan@v9", "somebody/dan has no revision 'v9'"),
        ("somebody/half", "somebody/half at main has no model.safetensors"),
    ):
        with pytest.raises(CheckpointError, match=message):
            load_checkpoint(source)


def test_the_config_is_checked_before_the_tensors_are_fetched(hub, saved):
    hub.add("somebody/dan", {**saved, "config.json": b'{"model_type": "bert", "hidden_size": 768}'})
    with pytest.raises(ConfigError, match=r"somebody/dan: config\.json is not one of DAN: labels"):
        load_checkpoint("somebody/dan")
    assert fetched(hub) == ["config.json"]


def test_labels_that_do_not_fit_the_classes_are_said(hub, saved):
    config = json.loads(saved["config.json"])
    config["labels"] = config["labels"][:-1]
    hub.add("somebody/dan", {**saved, "config.json": json.dumps(config).encode()})
    with pytest.raises(CheckpointError, match="7 classes, its config 6 labels"):
        load_checkpoint("somebody/dan")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("bn.bias"), "missing: bn.bias"),
        (lambda s: s.update(more=torch.zeros(1)), "unknown: more"),
        (lambda s: s.update({"bn.bias": torch.zeros(3)}), "of another shape: bn.bias"),
        (lambda s: s.update({"bn.renamed": s.pop("bn.bias")}), "missing: bn.bias; unknown: bn.renamed"),
    ],
)
def test_weights_that_do_not_fit_are_refused_by_name(hub, saved, change, message):
    state = load(saved["model.safetensors"])
    change(state)
    hub.add("somebody/dan", {**saved, "model.safetensors": save(state)})
    with pytest.raises(CheckpointError, match=message):
        Explainer.from_pretrained("somebody/dan")


def test_a_download_that_breaks_off_is_said_and_leaves_nothing_behind(hub):
    hub.spoil = "truncate"
    with pytest.raises(CheckpointError, match=r"download of model.safetensors from somebody/dan broke off"):
        load_checkpoint("somebody/dan")
    hub.spoil = None
    load_checkpoint("somebody/dan")


def test_contents_that_do_not_match_their_hash_are_refused_and_removed(hub):
    hub.spoil = "corrupt"
    with pytest.raises(CheckpointError, match="do not match its hash"):
        load_checkpoint("somebody/dan")
    hub.spoil = None
    load_checkpoint("somebody/dan")


def test_a_bare_published_file_under_any_name(hub, tmp_path):
    model = random_dan(classes=7)
    torch.save({"model_state_dict": model.state_dict()}, tmp_path / "x.pth")
    hub.add("somebody/raw", {"checkpoints/rafdb best.pth": (tmp_path / "x.pth").read_bytes()})
    with pytest.raises(CheckpointError, match="Give --preset"):
        load_checkpoint("somebody/raw:checkpoints/rafdb best.pth")
    checkpoint = load_checkpoint("somebody/raw:checkpoints/rafdb best.pth", preset="rafdb")
    assert checkpoint.model.config.labels[0] == "surprise"
    assert len(checkpoint.revision) == 8
    x = torch.randn(1, 3, 224, 224)
    with torch.no_grad():
        assert torch.equal(checkpoint.model(x), model(x))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("user/name", HubAddress("user/name")),
        ("user/name@v1.0", HubAddress("user/name", "v1.0")),
        ("user/name@refs/pr/1:a b.pth", HubAddress("user/name", "refs/pr/1", "a b.pth")),
        ("name", None),
        ("./user/name", None),
        ("../name", None),
        ("/user/name", None),
        ("a/b/c", None),
    ],
)
def test_addresses(text, expected):
    assert HubAddress.parse(text) == expected
    if expected is not None:
        assert str(expected) == text


def test_a_folder_of_that_name_comes_before_the_hub(hub, saved, tmp_path, monkeypatch):
    folder = tmp_path / "somebody" / "dan"
    folder.mkdir(parents=True)
    for name, data in saved.items():
        Path(folder / name).write_bytes(data)
    monkeypatch.chdir(tmp_path)
    assert load_checkpoint("somebody/dan").revision is None
    assert hub.requests == []


def command(*arguments, **settings):
    return CliRunner().invoke(app, [str(a) for a in arguments], **settings)


@pytest.mark.parametrize(("preset", "classes"), [("rafdb", 7), ("affectnet7", 7), ("affectnet8", 8)])
def test_import_turns_a_published_file_into_a_folder_with_bit_equal_logits(tmp_path, preset, classes):
    source = random_dan(classes=classes)
    torch.save({"iter": 1, "model_state_dict": source.state_dict(), "optimizer_state_dict": {}}, tmp_path / "x.pth")
    result = command("import", tmp_path / "x.pth", "--preset", preset, "--out", tmp_path / "out")
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
    again = command("import", tmp_path / "x.pth", "--preset", preset, "--out", tmp_path / "out")
    assert again.exit_code == 2
    assert "nothing is overwritten" in again.stderr


def test_import_takes_labels_and_preprocessing_of_ones_own(tmp_path):
    torch.save(random_dan(classes=3, heads=1).state_dict(), tmp_path / "x.pth")
    options = ("--labels", "a,b,c", "--grayscale", "--detail-size", "64", "--margin", "0.2", "--license", "mit")
    result = command("import", tmp_path / "x.pth", "--out", tmp_path / "out", *options)
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
def test_import_refuses_what_does_not_fit(tmp_path, options, message):
    torch.save(random_dan(classes=3, heads=1).state_dict(), tmp_path / "x.pth")
    result = command("import", tmp_path / "x.pth", "--out", tmp_path / "out", *options)
    assert result.exit_code == 2
    assert message in result.stderr
    assert not (tmp_path / "out").exists()


def test_the_embedded_weights_card_tells_measured_results():
    config = load_checkpoint().model.config
    card = ModelCard(model_card(config, "DAN on FER+", "mit"))
    results = {result.metric_type: result.metric_value for result in card.data.eval_results}
    measured = config.provenance["validation"]
    assert results["accuracy"] == measured["accuracy"] > 0.8
    assert f"| contempt | {measured['recall']['contempt']} |" in card.content


def test_a_trained_networks_card_says_where_it_fails():
    told = {
        "dataset": "drawn faces",
        "recipe": {"phases": [{"size": 64, "epochs": 2}], "lr": 0.0123456},
        "validation": {
            "count": 20, "accuracy": 0.7, "labels": ["calm", "glad", "odd"],
            "per_class": {k: {"recall": r, "count": 5} for k, r in (("calm", 1), ("glad", 0.51239), ("odd", 0))},
            "confusion": [[8, 0, 0], [1, 6, 3], [2, 0, 0]],
        },
    }  # fmt: skip
    card = model_card(ModelConfig(("calm", "glad", "odd"), provenance=told), "DAN")
    assert "**Recipe.** phases size 64, epochs 2, lr 0.01235" in card
    assert "| glad | 0.5124 | 5 |" in card
    assert "| glad | 1 | 6 | 3 |" in card
    assert (
        "**Where it fails.** Recognised least: odd (0.00 of 2 found, most often taken for calm); "
        "glad (0.60 of 10 found, most often taken for odd)."
    ) in card
    assert "{" not in card


@pytest.fixture
def folder(saved, tmp_path) -> Path:
    """A checkpoint folder, with a file in it that is nobody's business."""
    for name, data in {**saved, "README.md": b"# card", "private.jpg": b"a face"}.items():
        (tmp_path / name).write_bytes(data)
    return tmp_path


def test_push_sends_nothing_without_consent(hub, folder):
    result = command("push", folder, "somebody/dan", input="n\n")
    assert result.exit_code == 1
    for text in ("To somebody/dan on http://127.0.0.1", "model.safetensors", "README.md", "Nothing was sent"):
        assert text in result.stdout
    assert "private.jpg" not in result.stdout
    assert hub.requests == []


def test_push_makes_the_repository_and_sends_the_checkpoints_files_alone(hub, folder, saved, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_test")
    result = command("push", folder, "somebody/dan", "--yes")
    assert result.exit_code == 0, result.stderr
    assert "somebody/dan/commit/" in result.stdout
    assert json.loads(hub.pushed["/api/repos/create"])["name"] == "dan"
    digest = hashlib.sha256(saved["model.safetensors"]).hexdigest()
    assert hub.pushed[f"/upload/{digest}"] == saved["model.safetensors"]
    sent = [json.loads(line) for line in hub.pushed["/api/models/somebody/dan/commit/main"].splitlines()]
    paths = {line["value"]["path"] for line in sent if line["key"] in ("file", "lfsFile")}
    assert paths == {"config.json", "model.safetensors", "README.md"}


def test_push_without_a_token_that_may_write_says_so(hub, folder, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_test")
    result = command("push", folder, "forbidden/dan", "--yes")
    assert result.exit_code == 2
    assert "does not let you write to forbidden/dan" in result.stderr


def test_push_refuses_what_does_not_load(hub, folder):
    (folder / "config.json").write_text("{}")
    result = command("push", folder, "somebody/dan", "--yes")
    assert result.exit_code == 2
    assert "labels" in result.stderr
    assert hub.requests == []
