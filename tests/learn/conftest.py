from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from torch import nn

from dan_model.network import CHANNELS
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


def two_layers() -> nn.Sequential:
    """In place of ResNet-18: as many channels and cells, a fortieth of the weights."""
    return nn.Sequential(
        nn.Conv2d(3, 32, 8, stride=8), nn.BatchNorm2d(32), nn.ReLU(),
        nn.Conv2d(32, CHANNELS, 4, stride=4, padding=1), nn.BatchNorm2d(CHANNELS), nn.ReLU(),
    )  # fmt: skip


@contextmanager
def light_networks() -> Iterator[None]:
    """Networks that are made inside have a backbone of two layers."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("dan_model.network.resnet18_features", two_layers)
        yield


@pytest.fixture
def light_network() -> Iterator[None]:
    """For what does not depend on the backbone."""
    with light_networks():
        yield
