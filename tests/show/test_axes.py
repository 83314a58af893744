"""Widths of texts are those that matplotlib draws, and cost no thread a font; legends take the columns that fit."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from matplotlib.textpath import TextPath

from dan_model.show.axes import LEGEND_SIZE, fitting_columns, text_inches

OPEN_FILES = Path("/proc/self/fd")


@pytest.mark.parametrize("text", ["40 % on nose; highest cell 50 %", "−0.3", "Rindfleischetikettierung", "WAVE, To"])
def test_the_width_of_a_text_is_that_of_its_outlines(text):
    drawn = TextPath((0, 0), text, size=8).get_extents().width / 72
    assert drawn <= text_inches(text, 8) <= drawn + 0.04  # its last letter's margin
    assert text_inches(text, 16) == pytest.approx(2 * text_inches(text, 8))
    assert text_inches("  ", 8) == 0


@pytest.mark.skipif(not OPEN_FILES.is_dir(), reason="open files are counted on Linux")
def test_threads_that_measure_open_no_files():
    text_inches("once", 8)
    before = len(list(OPEN_FILES.iterdir()))
    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(lambda n: text_inches("as wide", 8), range(64)))) == 1
    assert len(list(OPEN_FILES.iterdir())) == before


def test_a_legend_has_the_columns_that_fit_and_no_more_than_its_lines_need():
    names = ["one name"] * 4
    entry = text_inches("one name", LEGEND_SIZE) + 3 * LEGEND_SIZE / 72
    assert fitting_columns(names, 4 * entry + 0.01, 5) == 4
    assert fitting_columns(names, 4 * entry - 0.01, 5) == 2  # three would need two lines as well
    assert fitting_columns(names, 1.5 * entry, 5) == 1
    assert fitting_columns(names, 9 * entry, 3) == 2
