"""The entry of the Hugging Face Space and of `make demo`: load the weights, build the page and serve it.

Settings, all from the environment: DAN_WEIGHTS and DAN_PRESET as `load_checkpoint` takes them (default: embedded);
Gradio's own GRADIO_SERVER_NAME and GRADIO_SERVER_PORT say where; DAN_OPEN_BROWSER=1 opens the page.
"""

from __future__ import annotations

import os
from pathlib import Path

import gradio as gr

from dan_model.checkpoints import load_or_embedded
from dan_model.explain.explainer import Explainer
from dan_model.ui.page import build
from dan_model.ui.theme import launch_settings

EXAMPLES = Path(__file__).parent / "examples"


def main() -> None:
    """Build and launch."""
    gr.set_static_paths([EXAMPLES])
    checkpoint = load_or_embedded(os.environ.get("DAN_WEIGHTS"), os.environ.get("DAN_PRESET") or None)
    page = build(Explainer(checkpoint.model), checkpoint, EXAMPLES)
    page.queue(max_size=64).launch(inbrowser=os.environ.get("DAN_OPEN_BROWSER") == "1", **launch_settings())


if __name__ == "__main__":
    main()
