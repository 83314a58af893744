"""The tab Film without a browser: results, Stop, limits, moments, and what is left of a film afterwards."""

from __future__ import annotations

import base64
import gc
import io
import json
import re
from html import unescape
from pathlib import Path
from types import SimpleNamespace

import gradio as gr
import numpy as np
import pytest
from gradio.data_classes import FileData
from PIL import Image

from dan_model.faces import Film
from dan_model.ui import film_run
from dan_model.ui.context import PageContext
from dan_model.ui.film_run import explain_upload
from dan_model.ui.panels.film import EVERY_HEAD, finished, moment_function
from dan_model.ui.photo_input import film_input
from dan_model.ui.session import Session
from dan_model.ui.session_store import SessionStore
from dan_model.ui.weights_cache import LoadedWeights, WeightsCache
from dan_model.weights import load_checkpoint
from tests.fixtures.films import scene, write_film

CHANGE = 0.8  # seconds


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    path = tmp_path_factory.mktemp("film") / "faces.mp4"
    return write_film(
        path, [(i / 25, scene(("astronaut.jpg" if i / 25 < CHANGE else "hopper.jpg", (60, 20)))) for i in range(40)]
    )


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """Where Gradio stores files."""
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def page(build_page, cache):
    return build_page()


def run(page, path, rate=5, heads=EVERY_HEAD):
    """The values that the tab gets, one step after the other."""
    page.handlers["on_begin"](page.visitor)
    yield from page.handlers["on_film"](str(path) if path else None, rate, heads, page.visitor)


def visited() -> tuple[PageContext, Session]:
    """A page with one visitor."""
    weights = LoadedWeights(load_checkpoint(), SimpleNamespace(device=None))
    context = PageContext(WeightsCache(weights, paths_allowed=False), sessions=SessionStore())
    return context, context.sessions.get("visitor")


def test_a_film_becomes_a_figure_a_video_and_moments(page, film, cache):
    *_, last = run(page, film)
    status, video, moments, figures, _ = last
    assert status == ""
    assert "Predicted: happiness 0:00–0:00.8, neutral 0:00.8–0:01.6." in figures
    shown = json.loads(unescape(re.search('data-moments="([^"]*)"', moments)[1]))
    assert [time for time, *_ in shown] == [i / 5 for i in range(8)]
    assert shown[1][1] == "0:00.2"
    assert [text.split()[0] for _, _, text in shown] == ["happiness"] * 4 + ["neutral"] * 4
    written = Film(Path(video.value["path"]))
    assert [round(frame.time, 1) for frame in written.samples()] == [time for time, *_ in shown]
    assert written.path.is_relative_to(cache)
    # Without a film everything is empty again, and the video's file is gone.
    assert list(run(page, None))[-1][2:4] == ["", ""]
    gc.collect()
    assert not written.path.exists()


def test_stop_and_another_film_end_the_one_before(page, film):
    steps = run(page, film)
    next(steps)
    page.handlers["on_stop"](page.visitor)
    assert "Stopped" in list(steps)[-1][0]
    # Chosen meanwhile: nothing more is said about the film before.
    steps = run(page, film)
    next(steps)
    page.handlers["on_begin"](page.visitor)
    assert list(steps)[-1] == [gr.skip()] * 5


def test_a_film_that_is_stopped_keeps_what_was_explained(film, explainer, tmp_path):
    session = Session()
    going = explain_upload(explainer, film, 5, None, tmp_path, lambda: len(found.moments) < 3)
    found = next(going)
    assert found.progress == "Reading the film …"
    for found in going:  # noqa: B007
        pass
    assert found.progress.startswith("Explaining: 0:00.4 of 0:01.6; happiness")
    status, _, moments, figures = finished(found, session)
    assert "Stopped at 0:00.4." in status
    assert "Predicted throughout: happiness." in figures
    assert 'max="2"' in moments
    assert len(list(Film(found.video).samples())) == 3


def test_what_is_no_film_or_too_long_or_crowded_is_said(page, film, tmp_path, monkeypatch, explainer):
    (tmp_path / "text.mp4").write_text("no film")
    *_, last = run(page, tmp_path / "text.mp4")
    assert "text.mp4 is no film that can be read" in last[0]
    assert "has been deleted" in list(run(page, tmp_path / "gone.mp4"))[-1][0]
    monkeypatch.setattr(film_run, "MAX_SECONDS", 1.0)
    *_, last = run(page, film)
    assert "explains the first 1 seconds" in last[0]
    assert 'max="5"' in last[2]
    monkeypatch.setattr(film_run, "MOST_FACES", 1)
    two = scene(("astronaut.jpg", (0, 20)), ("hopper.jpg", (260, 20)), size=(480, 240))
    *_, found = explain_upload(explainer, write_film(tmp_path / "two.mp4", [(0, two)]), 5, [0], tmp_path)
    assert found.notes == ["In 1 samples only the 1 largest faces are explained."]
    empty = write_film(tmp_path / "empty.mp4", [(0, scene(size=(160, 120)))])
    assert "No face was found in this film." in list(run(page, empty))[-1][3]

    def full(**where):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(film_run.tempfile, "mkdtemp", full)
    assert "no room for this film" in list(run(page, film))[-1][0]


def test_a_moment_is_the_frame_without_loss_and_junk_is_refused(film, explainer, tmp_path):
    context, session = visited()
    *_, session.film = explain_upload(explainer, film, 5, None, tmp_path)
    moment = moment_function(context)
    got = moment([session.key, 6])
    assert got["name"] == "film-0m01.2s.png"
    pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(got["frame"]))))
    assert np.array_equal(pixels, Film(film).frame_at(1.2).pixels)
    e = explainer.explain(pixels)
    assert session.film.moments[6].text.startswith(e.prediction.label)
    for junk in (None, [], [session.key], [session.key, 8], [session.key, -1], [session.key, "6"], [session.key, True]):
        assert "no such moment" in moment(junk)["error"]
    assert "no such moment" in moment(["another key", 0])["error"]
    session.film.path = tmp_path / "gone.mp4"
    assert "has been deleted" in moment([session.key, 0])["error"]


def test_only_an_uploaded_file_is_taken(cache, tmp_path):
    component = film_input(label="film")
    (tmp_path / "secret.mp4").write_bytes(b"")
    with pytest.raises(gr.Error, match="did not arrive as an upload"):
        component.preprocess(FileData(path=str(tmp_path / "secret.mp4")))
    assert component.preprocess(None) is None
    assert component.preprocess(FileData(path=str(cache / "a" / "film.mp4"))) == str(cache / "a" / "film.mp4")
