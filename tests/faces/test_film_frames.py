"""Films are read by their own time stamps, upright, as far as they go; what is no film is refused."""

from __future__ import annotations

import io
from fractions import Fraction

import av
import numpy as np
import pytest
from PIL import Image

from dan_model.errors import ArgumentError, FilmError
from dan_model.faces import Film, is_film_file
from dan_model.faces.film_frames import MAX_SIDE
from tests.fixtures.films import scene, turn_film, write_film

FAST = {"movflags": "faststart"}  # the index stands before the pictures, so that a cut film can be opened
NOISY = {"crf": "20", "preset": "ultrafast", "g": "10"}


def shade(level: int, size: tuple[int, int] = (64, 48)) -> np.ndarray:
    return np.full((size[1], size[0], 3), level, dtype=np.uint8)


def noise(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (96, 128, 3), dtype=np.uint8)


def times(film: Film, rate: float | None = None) -> list[float]:
    return [round(frame.time, 3) for frame in film.samples(rate)]


def difference(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.abs(a.astype(int) - b.astype(int)).mean())


@pytest.fixture(scope="module")
def upright() -> np.ndarray:
    """A picture that looks different however it is turned or mirrored."""
    return scene(("astronaut.jpg", (10, 20)))


def test_one_frame_of_each_interval_is_taken_whatever_the_container(tmp_path):
    frames = [(i / 25, shade(40 + i)) for i in range(50)]
    for name, codec in (
        ("film.MP4", "libx264"),
        ("film.mkv", "libx264"),
        ("film.webm", "libvpx-vp9"),
        ("film.avi", "mpeg4"),
    ):
        options = {} if codec != "libx264" else None
        film = Film(write_film(tmp_path / name, frames, codec, options))
        assert film.size == (64, 48)
        assert film.duration == pytest.approx(2.0, abs=0.05)
        assert times(film, 5) == [i / 5 for i in range(10)]
        assert len(times(film)) == 50
        assert film.notes == []
        assert is_film_file(tmp_path / name)
    # The pictures belong to their times, also when one is asked for by itself, and after a rate that divides nothing.
    for frame in film.samples(7):
        assert difference(frame.pixels, shade(40 + round(frame.time * 25))) < 4
        assert film.frame_at(frame.time).time == frame.time
    assert film.frame_at(100).time == pytest.approx(49 / 25)
    with pytest.raises(ArgumentError, match="rate of 0"):
        next(film.samples(0))


def test_variable_frame_rate_is_read_by_time_stamps_not_by_counting(tmp_path):
    stamps = [0, 0.04, 0.08, 0.12, 1.0, 1.04, 3.5, 3.52, 3.54, 3.56, 4.4]
    film = Film(write_film(tmp_path / "film.mp4", [(t, shade(20 * i)) for i, t in enumerate(stamps)]))
    assert times(film) == stamps
    assert times(film, 10) == [0, 0.12, 1.0, 3.5, 4.4]
    for frame, level in zip(film.samples(1), (0, 80, 120, 200), strict=True):
        assert difference(frame.pixels, shade(level)) < 4
    assert [frame.time for frame in film.samples(10, until=1.5)] == pytest.approx([0, 0.12, 1.0])


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_a_film_that_its_header_turns_is_upright(tmp_path, upright, degrees):
    stored = np.ascontiguousarray(np.rot90(upright, degrees // 90))  # anticlockwise; the header turns it back
    path = write_film(tmp_path / "film.mp4", [(i / 25, stored) for i in range(5)])
    assert difference(Film(path).frame_at(0).pixels, stored) < 3
    film = Film(turn_film(path, degrees))
    assert film.size == (320, 240)
    assert difference(film.frame_at(0).pixels, upright) < 3


def test_pixels_that_are_not_square_are_made_so_and_large_frames_are_reduced(tmp_path, upright):
    wide = Film(write_film(tmp_path / "wide.mp4", [(0, upright)], aspect=Fraction(4, 3)))
    assert wide.size == (427, 240)
    large = np.asarray(Image.fromarray(upright).resize((1920, 1440)))
    film = Film(write_film(tmp_path / "large.mp4", [(0, large)]))
    assert film.size == (MAX_SIDE, MAX_SIDE * 3 // 4)
    reduced = np.asarray(Image.fromarray(upright).resize(film.size))
    assert difference(film.frame_at(0).pixels, reduced) < 3


def test_a_film_that_breaks_off_is_read_until_there_and_says_so(tmp_path):
    path = write_film(tmp_path / "film.mp4", [(i / 25, noise(i)) for i in range(100)], "libx264", NOISY, FAST)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    film = Film(path)
    found = times(film, 5)
    assert found == [i / 5 for i in range(len(found))]
    assert 1.4 < found[-1] < 2.4
    assert len(film.notes) == 1
    assert "breaks off after" in film.notes[0]
    assert "of 4.0 seconds" in film.notes[0]
    # Damage in the middle costs what is damaged only.
    middle = len(whole) // 2
    path.write_bytes(whole[:middle] + bytes(3000) + whole[middle + 3000 :])
    film = Film(path)
    assert times(film, 5)[-1] == pytest.approx(3.8, abs=0.2)
    assert "damaged" in film.notes[0]
    # Also in a film that is left before its end: at a time, or by whoever reads it.
    left, stopped = Film(path), Film(path)
    assert [frame.time for frame in left.samples(5, until=3.4)][-1] < 3.5
    for frame in stopped.samples(5):
        if frame.time > 3:
            break
    assert left.notes == stopped.notes == film.notes


def test_what_is_no_film_is_refused_in_words_and_no_other_file_or_host_is_opened(tmp_path, upright):
    real = write_film(tmp_path / "real.mp4", [(i / 25, upright) for i in range(5)])
    picture, buffer = tmp_path / "picture.mp4", io.BytesIO()
    Image.fromarray(upright).save(buffer, "PNG")
    picture.write_bytes(buffer.getvalue())
    contents = {
        "empty.mp4": b"", "text.mp4": b"not a film", "cut.mp4": real.read_bytes()[:3000],
        "list.mp4": b"ffconcat version 1.0\nfile real.mp4\n",
        "playlist.mp4": b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n",
        "local.m3u8": b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nreal.mp4\n#EXT-X-ENDLIST\n",
    }  # fmt: skip
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    for name in (*contents, "picture.mp4"):
        with pytest.raises(FilmError, match=f"{name} is no film that can be read"):
            Film(tmp_path / name)
    with av.open(str(tmp_path / "sound.mp4"), "w") as container:
        stream = container.add_stream("aac", rate=8000)
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        sound.sample_rate = 8000
        container.mux(stream.encode(sound))
        container.mux(stream.encode())
    with pytest.raises(FilmError, match="no moving picture"):
        Film(tmp_path / "sound.mp4")
    with pytest.raises(FilmError, match="does not exist"):
        Film(tmp_path / "missing.mp4")
    with pytest.raises(FilmError, match="does not exist"):
        Film(tmp_path)
    assert not is_film_file(tmp_path / "._film.mp4")
    assert not is_film_file(tmp_path / "photo.jpg")
