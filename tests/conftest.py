from __future__ import annotations

import os
import socket
import sys
import tempfile

with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    HUB_PORT = free.getsockname()[1]
# The Hub's client reads these when it is imported: no test can reach, or write to, a real Hub or cache.
os.environ["HF_ENDPOINT"] = f"http://127.0.0.1:{HUB_PORT}"
os.environ["HF_HOME"] = tempfile.mkdtemp(prefix="dan-tests-")
os.environ["HF_HUB_DISABLE_XET"] = "1"
os.environ.pop("HF_TOKEN", None)
# OpenMP's idle threads spin: several test processes must share the cores, not each take all.
WORKERS = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
os.environ["OMP_NUM_THREADS"] = str(max(1, (os.cpu_count() or 1) // WORKERS))

from collections.abc import Iterator
from pathlib import Path

import gradio as gr
import numpy as np
import pytest
import torch
from hypothesis import settings
from hypothesis import strategies as st
from PIL import Image

from dan_model.checkpoints import load_checkpoint
from dan_model.explain import faithfulness
from dan_model.explain.explainer import Explainer
from dan_model.explain.fusion import Classifier
from dan_model.faces import FaceDetector
from dan_model.network import DAN, Stages
from dan_model.preprocess import to_tensor
from dan_model.ui.page import build
from dan_model.ui.shelf import Loaded, Shelf
from dan_model.ui.theme import launch_settings

EXAMPLES = Path(__file__).parent.parent / "examples"
ONE_THREAD = {**os.environ, "OMP_NUM_THREADS": "1"}  # the environment of processes that share the cores
TWO_PROCESSES = [
    sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", "-m", "dan_model",
]  # fmt: skip

settings.register_profile("steady", deadline=None, max_examples=40, derandomize=True)
settings.load_profile("steady")


@pytest.fixture(scope="session")
def detector() -> FaceDetector:
    return FaceDetector()


@pytest.fixture(scope="session")
def explainer(detector) -> Explainer:
    """On the embedded weights."""
    return Explainer.of(load_checkpoint(), torch.device("cpu"), detector)


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


@pytest.fixture
def few_controls(monkeypatch):
    """One random map instead of ten, where the controls are not what is tested."""
    monkeypatch.setattr(faithfulness, "RANDOM_MAPS", 1)


@st.composite
def some_embeddings(draw) -> torch.Tensor:
    """v (H, 40) float64, >= 0, from nearly equal heads to saturated ones, some channels silent in some heads."""
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    v = torch.rand(draw(st.integers(2, 6)), 40, generator=generator, dtype=torch.float64)
    silent = torch.rand(v.shape, generator=generator) < draw(st.sampled_from([0.0, 0.3]))
    return torch.where(silent, 0.0, v * 10 ** draw(st.floats(-3, 3.5)))


def some_classifier(classes: int = 5, channels: int = 40, seed: int = 0) -> Classifier:
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randn(classes, channels, generator=generator, dtype=torch.float64) / channels**0.5
    return Classifier(weight, torch.randn(classes, generator=generator, dtype=torch.float64))


def random_dan(classes: int = 7, heads: int = 4, seed: int = 0) -> DAN:
    """DAN with random parameters and running statistics, in eval mode, so that no BatchNorm is a no-op."""
    generator = torch.Generator().manual_seed(seed)
    model = DAN([f"class {k}" for k in range(classes)], heads).eval()
    for module in model.modules():
        if isinstance(module, (torch.nn.BatchNorm1d, torch.nn.BatchNorm2d)):
            for tensor, low, high in (
                (module.weight, 0.5, 1.5),
                (module.bias, -0.3, 0.3),
                (module.running_mean, -0.3, 0.3),
                (module.running_var, 0.5, 1.5),
            ):
                tensor.data.uniform_(low, high, generator=generator)
    model.fc.bias.data.uniform_(-1, 1, generator=generator)
    for name, parameter in model.named_parameters():
        if parameter.ndim > 1:
            gain = 0.06 if ".sa." in name or ".ca." in name else 0.6  # keeps gates and shares from saturating
            parameter.data.normal_(0, gain * (2 / parameter[0].numel()) ** 0.5, generator=generator)
    return model


@pytest.fixture(scope="session")
def server(explainer) -> Iterator[str]:
    """The page as app.py launches it, on a free port of this machine; its address."""
    gr.set_static_paths([EXAMPLES])
    shelf = Shelf(Loaded(load_checkpoint(), explainer), paths_allowed=True)
    page = build(shelf, EXAMPLES)
    page.queue(max_size=64).launch(prevent_thread_lock=True, quiet=True, **launch_settings())
    yield page.local_url.rstrip("/")
    page.close()
