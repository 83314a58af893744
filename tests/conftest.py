from __future__ import annotations

import os
import socket
import tempfile

with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    HUB_PORT = free.getsockname()[1]
# The Hub's client reads these when it is imported: no test can reach, or write to, a real Hub or cache.
os.environ["HF_ENDPOINT"] = f"http://127.0.0.1:{HUB_PORT}"
os.environ["HF_HOME"] = tempfile.mkdtemp(prefix="dan-tests-")
os.environ["HF_HUB_DISABLE_XET"] = "1"
os.environ.pop("HF_TOKEN", None)
# OpenMP reads these when torch is imported. Idle threads must not spin, and several test processes share the cores.
WORKERS = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
os.environ["OMP_NUM_THREADS"] = str(max(1, (os.cpu_count() or 1) // WORKERS))
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import gradio as gr
import numpy as np
import pytest
import torch
from hypothesis import settings
from PIL import Image

from dan_model.config import PreprocessConfig
from dan_model.explain import Explainer
from dan_model.explain.faithfulness import controls, curves, metrics
from dan_model.explain.reference import Reference
from dan_model.explain.regions import Regions, draw_regions
from dan_model.faces import FaceDetector, to_input, to_tensor
from dan_model.learn.batches import Pixels
from dan_model.learn.face_set import FaceSet
from dan_model.learn.reference_statistics import measure_reference
from dan_model.network import DAN, Stages
from dan_model.weights import Checkpoint, load_checkpoint, write_checkpoint
from tests.fixtures import queues
from tests.fixtures.drawn_faces import MOUTHS, draw_face
from tests.fixtures.examples import EXAMPLES
from tests.fixtures.landmarks import FACE
from tests.fixtures.models import embedded_at, random_dan

settings.register_profile("steady", deadline=None, max_examples=40, derandomize=True)
settings.load_profile("steady")


@pytest.fixture(scope="session")
def detector() -> FaceDetector:
    return FaceDetector()


@pytest.fixture(scope="session")
def embedded() -> Checkpoint:
    """The embedded weights; no test may change them."""
    return load_checkpoint()


@pytest.fixture(scope="session")
def explainer(embedded, detector) -> Explainer:
    """On the embedded weights."""
    return Explainer.from_checkpoint(embedded, torch.device("cpu"), detector)


@pytest.fixture(scope="session")
def small_explainer(detector) -> Explainer:
    """On the embedded weights, with faces of 112 pixels: for properties that hold for any input size."""
    return Explainer.from_checkpoint(embedded_at(112), torch.device("cpu"), detector)


@pytest.fixture(scope="session")
def small_weights(tmp_path_factory) -> Path:
    """The checkpoint folder of `small_explainer`, for commands; no test may change it."""
    return saved(112, tmp_path_factory)


@pytest.fixture(scope="session")
def tiny_weights(tmp_path_factory) -> Path:
    """The same with faces of 56 pixels."""
    return saved(56, tmp_path_factory)


def saved(side: int, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint folder with the embedded weights for faces of so many pixels a side."""
    folder = tmp_path_factory.mktemp("weights") / "small"
    folder.mkdir()
    write_checkpoint(embedded_at(side).model, folder)
    return folder


@pytest.fixture(scope="session")
def astronaut() -> np.ndarray:
    return np.array(Image.open(EXAMPLES / "astronaut.jpg"))


@pytest.fixture(scope="session")
def stages(explainer, astronaut) -> Stages:
    """Of the astronaut's face, on the embedded weights."""
    preprocess = explainer.model.config.preprocess
    crop = explainer.crop(astronaut, explainer.faces(astronaut)[0])
    with torch.no_grad():
        return explainer.model.stages(to_tensor(crop.pixels, preprocess))


@pytest.fixture(scope="session")
def twelve_faces(tmp_path_factory) -> Pixels:
    """Drawn faces of three classes, four of each."""
    folder, generator = tmp_path_factory.mktemp("faces"), np.random.default_rng(0)
    paths, classes = [], []
    for n in range(12):
        paths.append(folder / f"{n}.png")
        draw_face(list(MOUTHS)[n % 3], generator).save(paths[-1])
        classes.append(n % 3)
    targets = torch.nn.functional.one_hot(torch.tensor(classes), 3).float()
    faces = FaceSet("drawn", ("class 0", "class 1", "class 2"), tuple(paths), targets)
    return Pixels(faces, PreprocessConfig(detail_size=48, grayscale=True))


@pytest.fixture(scope="session")
def three_class_model(twelve_faces) -> DAN:
    """Random weights for `twelve_faces`."""
    random = random_dan(classes=3)
    object.__setattr__(random.config, "preprocess", twelve_faces.config)
    return random


@pytest.fixture(scope="session")
def reference(three_class_model, twelve_faces) -> Reference:
    """Measured for `three_class_model` on `twelve_faces`."""
    return measure_reference(three_class_model, twelve_faces, Regions(draw_regions(FACE)))


@pytest.fixture(scope="session")
def stages_one_by_one(three_class_model, twelve_faces) -> list[Stages]:
    """The stages of each of `twelve_faces`, in a plain loop."""
    with torch.no_grad():
        return [
            three_class_model.stages(to_input(twelve_faces[i][0][None], twelve_faces.config))
            for i in range(len(twelve_faces))
        ]


@pytest.fixture
def few_controls(monkeypatch):
    """One random map instead of ten, eight removals instead of 64, where these are not what is tested."""
    monkeypatch.setattr(controls, "RANDOM_MAPS", 1)
    monkeypatch.setattr(metrics, "REMOVALS", 8)


@pytest.fixture
def short_curves(monkeypatch):
    """Four steps of each curve instead of fourteen, where their number is not what is tested."""
    monkeypatch.setattr(curves, "STEPS", 4)


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Computes in this process as the processes of `ONE_THREAD` do."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def blocks(small_explainer) -> Iterator[gr.Blocks]:
    """The page as app.py launches it, on a free port of this machine."""
    from dan_model.ui.page import build
    from dan_model.ui.theme import launch_settings, queue_settings
    from dan_model.ui.weights_cache import LoadedWeights, WeightsCache

    gr.set_static_paths([EXAMPLES])
    weights_cache = WeightsCache(LoadedWeights(load_checkpoint(), small_explainer), paths_allowed=True)
    page = build(weights_cache, EXAMPLES)
    page.queue(**queue_settings()).launch(prevent_thread_lock=True, quiet=True, **launch_settings())
    yield page
    page.close()


@pytest.fixture
def wait_until_idle(blocks) -> Callable[..., None]:
    """`wait_until_idle` of `fixtures/queues.py`, for the page of the tests."""
    return partial(queues.wait_until_idle, blocks)


@pytest.fixture(scope="session")
def server(blocks) -> str:
    """The address of the page."""
    return blocks.local_url.rstrip("/")
