"""How files are written: whole or not at all, with one message where a disk is full or a folder may not be written."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dan_model.errors import DiskError, WriteError

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS)
OF_THE_DISK = (*FULL, errno.EROFS, errno.EIO)  # every further file would fail too


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path in the folder of `path`; what is written there takes its place once it is whole on the disk.

    The folder is made where it does not exist. After a failure the earlier file is as it was, and nothing else is left.

    Raises:
        WriteError: The file cannot be written; as a `DiskError` where no other file could be either.
    """
    with _explained(path):
        target = path.resolve()
        _check_regular(target)
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(f".part-{os.getpid()}-{threading.get_native_id()}{target.suffix}")
        try:
            yield part
            with part.open("rb+") as file:
                os.fsync(file.fileno())
            if target.exists():
                shutil.copymode(target, part)
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file, or leave the earlier one; see `replacing`."""
    with replacing(path) as part:
        part.write_bytes(data)


def write_text(path: Path, text: str) -> None:
    """Write a file in UTF-8, or leave the earlier one; see `replacing`. What UTF-8 cannot hold becomes an escape."""
    write_bytes(path, text.encode("utf-8", "backslashreplace"))


def append_line(path: Path, line: str) -> None:
    """Append a line to a file; after a failure the file ends where it did.

    Raises:
        WriteError: See `replacing`.
    """
    with _explained(path), path.open("ab", buffering=0) as file:
        end = file.tell()
        data = f"{line}\n".encode()
        try:
            while data:
                data = data[file.write(data) :]
            os.fsync(file.fileno())
        except OSError:
            file.truncate(end)
            raise


def check_writable(path: Path) -> None:
    """Check, before the work, that a file can be written; its folder is made where it does not exist.

    Raises:
        WriteError: It cannot.
    """
    with _explained(path):
        target = path.resolve()
        _check_regular(target)
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=target.parent):
            pass


def _check_regular(target: Path) -> None:
    """Refuse folders and devices: a file would take their place, or could not."""
    if target.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if target.exists() and not target.is_file():
        raise PermissionError(errno.EPERM, "not a regular file")


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Turn what the system says about a file into a `WriteError` with path and remedy."""
    try:
        yield
    except (OSError, RuntimeError) as error:
        cause = error if isinstance(error, OSError) else error.__context__  # torch.save hides it behind its own
        if not isinstance(cause, OSError):
            raise
        number = cause.errno
        kind = DiskError if number in OF_THE_DISK else WriteError
        raise kind(f"{path} cannot be written: {cause.strerror or cause}.", _remedy(number)) from error


def _remedy(number: int | None) -> str:
    if number in FULL:
        return "Make room on this disk, or give another folder; what was written before is whole."
    if number in FORBIDDEN:
        return "Give a place where you may write."
    if number == errno.EISDIR:
        return "It is a folder: give the name of a file."
    return "Give another folder or name."
