"""Changed copies of files: what damage, chance and malice make of them."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable

EXTREMES = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 4000, 8000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


def mutated(data: bytes, drawn: random.Random, others: tuple[bytes, ...] = ()) -> bytes:
    """A file with one change, or a few; each is one of `CHANGES`."""
    for _ in range(drawn.choice((1, 1, 1, 2, 4))):
        if data:
            data = drawn.choice(CHANGES)(data, drawn, others or (data,))
    return data


def _flip(data: bytes, drawn: random.Random, others: tuple[bytes, ...]) -> bytes:
    changed = bytearray(data)
    for _ in range(drawn.choice((1, 1, 2, 8, 64))):
        changed[drawn.randrange(len(changed))] ^= 1 << drawn.randrange(8)
    return bytes(changed)


def _head(data: bytes, drawn: random.Random, others: tuple[bytes, ...]) -> bytes:
    """One byte near the start, where sizes and kinds stand."""
    changed = bytearray(data)
    changed[drawn.randrange(min(len(changed), 256))] = drawn.randrange(256)
    return bytes(changed)


def _number(data: bytes, drawn: random.Random, others: tuple[bytes, ...]) -> bytes:
    """An extreme number of two or four bytes, in either order."""
    kind = drawn.choice(["<H", ">H", "<I", ">I"])
    size = struct.calcsize(kind)
    if len(data) < size:
        return data
    limit = len(data) - size
    place = drawn.randint(0, min(limit, drawn.choice((128, limit))))
    value = drawn.choice(EXTREMES) & (0xFFFF if size == 2 else 0xFFFFFFFF)
    return data[:place] + struct.pack(kind, value) + data[place + size :]


def _cut(data: bytes, drawn: random.Random, others: tuple[bytes, ...]) -> bytes:
    return data[: drawn.randrange(len(data))]


def _without(data: bytes, drawn: random.Random, others: tuple[bytes, ...]) -> bytes:
    place, length = drawn.randrange(len(data)), drawn.choice((1, 2, 4, 50, 1000))
    return data[:place] + data[place + length :]


def _again(data: bytes, drawn: random.Random, others: tuple[bytes, ...]) -> bytes:
    """A piece of it once more, or many times."""
    start, length = drawn.randrange(len(data)), drawn.choice((1, 4, 50, 1000))
    return data[:start] + data[start : start + length] * drawn.choice((2, 10, 300)) + data[start + length :]


def _noise(data: bytes, drawn: random.Random, others: tuple[bytes, ...]) -> bytes:
    place = drawn.randrange(len(data))
    return data[:place] + drawn.randbytes(drawn.choice((1, 16, 500))) + data[place:]


def _spliced(data: bytes, drawn: random.Random, others: tuple[bytes, ...]) -> bytes:
    """The start of one file and the end of another."""
    other = drawn.choice(others)
    return data[: drawn.randrange(len(data))] + other[drawn.randrange(len(other)) :]


CHANGES: tuple[Callable[[bytes, random.Random, tuple[bytes, ...]], bytes], ...] = (
    _flip, _head, _head, _number, _number, _cut, _without, _again, _noise, _spliced,
)  # fmt: skip
