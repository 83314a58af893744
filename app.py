"""The entry of the Hugging Face Space and of `make demo`: load the weights, build the page and serve it.

Settings, all from the environment: DAN_WEIGHTS and DAN_PRESET as `load_checkpoint` takes them (default: embedded);
DAN_DEVICE is auto, cpu, cuda or mps;
Gradio's own GRADIO_SERVER_NAME and GRADIO_SERVER_PORT say where; DAN_OPEN_BROWSER=1 opens the page.
"""

from __future__ import annotations

import os
from pathlib import Path

import gradio as gr
import spaces  # before torch touches an accelerator

from dan_model.checkpoints import load_or_embedded
from dan_model.devices import choose_device
from dan_model.explain.explainer import Explainer
from dan_model.faces import FaceDetector
from dan_model.ui.page import build
from dan_model.ui.shelf import Loaded, Shelf
from dan_model.ui.theme import launch_settings

GPU_SECONDS = 60  # one face with all methods takes a few on any GPU; the rest is for a slow start
EXAMPLES = Path(__file__).parent / "examples"


def main() -> None:
    """Build and launch."""
    gr.set_static_paths([EXAMPLES])
    checkpoint = load_or_embedded(os.environ.get("DAN_WEIGHTS"), os.environ.get("DAN_PRESET") or None)
    explainer = Explainer.of(
        checkpoint, choose_device(os.environ.get("DAN_DEVICE", "auto")), FaceDetector(), cache_bytes=0
    )
    shelf = Shelf(Loaded(checkpoint, explainer), paths_allowed="SPACE_ID" not in os.environ)
    page = build(shelf, EXAMPLES, spaces.GPU(duration=GPU_SECONDS) if spaces.config.Config.zero_gpu else None)
    page.queue(max_size=64).launch(inbrowser=os.environ.get("DAN_OPEN_BROWSER") == "1", **launch_settings())


if __name__ == "__main__":
    main()
