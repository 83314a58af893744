"""The HTTP API: /predict and /explain, by name, for Gradio clients and plain HTTP."""

from __future__ import annotations

import io
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.context import LocalContext
from PIL import Image

from dan_model.errors import ArgumentError, ImageError
from dan_model.explain import Explainer
from dan_model.explain.attributions import METHODS, parse_requests
from dan_model.explain.explanation import Explanation
from dan_model.explain.regions import SIDE
from dan_model.explain.score import SCORES
from dan_model.network import PRIORS, TRAINING_PRIOR
from dan_model.show.report import numbers, panel_png
from dan_model.ui.photo_input import photo_input, shown_as_error

CALLS_AT_ONCE = 2
MAX_METHODS = 24  # in one call
MAX_PASSES = 1000  # images of 224 pixels through the network in one call: about a minute on two cores


def add_endpoints(explainer: Explainer, examples: Path | None) -> None:
    """Add both endpoints to the page that is being built. They share no state and no queue with it."""
    side = explainer.model.config.preprocess.image_size

    # What the endpoints do.
    @shown_as_error
    def predict(image: str | None) -> dict[str, Any]:
        """Label and probabilities of the largest face in an image."""
        found = numbers(explainer.explain(_required(image)))
        return {**found["prediction"], "face": found["face"]}

    @shown_as_error
    def explain(
        image: str | None,
        target: str | None = None,
        methods: Any = None,
        against: str | None = None,
        head: Any = None,
        score: str | None = None,
        prior: str | None = None,
    ) -> tuple[dict[str, Any], Image.Image]:
        """All numbers of the largest face's explanation, and the panel as a picture.

        Without a target the predicted class is explained; with `against`, the target rather than that class; with
        `head`, from 1, only the contribution of that head. Score: log-probability (default), contrast or logit. Prior:
        training (default) or uniform.
        """
        names = methods or []
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise ArgumentError(f"methods must be a list of names, got {names!r}.", f"Names: {', '.join(METHODS)}.")
        if len(names) > MAX_METHODS:
            raise ArgumentError(f"{len(names)} methods were requested.", f"Ask for {MAX_METHODS} at most in one call.")
        passes = sum(one.passes_at(side) for one in parse_requests(names)) * side**2 // SIDE**2
        if passes > MAX_PASSES:
            raise ArgumentError(
                f"These methods would send up to {passes:,} images through the network.",
                f"At most {MAX_PASSES:,} in one call: ask for fewer methods, samples or steps.",
            )
        explanation = _last(
            explainer.stream(
                _required(image), target or None, names, against=against or None, head=_head_index(head),
                score=score or None, prior=prior or TRAINING_PRIOR, should_continue=_caller_waits(),
            )
        )  # fmt: skip
        return numbers(explanation), Image.open(io.BytesIO(panel_png(explanation)))

    # Their arguments and results, as hidden components.
    with gr.Row(visible=False):
        image = photo_input(examples, label="image")
        target = gr.Textbox("", label="target: a class name, or empty for the predicted class")
        methods = _json(
            [], f"methods: a list of {', '.join(METHODS)}; also METHOD@BASELINE:NAME=VALUE,…",
            {"type": "array", "items": {"type": "string"}},
        )  # fmt: skip
        against = gr.Textbox("", label="against: explain the target rather than this class; empty: no other class")
        head = _json(
            None, "head: a number from 1: explain the contribution of this head; null: all",
            {"anyOf": [{"type": "integer"}, {"type": "null"}]},
        )  # fmt: skip
        score = gr.Textbox(
            "", label=f"score: {', '.join(SCORES)}; empty: contrast with `against`, else log-probability"
        )
        prior = gr.Textbox("", label=f"prior: {', '.join(PRIORS)}; empty: {TRAINING_PRIOR}")
        found, figure = gr.JSON(label="numbers"), gr.Image(label="panel", format="png")
        queued: dict[str, Any] = {
            "concurrency_limit": CALLS_AT_ONCE
        }  # of each: slow calls of one hold up none of the other
        gr.Button().click(predict, image, found, api_name="predict", **queued)
        gr.Button().click(
            explain,
            [image, target, methods, against, head, score, prior],
            [found, figure],
            api_name="explain",
            **queued,
        )


def _json(value: Any, label: str, schema: dict[str, Any]) -> gr.JSON:
    """An argument of a kind that callers, and tools of MCP, learn from its JSON schema; Gradio's own names none."""
    component = gr.JSON(value, label=label)
    component.api_info = lambda: schema  # type: ignore[method-assign]
    return component


def _required(image: str | None) -> str:
    if image is None:
        raise ImageError("No image was given.", "Send one as `image`.")
    return image


def _head_index(head: object) -> int | None:
    """A head counted from 1 as an index; None for all heads."""
    if head is None:
        return None
    if isinstance(head, bool) or not isinstance(head, (int, float)) or not float(head).is_integer():
        raise ArgumentError(f"head must be a whole number from 1, got {head!r}.", "Leave it out for all heads.")
    return int(head) - 1


def _last(parts: Iterator[Explanation]) -> Explanation:
    return deque(parts, maxlen=1).pop()


def _caller_waits() -> Callable[[], bool]:
    """Whether the caller of the running event still waits for its result: Gradio notes who has left in its queue."""
    blocks, event = LocalContext.blocks.get(None), LocalContext.event_id.get(None)

    def waits() -> bool:
        jobs = [] if blocks is None else [job for group in blocks._queue.active_jobs for job in group or []]
        return all(job.alive for job in jobs if job._id == event)

    return waits
