"""Temporary files of one process: swept by age, at its end, and by the next process where it was killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from dan_model.ui.temporary import PREFIX, sweep_ended, sweep_old

RUN = (
    "import sys, tempfile, time\n"
    "from dan_model.ui.temporary import own_folder\n"
    "folder = own_folder(600, 60)\n"
    "handle, path = tempfile.mkstemp()\n"
    "print(path, flush=True)\n"
    "time.sleep(60)\n"
)


def start(parent) -> tuple[subprocess.Popen, str]:
    """A process with its folder; the path of a file in it."""
    process = subprocess.Popen(
        [sys.executable, "-c", RUN], env={**os.environ, "TMPDIR": str(parent)}, stdout=subprocess.PIPE, text=True
    )
    return process, process.stdout.readline().strip()


def test_files_are_deleted_by_age_and_folders_stay(tmp_path):
    (tmp_path / "deep").mkdir()
    old, new = tmp_path / "deep" / "old.jpg", tmp_path / "new.jpg"
    for path in (old, new):
        path.write_bytes(b"face")
    os.utime(old, (time.time() - 700,) * 2)
    assert sweep_old(tmp_path, 600) == [old]
    assert new.exists()
    assert old.parent.exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_no_byte_stays_of_a_process_that_ended(tmp_path, number):
    process, path = start(tmp_path)
    assert path.startswith(str(tmp_path / f"{PREFIX}{process.pid}"))
    assert sweep_ended(tmp_path) == []  # it runs
    process.send_signal(number)
    process.wait()
    if number == signal.SIGKILL:  # nobody was left to delete it
        assert sweep_ended(tmp_path) == [tmp_path / f"{PREFIX}{process.pid}"]
    assert list(tmp_path.iterdir()) == []


def test_other_folders_are_left_alone(tmp_path):
    (tmp_path / f"{PREFIX}of-somebody").mkdir()
    (tmp_path / "other").mkdir()
    assert sweep_ended(tmp_path) == []
