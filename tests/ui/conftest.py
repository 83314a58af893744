from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest

from dan_model.explain import Explainer
from dan_model.ui import page
from dan_model.ui.explain_request import ExplainRequest, explain
from dan_model.ui.photo_input import load_photo
from dan_model.ui.results import Results
from dan_model.ui.state import SMOOTH, PageState, UploadedPhoto
from dan_model.ui.weights_cache import LoadedWeights, WeightsCache
from tests.fixtures.examples import EXAMPLES


def request_values(*methods: str) -> tuple:
    """What the controls of the page hold for the first face."""
    wanted = ExplainRequest("1")
    return (wanted.face, wanted.target, wanted.against, wanted.contribution, *settings(*methods))


def settings(*methods: str) -> tuple:
    """What the controls hold for every face."""
    wanted = ExplainRequest("1")
    return (list(methods), [], [], list(wanted.baselines), wanted.finer, wanted.base_rates, SMOOTH, True)


@dataclass(frozen=True)
class BuiltPage:
    """A page without a server: its handlers by name, and the names of its parts, in the order of the results."""

    blocks: gr.Blocks
    handlers: dict[str, Callable[..., Any]]
    names: tuple[str, ...]
    visitor: SimpleNamespace

    def upload(self, name: str | None, *methods: str):
        """Upload an example as a photo of one's own, or remove the photo. The values of every step, by name."""
        path = None if name is None else str(EXAMPLES / name)
        yield from self._named(self.handlers["on_photo"](self.visitor, path, *settings(*methods)))

    def choose_example(self, index: int, *methods: str, value: object = None):
        """The values of every step, by name."""
        event = SimpleNamespace(index=index, value=value)
        yield from self._named(self.handlers["on_example"](event, self.visitor, *settings(*methods)))

    def explain(self, *methods: str):
        """The values of every step, by name."""
        yield from self._named(self.handlers["on_explain"](self.visitor, *request_values(*methods)))

    def draw(self, component: str):
        """What a tab shows when it comes into view, by the id of its component."""
        drawn = {
            target.elem_id: block.fn
            for block in self.blocks.fns.values()
            if block.name == "on_view"
            for target in block.outputs
        }
        return drawn[component](self.visitor)

    def _named(self, steps):
        """By the name of the part; of the photo and the request, which come before the results, only the face."""
        for values in steps:
            parts = dict(zip(self.names, values[-len(self.names) :], strict=True))
            before = values[: -len(self.names)]
            face = next((value for value in before if isinstance(value, gr.Radio)), None)
            yield parts if face is None else {**parts, "face": face}


@pytest.fixture
def build_page(explainer, embedded, monkeypatch) -> Callable[..., BuiltPage]:
    """Builds the page and notes what its handlers return values for."""

    def make(gpu: Callable[[Any], Any] | None = None, examples: Path | None = None) -> BuiltPage:
        made: list[Results] = []
        monkeypatch.setattr(page, "Results", lambda *args: made.append(Results(*args)) or made[-1])
        weights = WeightsCache(LoadedWeights(embedded, explainer), paths_allowed=False)
        built = page.build(weights, examples, gpu)
        handlers = {block.name: block.fn for block in built.fns.values()}
        return BuiltPage(built, handlers, made[0].names, SimpleNamespace(session_hash="visitor"))

    return make


@pytest.fixture
def photo(explainer) -> Callable[[str], UploadedPhoto]:
    return lambda name: load_photo(explainer, str(EXAMPLES / name))


@pytest.fixture
def first_state(explainer, photo) -> Callable[..., PageState]:
    """The first results for a face of an example, without attributions."""

    def state(name: str, face: str = "1", target: str | None = None) -> PageState:
        wanted = ExplainRequest(face) if target is None else ExplainRequest(face, target)
        return next(explain(stream(explainer), photo(name), wanted))

    return state


def stream(explainer: Explainer):
    """As the page streams from an explainer, without attended versus used."""

    def run(crop, texts, explained):
        return explainer.stream_crop(crop, attributions=texts, **explained)

    return run
