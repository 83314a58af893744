"""The HTTP API: /predict and /explain, by name, for Gradio clients and plain HTTP."""

from __future__ import annotations

import io
from typing import Any

import gradio as gr
from PIL import Image

from dan_model.errors import ImageError
from dan_model.explain.attributions import METHODS
from dan_model.explain.explainer import Explainer
from dan_model.show.report import numbers, panel_png
from dan_model.ui.photo import photo_input, shown_as_error


def add_endpoints(explainer: Explainer) -> None:
    """Add both endpoints to the Blocks that are being built. They share no state with the page."""

    @shown_as_error
    def predict(image: str | None) -> dict[str, Any]:
        """Label and probabilities of the largest face in an image."""
        told = numbers(explainer.explain(_given(image)))
        return {**told["prediction"], "face": told["face"]}

    @shown_as_error
    def explain(image: str | None, target: str | None, methods: list[str] | None) -> tuple[dict[str, Any], Image.Image]:
        """All numbers of the largest face's explanation, and the panel as a picture.

        Without a target the predicted class is explained.
        """
        explanation = explainer.explain(_given(image), target or None, methods or ())
        return numbers(explanation), Image.open(io.BytesIO(panel_png(explanation)))

    with gr.Row(visible=False):
        image = photo_input(label="image")
        target = gr.Dropdown(list(explainer.labels), value=None, allow_custom_value=True, label="target")
        methods = gr.CheckboxGroup(list(METHODS), label="methods")
        told, figure = gr.JSON(label="numbers"), gr.Image(label="panel", format="png")
        gr.Button().click(predict, image, told, api_name="predict", concurrency_id="network")
        gr.Button().click(
            explain, [image, target, methods], [told, figure], api_name="explain", concurrency_id="network"
        )


def _given(image: str | None) -> str:
    if image is None:
        raise ImageError("No image was given.", "Send one as `image`.")
    return image
