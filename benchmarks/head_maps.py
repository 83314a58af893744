"""The head maps, against pytorch-grad-cam's GradCAM++ on each head, which is how DAN's authors draw them.

The package is no requirement: `pip install --no-deps grad-cam ttach && pip install scikit-learn`.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import torch

from benchmarks.bare import ONE, bare_pass
from benchmarks.rows import Row
from benchmarks.turns import median_seconds
from dan_model import Explainer
from dan_model.faces import read_image
from dan_model.network import frozen

PHOTO = Path(__file__).parent.parent / "examples" / "astronaut.jpg"
ROUNDS = 7
PEER = "GradCAM++ of four heads (pytorch-grad-cam)"


def rows() -> list[Row]:
    """The maps of all heads by a hook-free pass, and by the other package where it is installed."""
    explainer = Explainer.from_pretrained(device="cpu")
    model, photo = explainer.model, read_image(PHOTO)
    x = explainer.input_of(explainer.crop(photo, explainer.faces(photo)[0]))
    x = x.contiguous(memory_format=torch.channels_last)

    def ours() -> None:
        with torch.inference_mode():
            model.stages(x)

    runs = {ONE: bare_pass(model, x), "four head maps": ours}
    if importlib.util.find_spec("pytorch_grad_cam"):
        from pytorch_grad_cam import GradCAMPlusPlus
        from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

        def theirs() -> None:
            for head in model.heads:
                with frozen(model), GradCAMPlusPlus(model, [head.sa]) as method:
                    method(x.clone().requires_grad_(), [ClassifierOutputTarget(1)])

        runs[PEER] = theirs
    medians = median_seconds(runs, ROUNDS)
    found = [Row("four head maps", ONE, medians["four head maps"] / medians[ONE], "≤ 1.10")]
    if PEER in medians:
        found.append(Row(PEER, "our four head maps", medians[PEER] / medians["four head maps"], "≥ 10"))
    return found
