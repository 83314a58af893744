"""The HTTP API: /predict and /explain, by name, for Gradio clients and plain HTTP."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import gradio as gr
from PIL import Image

from dan_model.errors import ArgumentError, ImageError
from dan_model.explain.attributions import METHODS
from dan_model.explain.explainer import Explainer
from dan_model.show.report import numbers, panel_png
from dan_model.ui.photo import photo_input, shown_as_error

CALLS_AT_ONCE = 2
MOST_METHODS = 24  # of one call


def add_endpoints(explainer: Explainer, examples: Path | None) -> None:
    """Add both endpoints to the Blocks that are being built. They share no state and no queue with the page."""

    @shown_as_error
    def predict(image: str | None) -> dict[str, Any]:
        """Label and probabilities of the largest face in an image."""
        told = numbers(explainer.explain(_given(image)))
        return {**told["prediction"], "face": told["face"]}

    @shown_as_error
    def explain(
        image: str | None,
        target: str | None = None,
        methods: Any = None,
        against: str | None = None,
        head: float | None = None,
    ) -> tuple[dict[str, Any], Image.Image]:
        """All numbers of the largest face's explanation, and the panel as a picture.

        Without a target the predicted class is explained; with `against`, the target rather than that class; with
        `head`, from 1 on, that head's ledger entry alone.
        """
        names = methods or []
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise ArgumentError(f"methods must be a list of names, got {names!r}.", f"Names: {', '.join(METHODS)}.")
        if len(names) > MOST_METHODS:
            raise ArgumentError(f"{len(names)} methods were asked for.", f"Ask for {MOST_METHODS} at most in one call.")
        own = None if head is None else int(head) - 1
        explanation = explainer.explain(_given(image), target or None, names, against=against or None, head=own)
        return numbers(explanation), Image.open(io.BytesIO(panel_png(explanation)))

    with gr.Row(visible=False):
        image = photo_input(examples, label="image")
        target = gr.Textbox("", label="target: a class name, or empty for the predicted class")
        methods = gr.JSON([], label=f"methods: a list of {', '.join(METHODS)}; also METHOD@BASELINE:NAME=VALUE,…")
        against = gr.Textbox("", label="against: explain the target rather than this class; empty: nothing")
        head = gr.Number(None, precision=0, label="head: explain this head's ledger entry, from 1 on; empty: all")
        told, figure = gr.JSON(label="numbers"), gr.Image(label="panel", format="png")
        queued: dict[str, Any] = {"concurrency_id": "api", "concurrency_limit": CALLS_AT_ONCE}
        gr.Button().click(predict, image, told, api_name="predict", **queued)
        gr.Button().click(
            explain, [image, target, methods, against, head], [told, figure], api_name="explain", **queued
        )


def _given(image: str | None) -> str:
    if image is None:
        raise ImageError("No image was given.", "Send one as `image`.")
    return image
