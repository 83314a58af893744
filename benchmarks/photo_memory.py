"""How much memory reading a photo of 50 megapixels takes, and how long, by format. `python -m benchmarks.photo_memory`

The files are made anew; each is read in a process that has read a small one before (Linux).
"""

from __future__ import annotations

import io
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from PIL import Image
from pillow_heif import register_heif_opener

from campaigns.measuring import peak_of
from dan_model.faces import read_image

SIDES = 8160, 6120  # a phone's 50 megapixels


def main() -> None:
    """Print the table; with a file as the argument, its line."""
    if len(sys.argv) > 1:
        print(_line(Path(sys.argv[1])))
        return
    print("| format | file, MB | peak memory beside the file, MB | seconds |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for name, data in encoded(*SIDES):
            path = Path(folder) / name.replace(" ", "-").replace(",", "")
            path.write_bytes(data)
            line = subprocess.run([sys.executable, "-m", __spec__.name, str(path)], capture_output=True, text=True)
            print(f"| {name} | {len(data) / 1e6:.0f} | {line.stdout.strip()} |", flush=True)
            path.unlink()


def encoded(width: int, height: int) -> Iterator[tuple[str, bytes]]:
    """A picture as a file of every format, by name; noise that is blurred, so that files have the usual size."""
    register_heif_opener()
    noise = np.random.default_rng(0).integers(0, 256, (height // 16, width // 16, 3), dtype=np.uint8)
    image = Image.fromarray(noise).resize((width, height))
    for name, kind, picture, settings in (
        ("JPEG", "JPEG", image, {}),
        ("JPEG, progressive", "JPEG", image, {"progressive": True}),
        ("PNG", "PNG", image, {"compress_level": 1}),
        ("PNG, transparent", "PNG", image.convert("RGBA"), {"compress_level": 1}),
        ("WebP", "WEBP", image, {"method": 0}),
        ("WebP, transparent", "WEBP", _half(image), {"method": 0}),
        ("WebP, lossless", "WEBP", image, {"method": 0, "quality": 0, "lossless": True}),
        ("TIFF", "TIFF", image, {"compression": "tiff_lzw"}),
        ("TIFF, JPEG inside", "TIFF", image, {"compression": "jpeg"}),
        ("TIFF, CMYK", "TIFF", image.convert("CMYK"), {"compression": "tiff_lzw"}),
        ("TIFF, float grey", "TIFF", Image.fromarray(np.asarray(image.convert("L"), np.float32) / 255), {}),
        ("HEIC", "HEIF", image, {"quality": 50, "enc_params": {"preset": "ultrafast"}}),
        ("AVIF", "AVIF", image, {"quality": 50, "speed": 10}),
        ("BMP", "BMP", image, {}),
        ("PPM", "PPM", image, {}),
        ("GIF", "GIF", image.convert("P"), {}),
    ):
        buffer = io.BytesIO()
        picture.save(buffer, kind, **settings)
        yield name, buffer.getvalue()
    deep = np.asarray(image).astype(np.uint16) * 257
    for name, levels in (("PNG, 16-bit grey", deep[..., 0]), ("PNG, 16-bit colours", deep)):
        yield name, cv2.imencode(".png", levels, [cv2.IMWRITE_PNG_COMPRESSION, 1])[1].tobytes()


def _half(image: Image.Image) -> Image.Image:
    transparent = image.convert("RGBA")
    transparent.putalpha(128)
    return transparent


def _line(path: Path) -> str:
    """Peak and seconds of one file; what is needed once is loaded by a small image of the same format before."""
    small = io.BytesIO()
    Image.new("RGB", (64, 64)).save(small, "PNG")
    read_image(small.getvalue())
    data = path.read_bytes()
    start = time.perf_counter()
    peak = peak_of(lambda: read_image(data))
    return f"{peak / 1e6:.0f} | {time.perf_counter() - start:.1f}"


if __name__ == "__main__":
    main()
