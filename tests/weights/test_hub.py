"""The real Hub client against a small server on this machine."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import urlsplit

import pytest
import torch
from huggingface_hub import constants, file_download
from safetensors.torch import load, save

from dan_model.errors import CheckpointError, ConfigError
from dan_model.explain import Explainer
from dan_model.weights import HubAddress, UnreachableError, load_checkpoint, load_or_embedded
from tests.fixtures.command_line import run_command
from tests.fixtures.hub_server import Hub
from tests.fixtures.models import random_dan


@pytest.fixture(scope="module")
def saved(tmp_path_factory) -> dict[str, bytes]:
    """A checkpoint's two files."""
    folder = tmp_path_factory.mktemp("saved")
    random_dan(heads=1).half().float().save_pretrained(folder)
    return {name: (folder / name).read_bytes() for name in ("config.json", "model.safetensors")}


@pytest.fixture
def hub(saved, monkeypatch) -> Iterator[Hub]:
    """A Hub with one good repository, `somebody/dan`, and an empty cache here."""
    without_pauses = SimpleNamespace(**{**vars(time), "sleep": lambda seconds: None})
    monkeypatch.setattr(file_download, "time", without_pauses)  # a second before each further attempt
    shutil.rmtree(constants.HF_HUB_CACHE, ignore_errors=True)
    hub = Hub()
    hub.add("somebody/dan", saved)
    server = hub.serve(urlsplit(os.environ["HF_ENDPOINT"]).port)
    yield hub
    server.shutdown()
    server.server_close()


def fetched(hub: Hub) -> list[str]:
    return [request.rsplit("/", 1)[1] for request in hub.requests if request.startswith("GET /somebody")]


def test_the_first_load_downloads_both_files_and_reports_the_commit(hub):
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


def test_offline_an_earlier_download_is_used_with_a_notice(hub, monkeypatch):
    load_checkpoint("somebody/dan")
    hub.requests.clear()
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    checkpoint = load_checkpoint("somebody/dan")
    assert hub.requests == []
    assert checkpoint.notice == "An earlier download of somebody/dan is used: HF_HUB_OFFLINE is set."
    with pytest.warns(UserWarning, match="An earlier download"):
        Explainer.from_pretrained("somebody/dan")
    with pytest.raises(UnreachableError, match="HF_HUB_OFFLINE is set"):
        load_checkpoint("somebody/other")


def test_an_unreachable_hub_is_reported_within_seconds_without_retries():
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
def test_an_earlier_download_is_used_while_the_hub_is_busy_or_broken(hub, status):
    load_checkpoint("somebody/dan")
    hub.refusals["somebody/dan"] = (status, "")
    assert "An earlier download" in load_checkpoint("somebody/dan").notice


def test_unknown_repositories_revisions_and_files_have_different_messages(hub, saved):
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


def test_labels_that_do_not_fit_the_classes_are_refused(hub, saved):
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


def test_an_interrupted_download_is_reported_and_leaves_nothing_behind(hub):
    hub.spoil = "truncate"
    with pytest.raises(CheckpointError, match=r"download of model.safetensors from somebody/dan broke off"):
        load_checkpoint("somebody/dan")
    hub.spoil = None
    load_checkpoint("somebody/dan")


@pytest.mark.parametrize(("spoil", "reason"), [("truncate", "broke off"), ("corrupt", "do not match its hash")])
def test_reference_statistics_that_cannot_be_loaded_are_said(hub, saved, spoil, reason):
    load_checkpoint("somebody/dan")  # the weights are here, and stay the same
    hub.add("somebody/dan", {**saved, "reference.safetensors": bytes(20_000)})
    hub.spoil = spoil
    checkpoint = load_checkpoint("somebody/dan")
    assert checkpoint.reference is None
    assert "reference statistics" in checkpoint.notice
    assert reason in checkpoint.notice
    hub.spoil = None
    assert load_checkpoint("somebody/dan").reference.read_bytes() == bytes(20_000)


def test_contents_that_do_not_match_their_hash_are_refused_and_removed(hub):
    hub.spoil = "corrupt"
    with pytest.raises(CheckpointError, match="do not match its hash"):
        load_checkpoint("somebody/dan")
    hub.spoil = None
    load_checkpoint("somebody/dan")


def test_a_published_file_loads_under_any_name(hub, tmp_path):
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
def test_addresses_are_parsed_and_printed(text, expected):
    assert HubAddress.parse(text) == expected
    if expected is not None:
        assert str(expected) == text


def test_a_local_folder_takes_precedence_over_the_hub(hub, saved, tmp_path, monkeypatch):
    folder = tmp_path / "somebody" / "dan"
    folder.mkdir(parents=True)
    for name, data in saved.items():
        Path(folder / name).write_bytes(data)
    monkeypatch.chdir(tmp_path)
    assert load_checkpoint("somebody/dan").revision is None
    assert hub.requests == []


@pytest.fixture
def folder(saved, tmp_path) -> Path:
    """A checkpoint folder, with a private file in it that must not be sent."""
    for name, data in {**saved, "README.md": b"# card", "private.jpg": b"a face"}.items():
        (tmp_path / name).write_bytes(data)
    return tmp_path


def test_push_sends_nothing_without_consent(hub, folder):
    result = run_command("push", folder, "somebody/dan", input="n\n")
    assert result.exit_code == 1
    for text in ("To somebody/dan on http://127.0.0.1", "model.safetensors", "README.md", "Nothing was sent"):
        assert text in result.stdout
    assert "private.jpg" not in result.stdout
    assert hub.requests == []


def test_push_creates_the_repository_and_sends_only_the_files_of_the_checkpoint(hub, folder, saved, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_test")
    result = run_command("push", folder, "somebody/dan", "--yes")
    assert result.exit_code == 0, result.stderr
    assert "somebody/dan/commit/" in result.stdout
    assert json.loads(hub.pushed["/api/repos/create"])["name"] == "dan"
    digest = hashlib.sha256(saved["model.safetensors"]).hexdigest()
    assert hub.pushed[f"/upload/{digest}"] == saved["model.safetensors"]
    sent = [json.loads(line) for line in hub.pushed["/api/models/somebody/dan/commit/main"].splitlines()]
    paths = {line["value"]["path"] for line in sent if line["key"] in ("file", "lfsFile")}
    assert paths == {"config.json", "model.safetensors", "README.md"}


def test_push_without_write_access_is_refused(hub, folder, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_test")
    result = run_command("push", folder, "forbidden/dan", "--yes")
    assert result.exit_code == 2
    assert "does not let you write to forbidden/dan" in result.stderr


def test_push_refuses_a_folder_that_does_not_load(hub, folder):
    (folder / "config.json").write_text("{}")
    result = run_command("push", folder, "somebody/dan", "--yes")
    assert result.exit_code == 2
    assert "labels" in result.stderr
    assert hub.requests == []
