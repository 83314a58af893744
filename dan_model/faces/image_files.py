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
    visible = visible_files(folder)
    images = [path for path in visible if is_image_file(path)]
    return images, len(visible) - len(images)


def visible_files(folder: Path) -> list[Path]:
    """All files at any depth of a folder, sorted, without hidden ones and what lies in hidden folders."""
    return [
        path
        for path in sorted(folder.rglob("*"))
        if not any(part.startswith(".") for part in path.relative_to(folder).parts) and path.is_file()
    ]


def others_note(folder: Path, count: int, more: str = "") -> tuple[str, ...]:
    """A sentence on the files of a folder that are no images, such as `notes.pdf`; none where there are none.

    `more` stands at its end.
    """
    if not count:
        return ()
    what = "1 file is no image and is" if count == 1 else f"{count} files are no images and are"
    return (f"{folder}: {what} left out{more}.",)
