"""What people hand over as an image -> the bytes of a file and its name, or an array."""

from __future__ import annotations

import base64
import binascii
from pathlib import Path

import numpy as np
import torch

from dan_model.errors import ImageError

START = "data:image/"  # of an image that is written out in an address


def file_content(source: object) -> tuple[bytes, str]:
    """The bytes of a file, given as a path, as bytes, as an open file or written out in a data: address; and its name.

    Raises:
        ImageError: The source is none of these, or cannot be read.
    """
    if isinstance(source, str) and source.startswith(START):
        return _from_address(source), "The image"
    if isinstance(source, (str, Path)):
        return _from_path(Path(source))
    if isinstance(source, bytes):
        return source, "The image"
    if callable(read := getattr(source, "read", None)):
        if callable(seek := getattr(source, "seek", None)):
            seek(0)
        return read(), Path(str(getattr(source, "name", "The image"))).name
    raise ImageError(
        f"A {type(source).__name__} is not an image.", "Give a path, bytes, a PIL image, a NumPy array or a tensor."
    )


def _from_address(address: str) -> bytes:
    head, _, content = address.partition(",")
    try:
        if not head.endswith(";base64"):
            raise ValueError("it is not in base64")
        return base64.b64decode(content, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ImageError(f"The data: address holds no image ({error}).", "Give data:image/…;base64,…") from error


def _from_path(path: Path) -> tuple[bytes, str]:
    try:
        path = path.expanduser()
        is_file, is_folder = path.is_file(), path.is_dir()
        if is_file:
            return path.read_bytes(), path.name
    except (OSError, RuntimeError, ValueError) as error:
        raise ImageError(f"{str(path)[:200]!r} is no path: {error}.", "Give the path of an image file.") from error
    what = "is a folder" if is_folder else "does not exist"
    raise ImageError(f"{path} {what}.", "Give the path of an image file.")


def channels_last(tensor: torch.Tensor) -> np.ndarray:
    """A tensor as an array; (C, H, W) becomes (H, W, C) where only the first side can be channels."""
    values = tensor.detach().cpu()
    array: np.ndarray = (values.float() if values.is_floating_point() else values).numpy()
    if array.ndim == 3 and array.shape[0] in (1, 3, 4) and array.shape[2] not in (1, 3, 4):
        array = np.moveaxis(array, 0, 2)
    return array
