"""The HTTP API: /predict and /explain, by name, for Gradio clients and plain HTTP."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import gradio as gr
from PIL import Image

from dan_model.errors import ArgumentError, ImageError
from dan_model.explain import Explainer
from dan_model.explain.attributions import METHODS
from dan_model.explain.score import SCORES
from dan_model.network import PRIORS, TRAINING_PRIOR
from dan_model.show.report import numbers, panel_png
from dan_model.ui.photo_input import photo_input, shown_as_error

CALLS_AT_ONCE = 2
MAX_METHODS = 24  # in one call


def add_endpoints(explainer: Explainer, examples: Path | None) -> None:
    """Add both endpoints to the page that is being built. They share no state and no queue with it."""

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
        head: float | None = None,
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
        head_index = None if head is None else int(head) - 1
        explanation = explainer.explain(
            _required(image), target or None, names, against=against or None, head=head_index,
            score=score or None, prior=prior or TRAINING_PRIOR,
        )  # fmt: skip
        return numbers(explanation), Image.open(io.BytesIO(panel_png(explanation)))

    # Their arguments and results, as hidden components.
    with gr.Row(visible=False):
        image = photo_input(examples, label="image")
        target = gr.Textbox("", label="target: a class name, or empty for the predicted class")
        methods = gr.JSON([], label=f"methods: a list of {', '.join(METHODS)}; also METHOD@BASELINE:NAME=VALUE,…")
        against = gr.Textbox("", label="against: explain the target rather than this class; empty: no other class")
        head = gr.Number(None, precision=0, label="head: explain the contribution of this head, from 1; empty: all")
        score = gr.Textbox(
            "", label=f"score: {', '.join(SCORES)}; empty: contrast with `against`, else log-probability"
        )
        prior = gr.Textbox("", label=f"prior: {', '.join(PRIORS)}; empty: {TRAINING_PRIOR}")
        found, figure = gr.JSON(label="numbers"), gr.Image(label="panel", format="png")
        queued: dict[str, Any] = {"concurrency_id": "api", "concurrency_limit": CALLS_AT_ONCE}
        gr.Button().click(predict, image, found, api_name="predict", **queued)
        gr.Button().click(
            explain,
            [image, target, methods, against, head, score, prior],
            [found, figure],
            api_name="explain",
            **queued,
        )


def _required(image: str | None) -> str:
    if image is None:
        raise ImageError("No image was given.", "Send one as `image`.")
    return image
