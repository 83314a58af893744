"""Commands whose results cannot be written: said in one message, before the work where that can be known."""

from __future__ import annotations

import errno
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from dan_model import files
from dan_model.config import PreprocessConfig
from dan_model.learn.datasets import load_faces
from dan_model.network import DAN
from dan_model.show.archive import NUMBERS
from tests.fixtures.command_line import run_command
from tests.fixtures.drawn_faces import write_faces
from tests.fixtures.examples import EXAMPLES
from tests.fixtures.models import random_dan
from tests.fixtures.processes import ONE_THREAD

QUICK = ("--method", "none", "--no-panel")


@pytest.fixture
def no_room(monkeypatch):
    """The disk is full when the n-th file from now is put in its place."""

    def after(count: int) -> None:
        left = iter(range(count))

        def fsync(_: int) -> None:
            if next(left, None) is None:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(files.os, "fsync", fsync)

    return after


def said_once(result, path: Path) -> bool:
    """Whether a command ended with a single message about a full disk, and with exit code 2."""
    message = f"{path} cannot be written: No space left on device. Make room on this disk"
    return result.exit_code == 2 and result.stderr.count("No space left") == 1 and message in result.stderr


def hidden(folder: Path) -> list[Path]:
    return list(folder.rglob(".*"))


@pytest.mark.parametrize(
    ("count", "where"), [(0, "hopper-face1.npz"), (1, "hopper-face1.json"), (2, "numbers-0.jsonl")]
)
def test_explain_on_a_full_disk_ends_at_once_and_goes_on_later(tmp_path, no_room, small_weights, count, where):
    arguments = ("explain", EXAMPLES / "hopper.jpg", EXAMPLES / "astronaut.jpg", "--weights", small_weights, *QUICK)
    no_room(count)
    assert said_once(run_command(*arguments, "--out", tmp_path), tmp_path / where)
    assert not hidden(tmp_path)
    no_room(1000)
    assert run_command(*arguments, "--out", tmp_path).exit_code == 0
    assert len((tmp_path / NUMBERS).read_text().splitlines()) == 2


def test_explain_whose_merge_finds_no_room_keeps_every_line(tmp_path, no_room, small_weights):
    arguments = ("explain", EXAMPLES / "hopper.jpg", "--weights", small_weights, *QUICK, "--out", tmp_path)
    no_room(3)  # NPZ, JSON, the line
    assert said_once(run_command(*arguments), tmp_path / NUMBERS)
    no_room(1000)
    again = run_command(*arguments)
    assert again.exit_code == 0
    assert "hopper.jpg: done before" in again.stdout


def test_evaluate_refuses_a_folder_and_a_full_disk(tmp_path, no_room, small_weights, monkeypatch):
    root = write_faces(tmp_path / "faces", train=4, valid=4)
    weights = tmp_path / "weights"
    random_dan(classes=3, image_size=32).save_pretrained(weights)
    arguments = ("evaluate", "--dataset", "folder", "--root", root, "--weights", weights, "--classes", "common")
    for out in (tmp_path, Path("/dev/null"), root / "valid"):
        with monkeypatch.context() as patch:
            patch.setattr("dan_model.commands.evaluate.load_checkpoint", None)  # nothing may be done before
            result = run_command(*arguments, "--out", out)
        assert result.exit_code == 2
        assert f"{out} cannot be written" in result.stderr
    (tmp_path / "m-confusion.png").mkdir()
    result = run_command(*arguments, "--out", tmp_path / "m.json")
    assert (result.exit_code, "m-confusion.png cannot be written" in result.stderr) == (2, True)
    assert not (tmp_path / "m.json").exists()
    none = run_command(*arguments, "--out", tmp_path / "none.json")
    assert (none.exit_code, "have 0 classes in common" in none.stderr.replace("\n", " ")) == (2, True)
    labels = load_faces("folder", root, "valid").labels
    DAN(labels, 2, PreprocessConfig(image_size=32, detail_size=32)).save_pretrained(weights)
    no_room(0)
    full = tmp_path / "full.json"
    assert said_once(run_command(*arguments, "--out", full), full)
    assert not full.exists()
    assert not hidden(tmp_path)


def test_import_refuses_a_full_disk(tmp_path, no_room):
    model = random_dan(heads=1, image_size=32)
    torch.save(model.state_dict(), tmp_path / "dan.pth")
    no_room(1)
    out = tmp_path / "out"
    arguments = ("import", tmp_path / "dan.pth", "--out", out, "--preset", "rafdb")
    assert said_once(run_command(*arguments), out / "model.safetensors")
    assert sorted(path.name for path in out.iterdir()) == ["config.json"]
    no_room(1000)  # config.json alone is no checkpoint: the same command is not refused
    assert run_command(*arguments).exit_code == 0


def test_names_that_are_not_utf_8_end_no_run_on_a_strict_terminal(tmp_path, small_weights):
    photos, out = tmp_path / "photos", tmp_path / "out"
    photos.mkdir()
    for name in (b"caf\xe9.jpg", "Ünïcode 😀.jpg".encode()):
        shutil.copy(EXAMPLES / "hopper.jpg", os.fsdecode(os.fsencode(photos) + b"/" + name))
    Path(os.fsdecode(os.fsencode(photos) + b"/\xff.jpg")).write_bytes(b"no image")
    environment = {**os.environ, **ONE_THREAD, "PYTHONIOENCODING": "utf-8:strict"}
    command = ["explain", str(photos), "--out", str(out), "--weights", str(small_weights), "--whole-image", *QUICK]
    command = [sys.executable, "-m", "dan_model", *command]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, errors="replace", check=False)
    assert done.returncode == 1, done.stderr
    assert "1 of 3 images failed" in done.stderr
    assert "Traceback" not in done.stderr
    assert len(re.findall(r"\.jpg: (face 1|done before)", done.stdout)) == 2
    assert (out / os.fsdecode(b"caf\xe9-face1.npz")).is_file()
    assert len((out / NUMBERS).read_text().splitlines()) == 3
