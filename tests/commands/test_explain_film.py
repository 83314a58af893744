"""`explain` with films: numbers, figures and MP4 of each, and nothing lost where it is stopped or breaks off."""

from __future__ import annotations

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from dan_model.commands import explain_film
from dan_model.commands.app import app
from dan_model.explain.film import FilmExplainer
from dan_model.faces import Film
from dan_model.show.film_video import overlaid
from tests.fixtures.films import scene, write_film

CHANGE = 1.0  # seconds


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    path = tmp_path_factory.mktemp("film") / "faces.mp4"
    frames = [(i / 25, scene(("astronaut.jpg" if i / 25 < CHANGE else "hopper.jpg", (60, 20)))) for i in range(50)]
    return write_film(path, frames, container_options={"movflags": "faststart"})


@pytest.fixture
def run(small_weights):
    def explain(*arguments):
        return CliRunner().invoke(app, ["explain", *(str(a) for a in arguments), "--weights", str(small_weights)])

    return explain


def rows(folder):
    return [json.loads(line) for line in (folder / "samples.jsonl").read_text().splitlines()]


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_film_gets_numbers_figures_and_an_mp4_and_is_not_explained_twice(film, run, tmp_path, small_explainer):
    done = run(film, "--out", tmp_path, "--rate", 4)
    assert done.exit_code == 0, done.output
    assert "Predicted: happiness 0:00–0:01, neutral 0:01–0:02." in done.stdout
    folder = tmp_path / "faces"
    assert names(folder) == ["overlay.mp4", "person1.png", "samples.jsonl", "summary.json"]
    # The numbers are those of the library.
    found = rows(folder)
    assert [row["time"] for row in found] == [0.0, 0.28, 0.52, 0.76, 1.0, 1.28, 1.52, 1.76]
    assert [row["label"] for row in found] == ["happiness"] * 4 + ["neutral"] * 4
    e = small_explainer.explain(Film(film).frame_at(1.28).pixels)
    assert list(found[5]["probabilities"].values()) == pytest.approx(e.prediction.probabilities.tolist(), abs=1e-4)
    assert found[5]["contributions"] == pytest.approx(e.fusion.contributions.tolist(), abs=1e-3)
    assert found[5]["box"] == pytest.approx(e.crop.face.box.tolist(), abs=0.06)
    summary = json.loads((folder / "summary.json").read_text())
    assert (summary["complete"], summary["samples"], summary["people"]) == (True, 8, 1)
    assert [span["label"] for span in summary["predicted"]["1"]] == ["happiness", "neutral"]
    # The MP4 has the frames that were explained, at their times.
    assert [round(frame.time, 2) for frame in Film(folder / "overlay.mp4").samples()] == [row["time"] for row in found]
    # Again: nothing to do. With other options: done anew, and what they do not ask for is gone.
    assert "done before" in run(film, "--out", tmp_path, "--rate", 4).stdout
    done = run(film, "--out", tmp_path, "--rate", 2, "--no-video", "--whole-image")
    assert done.exit_code == 0, done.output
    assert names(folder) == ["person1.png", "samples.jsonl", "summary.json"]
    assert [row["box"] for row in rows(folder)] == [[0, 0, 320, 240]] * 4


def test_one_head_is_drawn_alone(film, run, tmp_path, small_explainer):
    for name, options in (("all", ()), ("one", ("--head", 1))):
        assert run(film, "--out", tmp_path / name, "--rate", 1, *options).exit_code == 0
    both = [Film(tmp_path / name / "faces" / "overlay.mp4").frame_at(0).pixels.astype(int) for name in ("all", "one")]
    assert np.abs(both[0] - both[1]).max() > 40  # the legend lacks three heads, the face their maps
    frame = Film(film).frame_at(0)
    sample = FilmExplainer(small_explainer)(frame)
    apart = [np.abs(both[1] - np.asarray(overlaid(frame, sample, (h,)), dtype=int)).mean() for h in range(4)]
    assert int(np.argmin(apart)) == 0


def test_ctrl_c_keeps_what_was_written(film, run, tmp_path, monkeypatch):
    class Interrupted(FilmExplainer):
        def __call__(self, frame):
            if frame.time >= 1.0:
                raise KeyboardInterrupt
            return super().__call__(frame)

    monkeypatch.setattr(explain_film, "FilmExplainer", Interrupted)
    done = run(film, "--out", tmp_path, "--rate", 5)
    assert done.exit_code == 130
    assert "stopped at 0:00.8" in done.stderr
    folder = tmp_path / "faces"
    assert [row["time"] for row in rows(folder)] == [0.0, 0.2, 0.4, 0.6, 0.8]
    assert len(list(Film(folder / "overlay.mp4").samples())) == 5
    assert (folder / "person1.png").is_file()
    assert json.loads((folder / "summary.json").read_text())["complete"] is False
    # The same command begins it anew.
    monkeypatch.undo()
    assert run(film, "--out", tmp_path, "--rate", 5).exit_code == 0
    assert len(rows(folder)) == 10


def test_what_breaks_off_or_is_no_film_is_said_and_the_rest_goes_on(film, run, tmp_path):
    content = film.read_bytes()
    (tmp_path / "cut.mp4").write_bytes(content[: len(content) * 2 // 3])
    (tmp_path / "text.mov").write_text("no film")
    empty = write_film(tmp_path / "empty.mp4", [(i / 2, scene(size=(160, 120))) for i in range(3)])
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "clip.MOV").write_bytes(content)
    done = run(
        tmp_path / "cut.mp4", tmp_path / "text.mov", empty, tmp_path / "gone.mp4", "--views",
        "--out", tmp_path / "out", "--rate", 2,
    )  # fmt: skip
    assert done.exit_code == 1
    for text in (
        "--views: for images only",
        "The film breaks off after",
        "text.mov is no film that can be read",
        "empty.mp4: No face was found",
        "gone.mp4 does not exist",
        "3 of 4 films failed",
    ):
        assert text in done.stderr
    assert rows(tmp_path / "out" / "empty")[1] == {"time": 0.5, "person": None}
    assert len(rows(tmp_path / "out" / "cut")) >= 2
    assert "(1 of them films: give these by name)" in run(folder, "--out", tmp_path / "out").stderr
    done = run(film, "--out", tmp_path / "other", "--rate", 0)
    assert done.exit_code == 2
    assert "--rate 0 is not possible" in done.stderr
    assert not (tmp_path / "other").exists()
