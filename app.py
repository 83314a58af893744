"""The entry of the Hugging Face Space and of `make demo`: load the weights, build the page and launch it.

Settings come from the environment: DAN_WEIGHTS and DAN_PRESET as `load_checkpoint` takes them (default: embedded);
DAN_DEVICE is auto, cpu, cuda or mps; DAN_OPEN_BROWSER=1 opens the page. Gradio's own GRADIO_SERVER_NAME and
GRADIO_SERVER_PORT set the address.
"""

from __future__ import annotations

import os
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # read when torch is imported: idle threads leave the cores free
os.environ.setdefault("GRADIO_ANALYTICS_MAX_EVENTS", "100")  # Gradio makes a table of so many events after each one

import gradio as gr
import spaces  # before torch uses an accelerator

from dan_model.devices import choose_device
from dan_model.faces import FaceDetector
from dan_model.ui.page import build
from dan_model.ui.process_memory import bound_memory
from dan_model.ui.temporary import own_folder
from dan_model.ui.theme import KEEP_FILES, launch_settings, queue_settings
from dan_model.ui.weights_cache import LoadedWeights, WeightsCache
from dan_model.weights import load_or_embedded

GPU_SECONDS = 60  # one face with all methods takes a few on any GPU; the rest is for a slow start
EXAMPLES = Path(__file__).parent / "examples"


def main() -> None:
    """Build and launch the page."""
    check_seconds, keep_seconds = KEEP_FILES
    bound_memory(check_seconds)
    own_folder(keep_seconds, check_seconds)
    gr.set_static_paths([EXAMPLES])
    checkpoint = load_or_embedded(os.environ.get("DAN_WEIGHTS"), os.environ.get("DAN_PRESET") or None)
    lent = spaces.config.Config.zero_gpu
    first = LoadedWeights.place(
        checkpoint, choose_device(os.environ.get("DAN_DEVICE", "auto")), FaceDetector(), lent=bool(lent)
    )
    weights = WeightsCache(first, paths_allowed="SPACE_ID" not in os.environ)
    page = build(weights, EXAMPLES, spaces.GPU(duration=GPU_SECONDS) if lent else None)
    page.end_idle(check_seconds)
    page.queue(**queue_settings()).launch(inbrowser=os.environ.get("DAN_OPEN_BROWSER") == "1", **launch_settings())


if __name__ == "__main__":
    main()
