"""Heaps that HDF5 would read for ever: zeros where a text should be, as a bad disk leaves them.

A "global heap collection" is a run of objects: number (2 bytes), references (2), nothing (4),
size (8), and the text, filled up to a multiple of 8. The number 0 stands for free space, whose
size counts from its own beginning (HDF5 File Format Specification, III.E). At free space of size
0 HDF5 2.0 does not move on, and nothing but a kill ends it; so it is looked for before it reads.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

SIGNATURE = b"GCOL\x01\0\0\0"
HEAD = struct.Struct("<8sQ")  # signature, size of the collection
OBJECT = struct.Struct("<H6xQ")  # number, size
CHUNK = 1 << 22


def has_endless_heap(path: Path) -> bool:
    """Whether HDF5 would not come back from reading the texts of the file at `path`."""
    with path.open("rb") as file:
        return any(_is_endless(heap) for heap in _heaps(file))


def _heaps(file: BinaryIO) -> Iterator[bytes]:
    """Read whatever looks like a collection; numbers may, by a rare chance."""
    start, n_bytes = 0, file.seek(0, 2)
    while start < n_bytes:
        file.seek(start)
        chunk = file.read(CHUNK + len(SIGNATURE) - 1)
        at = chunk.find(SIGNATURE)
        while at >= 0:
            file.seek(start + at)
            head = file.read(HEAD.size)
            if len(head) == HEAD.size:
                yield file.read(max(0, min(HEAD.unpack(head)[1] - HEAD.size, n_bytes)))
            at = chunk.find(SIGNATURE, at + 1)
        start += CHUNK


def _is_endless(heap: bytes) -> bool:
    at = 0
    while at + OBJECT.size <= len(heap):
        number, size = OBJECT.unpack_from(heap, at)
        if number:
            at += OBJECT.size + (size + 7) // 8 * 8
        elif size:
            at += size
        else:
            return True
    return False
