"""Whether memory stays flat: resident memory after many explanations, divided by that after the first few (Linux)."""

from __future__ import annotations

import gc
from pathlib import Path

from benchmarks.rows import Row
from dan_model import Explainer
from dan_model.faces import read_image

PHOTO = Path(__file__).parent.parent / "examples" / "astronaut.jpg"
FIRST, COUNT = 50, 1000
STATUS = Path("/proc/self/statm")


def rows() -> list[Row]:
    """Explain one face many times, with two attributions."""
    if not STATUS.exists():
        print("no /proc/self/statm: memory is not measured")
        return []
    explainer, photo = Explainer.from_pretrained(device="cpu"), read_image(PHOTO)
    crop = explainer.crop(photo, explainer.faces(photo)[0])
    first = 0
    for n in range(1, COUNT + 1):
        for _ in explainer.stream_crop(crop, attributions=["layer_grad_cam", "saliency"]):
            pass
        if n == FIRST:
            first = _resident()
    return [Row(f"memory after {COUNT:,} explanations", f"memory after {FIRST}", _resident() / first, "≤ 1.02")]


def _resident() -> int:
    """The resident memory of this process, in pages."""
    gc.collect()
    return int(STATUS.read_text().split()[1])
