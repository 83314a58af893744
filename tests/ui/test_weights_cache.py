from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from dan_model.errors import ArgumentError, CheckpointError
from dan_model.ui.weights_cache import MAX_SETS, LoadedWeights, WeightsCache
from dan_model.weights import load_checkpoint


@pytest.fixture
def weights_cache(explainer) -> WeightsCache:
    checkpoint = load_checkpoint()

    def load(source: str, preset: str | None):
        if source == "user/broken":
            raise CheckpointError("broken on purpose", "")
        return replace(checkpoint, name=source)

    return WeightsCache(LoadedWeights(checkpoint, explainer), paths_allowed=False, load=load)


def test_the_latest_weights_are_stored_and_shared(weights_cache):
    assert weights_cache.get("", None) is weights_cache.first
    names = [f"user/w{i}" for i in range(MAX_SETS + 1)]
    loaded = [weights_cache.get(name, None) for name in names]
    assert weights_cache.get(names[-1], None) is loaded[-1]
    assert weights_cache.get(f" {names[1]} ", None) is loaded[1]
    assert weights_cache.get(names[0], None) is not loaded[0]
    assert loaded[0].explainer.labels == weights_cache.first.explainer.labels  # sessions that use it can go on


def test_a_failed_load_changes_nothing_and_paths_are_for_private_servers(weights_cache):
    with pytest.raises(CheckpointError, match="on purpose"):
        weights_cache.get("user/broken", None)
    assert weights_cache.get("user/good", None).checkpoint.name == "user/good"
    with pytest.raises(ArgumentError, match="no repository"):
        weights_cache.get("/etc", None)


def test_messages_do_not_tell_which_paths_exist(weights_cache, tmp_path, caplog):
    """A folder without weights, a file that is none, a broken configuration, a foreign preset, and nothing at all."""
    private = WeightsCache(weights_cache.first, paths_allowed=True)
    (tmp_path / "empty").mkdir()
    (tmp_path / "text").write_text("secret")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "config.json").write_text('{"secret": 1}')
    (tmp_path / "broken" / "model.safetensors").write_bytes(b"")
    replies = set()
    for name in ("empty", "text", "broken", "missing"):
        for preset in (None, "rafdb"):
            path = str(tmp_path / name)
            with pytest.raises(CheckpointError) as raised:
                private.get(path, preset)
            replies.add(str(raised.value).replace(repr(path), "PATH"))
    assert len(replies) == 1
    assert "There are no weights that can be loaded at PATH" in replies.pop()
    assert "has no config.json" in caplog.text  # whoever runs the server reads the reason


def test_a_lent_device_has_a_copy_here_and_ones_own_needs_none():
    lent = LoadedWeights.place(load_checkpoint(), torch.device("meta"), None, lent=True)
    assert (lent.here.device.type, lent.explainer.device.type) == ("cpu", "meta")
    own = LoadedWeights.place(load_checkpoint(), torch.device("cpu"), None, lent=False)
    assert own.here is own.explainer
