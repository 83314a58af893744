"""A film's samples equal the explanations of the same pixels; its timeline is right and bounded, its memory flat."""

from __future__ import annotations

import multiprocessing
import sys
from pathlib import Path

import numpy as np
import pytest

from campaigns.measuring import resident
from dan_model.errors import ArgumentError
from dan_model.explain import Explainer
from dan_model.explain.film import FilmExplainer, FilmFace, FilmSample
from dan_model.explain.film_timeline import MOST_PEOPLE, MOST_STEPS, TimelineBuilder
from dan_model.explain.fusion import tug_of_war
from dan_model.faces import FaceDetector, Film
from dan_model.ui.process_memory import give_back
from tests.fixtures.films import scene, turn_film, write_film
from tests.fixtures.models import random_dan

CHANGE = 1.2  # seconds


@pytest.fixture(scope="module")
def film(tmp_path_factory) -> Film:
    """A face that moves, and becomes another face; stored lying on its side, as phones do, at a variable rate."""
    frames = []
    for i in range(50):
        time = i / 25 if i < 40 else i / 25 + 0.013 * (i - 39)
        upright = scene(("astronaut.jpg" if time < CHANGE else "hopper.jpg", (10 + 2 * i, 20)))
        frames.append((time, np.ascontiguousarray(np.rot90(upright))))
    return Film(turn_film(write_film(tmp_path_factory.mktemp("film") / "film.mp4", frames), 90))


def face(person: int, probabilities, heads: int = 2) -> FilmFace:
    even = np.full(heads, 1 / heads)
    values = np.array(probabilities)
    return FilmFace(person, np.zeros(4), "", values, even, even, np.zeros((heads, 7, 7)), np.eye(2, 3))


def test_samples_equal_the_explanations_of_their_pixels_and_the_label_changes_in_time(film, explainer):
    explain, builder = FilmExplainer(explainer), TimelineBuilder(explainer.labels, 4, 5)
    for n, frame in enumerate(film.samples(5)):
        sample = explain(frame)
        builder.add(sample)
        assert [one.person for one in sample.faces] == [1]
        found = sample.faces[0]
        assert found.label == ("happiness" if frame.time < CHANGE else "neutral")
        if n in (2, 8):  # the frame as a photo; and the pixels before they were compressed
            e = explainer.explain(frame.pixels)
            assert found.probabilities == pytest.approx(e.prediction.probabilities.numpy(), abs=1e-5)
            assert found.contributions == pytest.approx(e.fusion.contributions.numpy(), abs=1e-4)
            assert found.won == pytest.approx(tug_of_war(e.fusion, e.heads.embeddings).won.numpy(), abs=0.01)
            assert found.spatial == pytest.approx(e.heads.spatial.numpy(), rel=1e-4)
            name = "astronaut.jpg" if frame.time < CHANGE else "hopper.jpg"
            drawn = explainer.explain(scene((name, (10 + 2 * round(frame.time * 25), 20))))
            assert found.probabilities == pytest.approx(drawn.prediction.probabilities.numpy(), abs=0.1)
            assert found.box == pytest.approx(drawn.crop.face.box, abs=4)
    timeline = builder.timeline()
    assert (timeline.samples, timeline.empty, timeline.others) == (11, 0, 0)
    assert timeline.people[0].spans(timeline.labels) == [("happiness", 0, 6), ("neutral", 6, 11)]
    assert timeline.times == pytest.approx(np.arange(11) / 5)


def test_each_person_has_a_timeline_and_a_score_of_ones_own_choice(explainer, tmp_path):
    size = (480, 240)
    left, right = ("astronaut.jpg", (0, 20)), ("hopper.jpg", (260, 20))
    shown = [(), (left,), (left, right), (right,)]
    film = Film(write_film(tmp_path / "film.mp4", [(i / 2, scene(*faces, size=size)) for i, faces in enumerate(shown)]))
    explain = FilmExplainer(explainer, target="fear", prior="uniform")
    samples = [explain(frame) for frame in film.samples()]
    assert [[one.person for one in sample.faces] for sample in samples] == [[], [1], [1, 2], [2]]
    e = explainer.explain(film.frame_at(1.5).pixels, "fear", prior="uniform")
    assert samples[3].faces[0].contributions == pytest.approx(e.fusion.contributions.numpy(), abs=1e-4)
    builder = TimelineBuilder(explainer.labels, 4, 2)
    for sample in samples:
        builder.add(sample)
    timeline = builder.timeline(most=1)
    assert (timeline.empty, timeline.others, timeline.people[0].seen) == (1, 1, 2)
    assert np.isnan(timeline.people[0].probabilities[:, 0]).tolist() == [True, False, False, True]
    # The largest faces only.
    few = FilmExplainer(explainer, most=1)(film.frame_at(1.0))
    assert (len(few.faces), few.left_out) == (1, 1)
    with pytest.raises(ArgumentError, match="At most 0"):
        FilmExplainer(explainer, most=0)


def test_a_long_timeline_averages_neighbouring_steps_and_forgets_the_briefest_people():
    builder, rate, seconds = TimelineBuilder(("a", "b"), 2, 10), 10, 3 * MOST_STEPS // 10
    for i in range(rate * seconds):
        high = 0.75 if i % 2 else 0.25
        passing = [face(2 + i // 10, [0.5, 0.5])] if i % 10 == 0 else []  # somebody else each second
        builder.add(FilmSample(i / rate, (face(1, [high, 1 - high]), *passing)))
    timeline = builder.timeline()
    assert timeline.step == 0.4
    assert len(timeline.times) == len(timeline.people[0].probabilities) == rate * seconds / 4 <= MOST_STEPS
    assert timeline.people[0].probabilities == pytest.approx(0.5)
    assert timeline.people[0].seen == rate * seconds
    assert timeline.others == seconds - 3
    assert len(builder._people) == MOST_PEOPLE


def test_a_crowd_is_counted_once_and_kept_within_bounds():
    builder, crowd = TimelineBuilder(("a", "b"), 2, 1), MOST_PEOPLE + 6
    for second in range(10):
        builder.add(FilmSample(second, tuple(face(1 + i, [0.5, 0.5]) for i in range(crowd))))
        assert len(builder._people) == MOST_PEOPLE
    assert builder.timeline(most=4).others == crowd - 4


@pytest.mark.skipif(sys.platform != "linux", reason="reads the memory of the process from /proc")
def test_memory_is_flat_over_ten_minutes_of_film(tmp_path):
    picture = scene(("astronaut.jpg", (10, 20)))
    moving = (np.roll(picture, i % 40, axis=1) for i in range(600))
    path = write_film(tmp_path / "long.mp4", ((float(i), pixels) for i, pixels in enumerate(moving)))
    with multiprocessing.get_context("spawn").Pool(1) as fresh:  # memory that is free but held would hide what is used
        grown = fresh.apply(growth, (path,))
    assert grown < 20_000_000  # the sampled frames have 35 MB


def growth(path: Path) -> int:
    """Bytes that explaining the second half of a film of ten minutes has added."""
    small = Explainer(random_dan(classes=3, heads=2, image_size=32), FaceDetector())
    explain, builder, before = FilmExplainer(small, whole=True), TimelineBuilder(small.labels, 2, 0.5), 0
    for frame in Film(path).samples(0.5):
        builder.add(explain(frame))
        if frame.time == 300:
            give_back()
            before = resident()
    assert before
    assert builder.timeline().samples == 300
    give_back()
    return resident() - before
