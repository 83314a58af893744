"""Figures are drawn in one thread: matplotlib keeps open files and memory for each thread that draws."""

from __future__ import annotations

import multiprocessing
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from dan_model.show.axes import new_figure, png
from dan_model.show.drawing_thread import draw_in_turn
from dan_model.show.svg import inline_svg

AT_ONCE = 4
OPEN_FILES = Path("/proc/self/fd")


def draw(together: threading.Barrier) -> bytes:
    figure, axes = new_figure(1.5)
    axes.set_title("some text")
    together.wait()  # each in a thread of its own
    assert "some text" in inline_svg(figure, "a title")
    return png(figure)


@pytest.mark.skipif(not OPEN_FILES.is_dir(), reason="open files are counted on Linux")
def test_several_threads_draw_the_same_and_open_the_fonts_of_one():
    one = draw(threading.Barrier(1))
    before = len(list(OPEN_FILES.iterdir()))
    together = threading.Barrier(AT_ONCE)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        drawn = list(pool.map(lambda _: draw(together), range(AT_ONCE)))
        assert len(list(OPEN_FILES.iterdir())) == before
    assert drawn == [one] * AT_ONCE


def test_what_fails_is_raised_where_it_was_asked_for():
    with pytest.raises(ZeroDivisionError):
        draw_in_turn(lambda: 1 / 0)
    assert draw_in_turn(lambda: 2) == 2


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="processes are not forked here")
def test_a_forked_process_draws_in_a_thread_of_its_own():
    draw_in_turn(lambda: None)  # the parent's thread runs
    child = multiprocessing.get_context("fork").Process(target=draw_in_turn, args=(lambda: None,))
    child.start()
    child.join(30)
    hangs = child.is_alive()
    child.kill()
    assert not hangs
    assert child.exitcode == 0
