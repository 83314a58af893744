"""Which files are images: one list, for photos and datasets."""

from __future__ import annotations

from pathlib import Path

SUFFIXES = frozenset(
    {
        ".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif", ".heic",
        ".heif", ".hif", ".ppm", ".pgm", ".pbm", ".jxl",
    }
)  # fmt: skip
"""How image files end, in lower case. A .jxl counts as an image, and is refused by name."""


def is_image_file(path: Path) -> bool:
    """Whether a file counts as an image: by its ending, and not hidden (as the companions `._name.jpg` are)."""
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".")


def image_files(folder: Path) -> tuple[list[Path], int]:
    """All images at any depth of a folder, sorted, and how many other files are there. Hidden ones do not count."""
    visible = [
        path
        for path in sorted(folder.rglob("*"))
        if not any(part.startswith(".") for part in path.relative_to(folder).parts) and path.is_file()
    ]
    images = [path for path in visible if is_image_file(path)]
    return images, len(visible) - len(images)
