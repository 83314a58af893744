"""Files are written whole or not at all, and a failure says where and what to do."""

from __future__ import annotations

import contextlib
import errno
import os
import resource
import signal
import stat
from pathlib import Path

import pytest
import torch

from dan_model.errors import DiskError, WriteError
from dan_model.explain.reference import Reference
from dan_model.files import append_line, check_writable, replacing, write_bytes, write_text
from dan_model.weights import load_checkpoint, write_checkpoint
from tests.fixtures.models import random_dan


@pytest.fixture
def full_disk(monkeypatch):
    """Files cannot grow beyond 10 kB, as on a disk with that much room."""
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    signal.signal(signal.SIGXFSZ, before)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_what_is_written_takes_the_place_of_the_earlier_file_with_its_rights_and_through_links(tmp_path):
    path = tmp_path / "deep" / "a.json"
    write_text(path, "ä \udcff")
    assert path.read_bytes() == "ä \\udcff".encode()
    path.chmod(0o640)
    (tmp_path / "link.json").symlink_to(path)
    write_bytes(tmp_path / "link.json", b"second")
    assert path.read_bytes() == b"second"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert (tmp_path / "link.json").is_symlink()
    assert names(path.parent) == ["a.json"]


def test_a_failure_leaves_the_earlier_file_and_nothing_else(tmp_path, full_disk):
    path = tmp_path / "a.bin"
    write_bytes(path, b"first")
    with pytest.raises(DiskError, match=r"a\.bin cannot be written: File too large\. Make room on this disk"):
        write_bytes(path, b"x" * 20_000)
    with contextlib.suppress(KeyError), replacing(path) as part:
        part.write_bytes(b"half")
        raise KeyError
    assert path.read_bytes() == b"first"
    assert names(tmp_path) == ["a.bin"]


def test_a_checkpoint_a_state_and_a_reference_on_a_full_disk(tmp_path, full_disk):
    """The writers of safetensors and of torch have errors of their own."""
    with pytest.raises(DiskError, match=r"model\.safetensors cannot be written"):
        write_checkpoint(random_dan(heads=1), tmp_path)
    saved = pytest.raises(DiskError, match=r"state\.pt cannot be written: File too large")
    with saved, replacing(tmp_path / "state.pt") as part, part.open("wb") as file:
        torch.save({"a": torch.zeros(5000)}, file)
    with pytest.raises(DiskError, match=r"reference\.safetensors cannot be written"):
        Reference(torch.zeros(7, 512)).save(tmp_path / "reference.safetensors")
    assert names(tmp_path) == ["config.json"]


@pytest.mark.parametrize(
    ("number", "kind", "remedy"),
    [
        (errno.ENOSPC, DiskError, "Make room on this disk"),
        (errno.EDQUOT, DiskError, "Make room on this disk"),
        (errno.EROFS, DiskError, "Give a place where you may write"),
        (errno.EACCES, WriteError, "Give a place where you may write"),
        (errno.ENAMETOOLONG, WriteError, "Give another folder or name"),
    ],
)
def test_every_reason_has_its_remedy(tmp_path, number, kind, remedy):
    with pytest.raises(WriteError, match=remedy) as raised, replacing(tmp_path / "a"):
        raise OSError(number, os.strerror(number))
    assert type(raised.value) is kind
    assert str(tmp_path / "a") in str(raised.value)
    assert os.strerror(number) in str(raised.value)


def test_folders_devices_and_files_in_the_place_of_folders_are_refused_before_the_work(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(WriteError, match=r"It is a folder: give the name of a file"):
        check_writable(tmp_path)
    with pytest.raises(WriteError, match=r"cannot be written: (Not a directory|File exists)"):
        check_writable(tmp_path / "file" / "a")
    for write in (check_writable, lambda path: write_bytes(path, b"")):
        with pytest.raises(WriteError):
            write(Path("/dev/null"))
    assert Path("/dev/null").is_char_device()
    check_writable(tmp_path / "new" / "a")
    assert names(tmp_path / "new") == []


def test_a_line_that_does_not_fit_is_taken_back(tmp_path, full_disk):
    path = tmp_path / "lines"
    append_line(path, "a" * 4000)
    with pytest.raises(DiskError):
        append_line(path, "b" * 8000)
    append_line(path, "c")
    assert path.read_text() == "a" * 4000 + "\nc\n"


def test_a_written_checkpoint_loads_as_it_was(tmp_path):
    model = random_dan(heads=2)
    write_checkpoint(model, tmp_path / "new", "# Card")
    again = load_checkpoint(tmp_path / "new").model
    assert again.config == model.config
    assert all(torch.equal(a, again.state_dict()[name]) for name, a in model.state_dict().items())
    assert names(tmp_path / "new") == ["README.md", "config.json", "model.safetensors"]
