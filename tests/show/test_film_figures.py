"""A timeline in words and figures, and maps over the frames where they belong."""

from __future__ import annotations

import numpy as np
import pytest

from dan_model.explain.film import FilmFace, FilmSample
from dan_model.explain.film_timeline import FilmTimeline, TimelineBuilder
from dan_model.faces import Film, FilmFrame
from dan_model.show.film_figures import clock, film_views, person_figure, sample_numbers, sample_sentence
from dan_model.show.film_video import OPACITY, FilmVideo, overlaid
from dan_model.show.style import head_colour

LABELS = ("calm", "glad", "cross")


def face(person: int = 1, best: int = 0, won=(0.5, 0.25), spatial=None, to_photo=None) -> FilmFace:
    probabilities = np.full(3, 0.1)
    probabilities[best] = 0.8
    box = np.array([40.0, 40.0, 80.0, 80.0])
    cells = np.zeros((2, 7, 7)) if spatial is None else spatial
    place = np.array([[56.0, 0, 32], [0, 56, 32]]) if to_photo is None else to_photo
    return FilmFace(person, box, LABELS[best], probabilities, np.array([1.5, -0.5]), np.array(won), cells, place)


def timeline(*best: int | None, rate: float = 1) -> FilmTimeline:
    """One person with these classes, one after the other; None where the person is missing."""
    builder = TimelineBuilder(LABELS, 2, rate)
    for i, k in enumerate(best):
        builder.add(FilmSample(i / rate, () if k is None else (face(best=k),)))
    return builder.timeline()


@pytest.mark.parametrize(
    ("best", "sentence"),
    [
        ((0, 0, 0), "Predicted throughout: calm."),
        ((0, 0, 1), "Predicted: calm 0:00–0:02, glad 0:02–0:03."),
        ((None, 0, None, 0), "Predicted: calm 0:01–0:02, calm 0:03–0:04."),
        (
            (0, 1, 0, 1, 0, 2, 0, 0),
            "Predicted: calm 62\u00a0% of the time, glad 25\u00a0% of the time, cross 12\u00a0% of the time; 7 spans.",
        ),
    ],
)  # fmt: skip
def test_the_sentence_says_what_was_predicted_when_and_who_wins_most(best, sentence):
    view = film_views(timeline(*best))[0]
    assert view.sentence == f"{sentence} Head 1 wins the most channels (50\u00a0% on average)."
    assert view.title == "Over time"


def test_the_figure_has_the_probabilities_and_the_channels_won_of_each_step():
    top, bottom = person_figure(timeline(0, 1, None, rate=2), timeline(0, 1, None, rate=2).people[0]).axes
    curves = [patch.get_data() for patch in top.patches]
    assert np.allclose(curves[0].edges, [0, 0.5, 1, 1.5])
    assert sorted(round(float(np.nansum(curve.values)), 3) for curve in curves) == [0.2, 0.9, 0.9]
    assert all(np.isnan(curve.values[2]) for curve in curves)
    areas = [patch.get_data() for patch in bottom.patches]
    assert np.allclose(areas[0].values[:2], 0.5)
    assert np.allclose(areas[1].values[:2], 0.75)
    assert np.allclose(areas[1].baseline[:2], 0.5)
    assert {text.get_text() for text in top.texts} == {"calm", "glad"}


def test_a_film_without_faces_and_further_people_are_said():
    view = film_views(timeline(None, None))[0]
    assert (view.figure, view.warning) == (None, True)
    builder = TimelineBuilder(LABELS, 2, 1)
    builder.add(FilmSample(0.0, (face(1), face(2))))
    assert [view.title for view in film_views(builder.timeline())] == ["Person 1 over time", "Person 2 over time"]
    assert film_views(builder.timeline(1))[0].title == "Person 1 over time"


def test_numbers_words_and_times():
    both = FilmSample(1.23456, (face(1), face(2, 1)))
    assert [row["person"] for row in sample_numbers(both, LABELS)] == [1, 2]
    assert sample_numbers(both, LABELS)[1]["probabilities"] == {"calm": 0.1, "glad": 0.8, "cross": 0.1}
    assert sample_numbers(FilmSample(2.0, ()), LABELS) == [{"time": 2.0, "person": None}]
    assert sample_sentence(both).replace("\u00a0", " ") == "person 1: calm 80.0 %; person 2: glad 80.0 %"
    assert sample_sentence(FilmSample(0.0, ())) == "no face"
    assert [clock(t) for t in (0, 1.2, 59.96, 61, 754.3)] == ["0:00", "0:01.2", "1:00", "1:01", "12:34.3"]
    assert clock(61.2, end=600) == "1:01"


def test_a_heads_cell_is_drawn_in_its_colour_at_its_place_in_the_frame():
    spatial = np.zeros((2, 7, 7))
    spatial[0, 0, 0], spatial[1, 6, 6] = 4.0, 4.0  # of a crop of 56 pixels at (32, 32): 8 pixels a cell
    black = FilmFrame(61.5, np.zeros((480, 640, 3), np.uint8))
    sample = FilmSample(61.5, (face(spatial=spatial),))
    drawn = np.asarray(overlaid(black, sample, (0, 1)))
    assert drawn.shape[0] > 480
    assert drawn.shape[1] == 640
    for head, at in ((0, 36), (1, 84)):
        colour = np.array([int(head_colour(head)[i : i + 2], 16) for i in (1, 3, 5)])
        assert np.abs(drawn[at, at] - OPACITY * colour).max() < 0.25 * 255
        assert drawn[at, at].max() > 60
    assert drawn[60, 60].max() == 0
    one = np.asarray(overlaid(black, sample, (1,)))
    assert one[36, 36].max() == 0
    assert one[84, 84].max() > 60


def test_the_mp4_has_the_frames_at_their_times_and_can_be_closed_early(tmp_path):
    grey = [FilmFrame(t, np.full((120, 160, 3), 60 + 40 * i, np.uint8)) for i, t in enumerate((0.0, 0.2, 1.7))]
    with FilmVideo(tmp_path / "film.mp4", 2) as video:
        for frame in grey:
            video.add(frame, FilmSample(frame.time, ()))
    written = Film(tmp_path / "film.mp4")
    assert [round(frame.time, 3) for frame in written.samples()] == [0.0, 0.2, 1.7]
    assert np.abs(written.frame_at(0.2).pixels[:400].astype(int) - 100).mean() < 3
    assert written.size[0] == 640
    with FilmVideo(tmp_path / "none.mp4", 2):
        pass
