"""Images of every format, changed in many ways: read or refused in words, at bounded cost.

`python -m campaigns.hostile_images --count 20000 --seed 1` prints the counts, and every failure with what repeats it.
"""

from __future__ import annotations

import argparse
import io
import random
import sys
import warnings
from collections.abc import Iterator
from contextlib import suppress

import numpy as np
from PIL import Image, ImageCms

from benchmarks.photo_memory import encoded
from campaigns.mutations import mutated
from campaigns.watching import ROOT, Outcome
from dan_model.errors import ImageError
from dan_model.faces import read_image
from dan_model.faces.images import MAX_PIXELS, read_photo

SECONDS = 8.0  # of CPU, for one image: the bound that SECURITY.md names
MEMORY = 12 * MAX_PIXELS


def run(count: int, seed: int) -> Outcome:
    """Try so many changed images."""
    files = dict(originals())
    everything = tuple(files.values())
    outcome = Outcome()
    for data in everything:  # what decoders load once
        with suppress(ImageError):
            read_image(data)
    for n in range(count):
        drawn = random.Random(f"{seed} {n}")
        name, data = drawn.choice(list(files.items()))
        data = mutated(data, drawn, everything)
        stretch = drawn.random() < 0.1
        outcome.attempt(
            f"image {n} of seed {seed} ({name})", lambda data=data, stretch=stretch: _check(data, stretch),  # type: ignore[misc]
            (ImageError,), str(ROOT),
        )  # fmt: skip
    outcome.check(SECONDS, MEMORY)
    return outcome


def _check(data: bytes, stretch: bool) -> None:
    pixels = read_photo(data, stretch).pixels
    assert pixels.dtype == np.uint8
    assert pixels.ndim == 3
    assert pixels.shape[2] == 3
    assert pixels.shape[0] * pixels.shape[1] <= MAX_PIXELS


def originals() -> Iterator[tuple[str, bytes]]:
    """Small files of every format and kind that is read, and some that are not."""
    yield from encoded(48, 32)
    noise = np.random.default_rng(0).integers(0, 256, (32, 48, 3), dtype=np.uint8)
    image = Image.fromarray(noise)
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    exif = image.getexif()
    exif[0x0112] = 6
    exif[0x010F] = "a camera"
    frames = [image.rotate(90 * n) for n in range(1, 4)]
    for name, kind, picture, settings in (
        ("JPEG with EXIF and profile", "JPEG", image, {"exif": exif, "icc_profile": profile}),
        ("PNG with EXIF and profile", "PNG", image, {"exif": exif, "icc_profile": profile}),
        ("palette PNG", "PNG", image.convert("P"), {"transparency": 3}),
        ("animated GIF", "GIF", image, {"save_all": True, "append_images": frames}),
        ("animated WebP", "WEBP", image, {"save_all": True, "append_images": frames}),
        ("animated PNG", "PNG", image, {"save_all": True, "append_images": frames}),
        ("animated AVIF", "AVIF", image, {"save_all": True, "append_images": frames, "speed": 10}),
        ("TIFF of pages", "TIFF", image, {"save_all": True, "append_images": frames, "compression": "tiff_deflate"}),
        ("TIFF, raw", "TIFF", image, {}),
        ("TIFF, fax", "TIFF", image.convert("1"), {"compression": "group4"}),
        ("CMYK JPEG", "JPEG", image.convert("CMYK"), {}),
        ("JPEG with others behind it", "MPO", image, {"save_all": True, "append_images": frames}),
        ("grey PGM", "PPM", image.convert("L"), {}),
        ("palette BMP", "BMP", image.convert("P"), {}),
        ("ICO", "ICO", image, {}),
        ("JPEG 2000", "JPEG2000", image, {}),
    ):  # fmt: skip
        buffer = io.BytesIO()
        picture.save(buffer, kind, **settings)
        yield name, buffer.getvalue()
    yield "PPM as text", b"P3\n48 32\n255\n" + b" ".join(str(v).encode() for v in noise.ravel())


def main() -> None:
    """Run it; the exit status is 1 where anything failed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")  # Pillow's, of damaged metadata
    outcome = run(arguments.count, arguments.seed)
    print(f"Images: {outcome}")
    sys.exit(bool(outcome.failures))


if __name__ == "__main__":
    main()
