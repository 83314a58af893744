"""Whether memory stays flat: resident memory after many explanations, divided by that after the first few (Linux)."""

from __future__ import annotations

import gc
from pathlib import Path

from rich.console import Console

from dan_model import Explainer
from dan_model.faces import read_image

PHOTO = Path(__file__).parent.parent / "examples" / "astronaut.jpg"
FIRST, COUNT = 50, 1000


def main() -> None:
    """Explain one face many times, with two attributions."""
    explainer, photo = Explainer.from_pretrained(device="cpu"), read_image(PHOTO)
    crop = explainer.crop(photo, explainer.faces(photo)[0])
    first = 0
    for n in range(1, COUNT + 1):
        for _ in explainer.stream_crop(crop, attributions=["layer_grad_cam", "saliency"]):
            pass
        if n == FIRST:
            first = _resident()
    Console().print(f"memory after {COUNT} explanations to that after {FIRST}: {_resident() / first:.3f} (goal ≤ 1.02)")


def _resident() -> int:
    """The resident memory of this process, in pages."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1])


if __name__ == "__main__":
    main()
