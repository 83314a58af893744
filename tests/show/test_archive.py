from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from dan_model.show.archive import NUMBERS, Archive, merge
from dan_model.weights import fingerprint, load_checkpoint


def test_entries_of_other_processes_and_runs_count(tmp_path):
    one, other = Archive(tmp_path, {"weights": "w"}, 0), Archive(tmp_path, {"weights": "w"}, 1)
    (tmp_path / "x.npz").write_bytes(b"")
    one.add(Path("x.jpg"), "c1", [tmp_path / "x.npz"], [])
    other.add_failure(Path("y.jpg"), "broken")
    later = Archive(tmp_path, {"weights": "w"}, 0)
    assert later.before("c1") is not None
    assert Archive(tmp_path, {"weights": "v"}, 0).before("c1") is None
    merge(tmp_path)
    assert [json.loads(line)["image"] for line in (tmp_path / NUMBERS).read_text().splitlines()] == ["x.jpg", "y.jpg"]
    assert Archive(tmp_path, {"weights": "w"}).before("c1") is not None


def test_a_later_run_counts_whatever_its_parts_are_called(tmp_path):
    Archive(tmp_path, {"weights": "w"}, 3).add_failure(Path("x.jpg"), "broken")  # and killed before its end
    merge(tmp_path)
    Archive(tmp_path, {"weights": "w"}, 0).add(Path("x.jpg"), "c1", [], [])
    merge(tmp_path)
    (line,) = map(json.loads, (tmp_path / NUMBERS).read_text().splitlines())
    assert "error" not in line
    assert line["content"] == "c1"


def test_a_failure_takes_no_numbers_away_unless_the_content_is_another_one(tmp_path):
    first = Archive(tmp_path, {})
    for name in ("x", "y", "z"):
        first.add(Path(f"{name}.jpg"), f"content of {name}", [], [{"face": name}])
    merge(tmp_path)
    again = Archive(tmp_path, {})
    again.add_failure(Path("x.jpg"), "the share is gone")
    again.add_failure(Path("y.jpg"), "no memory", "content of y")
    again.add_failure(Path("z.jpg"), "is no image", "another content")
    Archive(tmp_path, {"other": "options"}, 1).add_failure(Path("y.jpg"), "no such class", "content of y")
    merge(tmp_path)
    entries = {line["image"]: line for line in map(json.loads, (tmp_path / NUMBERS).read_text().splitlines())}
    assert entries["x.jpg"]["faces"] == [{"face": "x"}]
    assert entries["y.jpg"]["error"] == "no such class"  # with other options, the earlier numbers are none
    assert entries["z.jpg"]["error"] == "is no image"
    assert Archive(tmp_path, {}).before("content of x") is not None


def test_files_that_another_image_wrote_over_do_not_count(tmp_path):
    archive, place = Archive(tmp_path, {}), tmp_path / "x-face1.npz"
    place.write_bytes(b"one")
    archive.add(Path("a/x.jpg"), "c1", [place], [])
    place.write_bytes(b"other")
    archive.add(Path("b/x.jpg"), "c2", [place], [])
    merge(tmp_path)
    (line,) = map(json.loads, (tmp_path / NUMBERS).read_text().splitlines())
    assert line["image"] == "b/x.jpg"
    later = Archive(tmp_path, {})
    assert later.before("c1") is None
    assert later.before("c2") is not None


def test_the_fingerprint_depends_on_the_preprocessing_too():
    model = load_checkpoint().model
    before = fingerprint(model)
    model.config = replace(model.config, preprocess=replace(model.config.preprocess, margin=0.3))
    assert fingerprint(model) != before
    assert fingerprint(load_checkpoint().model) == before
