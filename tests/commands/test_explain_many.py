"""Many images: each explained once, over runs that were killed; a bad one does not stop the rest."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from dan_model.commands.app import app
from dan_model.commands.explain import name_results
from dan_model.errors import ArgumentError
from dan_model.show.archive import NUMBERS
from tests.fixtures.examples import write_tree

EXPLAIN = ["explain", "--method", "none", "--no-panel", "--device", "cpu"]


@pytest.fixture
def tree(tmp_path) -> Path:
    return write_tree(tmp_path / "photos")


def run(*arguments):
    return CliRunner().invoke(app, [*EXPLAIN, *map(str, arguments)])


def entries(out: Path) -> dict[str, dict]:
    lines = (out / NUMBERS).read_text().splitlines()
    return {Path(entry["image"]).name: entry for entry in map(json.loads, lines)}


def test_a_tree_is_explained_in_its_own_order_and_once(tree, tmp_path):
    out = tmp_path / "out"
    first = run(tree, "--out", out)
    assert first.exit_code == 1
    assert "broken.jpg is not an image" in first.stderr
    assert "1 of 5 images failed" in first.stderr
    written = sorted(str(path.relative_to(out)) for path in out.rglob("*.npz"))
    assert written == [
        "a/astronaut-face1.npz",
        "a/hopper-face1.npz",
        "b/c/two_faces-face1.npz",
        "b/c/two_faces-face2.npz",
    ]
    assert not list(out.rglob("*.png"))
    found = entries(out)
    assert found["astronaut.jpg"]["faces"][0]["prediction"]["label"] == "happiness"
    assert len(found["two_faces.jpg"]["faces"]) == 2
    assert "is not an image" in found["broken.jpg"]["error"]
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*.npz")}
    again = run(tree, "--out", out)
    assert again.stdout.count("done before") == 4
    assert before == {path: path.stat().st_mtime_ns for path in out.rglob("*.npz")}
    assert entries(out) == found


def test_the_same_content_is_explained_once_and_again_with_other_options(tree, tmp_path):
    out = tmp_path / "out"
    twice = run(tree / "a" / "hopper.jpg", tree / "b" / "hopper.jpg", "--out", out)
    assert twice.stdout.count("done before") == 1
    lines = [json.loads(line) for line in (out / NUMBERS).read_text().splitlines()]
    assert [Path(line["image"]).parent.name for line in lines] == ["a", "b"]
    assert lines[0]["files"] == lines[1]["files"]
    other = run(tree / "a" / "hopper.jpg", "--out", out, "--target", "anger")
    assert "done before" not in other.stdout
    assert entries(out)["hopper.jpg"]["faces"][0]["target"] == "anger"
    (out / "hopper-face1.npz").unlink()
    assert "done before" not in run(tree / "a" / "hopper.jpg", "--out", out, "--target", "anger").stdout
    assert (out / "hopper-face1.npz").is_file()


def test_a_killed_run_goes_on(tree, tmp_path):
    out = tmp_path / "out"
    command = [sys.executable, "-u", "-m", "dan_model", *EXPLAIN, str(tree), "--out", str(out)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (out / NUMBERS).exists()
    with (out / "numbers-0.jsonl").open("a") as file:
        file.write('{"image": "cut sho')  # a line that the kill broke off
    rest = run(tree, "--out", out)
    assert rest.stdout.count("done before") >= 1
    found = entries(out)
    assert set(found) == {"astronaut.jpg", "hopper.jpg", "two_faces.jpg", "broken.jpg"}
    assert not list(out.glob("numbers-*.jsonl"))


def test_an_empty_folder_is_refused_and_names_are_kept_apart(tmp_path):
    with pytest.raises(ArgumentError, match="holds no images"):
        name_results([tmp_path])
    for name in ("a.png", "a.jpg", "A.bmp"):
        (tmp_path / name).write_bytes(b"")
    assert sorted(name_results([tmp_path]).values()) == ["A", "a-2", "a-3"]
