"""Whether memory stays flat: its peak over many explanations, as a ratio to that of the first few."""

from __future__ import annotations

import resource
from pathlib import Path

from rich.console import Console

from dan_model import Explainer
from dan_model.images import read_image

PHOTO = Path(__file__).parent.parent / "examples" / "astronaut.jpg"
FIRST, COUNT = 50, 1000


def main() -> None:
    """Explain one face again and again, with two attributions."""
    explainer, photo = Explainer.from_pretrained(device="cpu"), read_image(PHOTO)
    crop = explainer.crop(photo, explainer.faces(photo)[0])
    first = 0
    for n in range(1, COUNT + 1):
        for _ in explainer.stream_crop(crop, attributions=["layer_grad_cam", "saliency"]):
            pass
        if n == FIRST:
            first = _peak()
    Console().print(f"peak memory of {COUNT} explanations to that of the first {FIRST}: {_peak() / first:.3f} (≤ 1.02)")


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":
    main()
