"""The curves of a training."""

from __future__ import annotations

import resource
import signal

import pytest
from accelerate import Accelerator

from dan_model.learn.curves import Curves


@pytest.fixture
def room():
    """Sets how many bytes a file may have, as on a disk with that much room."""
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda count: resource.setrlimit(resource.RLIMIT_FSIZE, (count, hard))
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    signal.signal(signal.SIGXFSZ, before)


def test_a_full_disk_is_said_once_and_ends_nothing(tmp_path, room):
    lines = []
    curves = Curves(Accelerator(cpu=True, log_with="tensorboard", project_dir=tmp_path), lines.append)
    curves.add({"loss": 1.0, "epoch": 0}, 0)
    written = sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file())
    assert written > 0
    room(written)
    for epoch in range(1, 4):
        curves.add({"loss": 0.5}, epoch)
    curves.finish()
    assert lines == ["The curves for TensorBoard cannot be written (File too large); training goes on without them."]


def test_a_folder_that_cannot_be_made_is_said_too(tmp_path):
    (tmp_path / "logs").write_text("a file in its place")
    lines = []
    Curves(Accelerator(cpu=True, log_with="tensorboard", project_dir=tmp_path), lines.append).add({"loss": 1.0}, 0)
    assert len(lines) == 1
