from __future__ import annotations

from pathlib import Path

import pytest

from tests.fixtures.drawn_faces import write_faces, write_grey_image

VOTED = {  # neutral, happiness, surprise, sadness, anger, disgust, fear, contempt, unknown, not a face
    "a.png": [8, 1, 1, 0, 0, 0, 0, 0, 0, 0],  # the single votes count as mistakes: all of what is left is neutral
    "b.png": [4, 4, 2, 0, 0, 0, 0, 0, 0, 0],  # no class has more than half
    "c.png": [0, 0, 0, 0, 2, 0, 3, 0, 5, 0],  # half unknown: votes keep it, the majority does not
    "d.png": [0, 0, 0, 2, 0, 0, 0, 0, 0, 8],  # not a face
    "e.png": [0, 0, 0, 3, 0, 0, 7, 0, 0, 0],
}


@pytest.fixture
def ferplus(tmp_path) -> Path:
    for folder in ("FER2013Train", "FER2013Valid"):
        rows = []
        for name, votes in VOTED.items():
            write_grey_image(tmp_path / folder / name)
            rows.append(f'{name},"(0, 0, 48, 48)",{",".join(map(str, votes))}')
        (tmp_path / folder / "label.csv").write_text("\n".join(rows) + "\n")
    return tmp_path


@pytest.fixture(scope="module")
def drawn(tmp_path_factory) -> Path:
    return write_faces(tmp_path_factory.mktemp("drawn"), train=64, valid=24)
