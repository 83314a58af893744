"""The campaigns of `make soak`, short: images, checkpoints and calls that were changed at random, with fixed seeds."""

from __future__ import annotations

import sys

import pytest

from campaigns import hostile_calls, hostile_checkpoints, hostile_images
from campaigns.watching import Outcome, watched

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="measures the memory of the process in /proc"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]


def test_a_watch_sees_files_hosts_programs_errors_and_cost(tmp_path):
    """The instrument itself: what it does not see, no campaign finds."""
    import socket
    import subprocess

    (tmp_path / "inside").mkdir()
    (tmp_path / "outside.txt").write_text("x")

    def everything() -> None:
        (tmp_path / "inside" / "a").write_text("allowed")
        (tmp_path / "outside.txt").read_text()
        (tmp_path / "made.txt").write_text("x")
        (tmp_path / "made.txt").unlink()
        with socket.socket() as one:
            one.connect_ex(("127.0.0.1", 9))
        subprocess.run(["true"], check=True)

    with watched(tmp_path / "inside") as events:
        everything()
    kinds = [event.split(" ")[0] for event in events]
    assert [kind for kind in kinds if kind != "reads" or "outside" in events[kinds.index(kind)]] == [
        "reads", "writes", "os.remove", "socket.connect", "subprocess.Popen",
    ]  # fmt: skip

    def refused(text: str) -> None:
        raise ValueError(text)

    outcome = Outcome()
    assert outcome.attempt("good", lambda: bytearray(b"x" * 50_000_000), (ValueError,), "")
    assert outcome.largest[0] > 40_000_000
    assert not outcome.attempt("refused", lambda: refused("no"), (ValueError,), "secret")
    assert not outcome.failures
    outcome.attempt("leaky", lambda: refused("the secret"), (ValueError,), "secret")
    outcome.attempt("long", lambda: refused("x" * 5000), (ValueError,), "")
    outcome.attempt("broken", lambda: 1 / 0, (ValueError,), "")
    outcome.check(seconds=60, memory=10)
    assert [failure.split(":")[0] for failure in outcome.failures[:3]] == ["leaky", "long", "broken"]
    assert "good took" in outcome.failures[3]


def test_changed_images_of_every_format_are_read_or_refused_in_words():
    outcome = hostile_images.run(count=1200, seed=0)
    assert outcome.failures == []
    assert 200 < sum(outcome.refused.values()) < 1000  # neither all nor none


def test_changed_checkpoints_are_loaded_or_refused_in_words(tmp_path):
    outcome = hostile_checkpoints.Campaign(tmp_path, seed=0).run(count=35)
    assert outcome.failures == []
    assert {"CheckpointError", "ConfigError"} == set(outcome.refused)


def test_calls_of_any_form_are_answered_and_touch_nothing_else(server, tmp_path, caplog, capfd):
    calls = hostile_calls.against(server, tmp_path, count=80, seed=0)
    assert calls.failures == []
    assert set(calls.tried) >= {"call", "queue", "component_server", "file", "junk"}
    assert "Traceback" not in caplog.text + "".join(capfd.readouterr())
