# SPDX-License-Identifier: Apache-2.0
"""Files of values as arrays: mapped, so that only what is looked at takes memory, and no more than once."""

from __future__ import annotations

import math
import mmap
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from .alignment import aligned

Array = NDArray[Any]
Block = mmap.mmap | bytes | memoryview


class Stored(Protocol):
    """A row that says where in a block of bytes a tensor lies, dense and row-major."""

    @property
    def name(self) -> str: ...
    @property
    def dtype(self) -> str: ...
    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def offset(self) -> int: ...


def mapped(path: Path) -> Block:
    """A file's bytes."""
    with open(path, "rb") as stream:
        if not stream.seek(0, 2):
            return b""  # which cannot be mapped
        return mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)


def tensors(block: Block, rows: Iterable[Stored]) -> list[Array]:
    """The tensors of a block of bytes, as `rows` describe it."""
    return [
        np.frombuffer(block, row.dtype, math.prod(row.shape), row.offset).reshape(row.shape) for row in rows
    ]


def samples(block: Block, rows: Sequence[Stored], number: int, size_bytes: int) -> list[list[Array]]:
    """The tensors of each of so many samples, which lie in a block one behind the other, `size_bytes` each."""
    view = memoryview(block)
    return [tensors(view[size_bytes * each :], rows) for each in range(number)]


def tensor_bytes(array: Array) -> Array:
    """An array's bytes, row-major; no copy of an array that lies so."""
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8)


def aligned_parts(parts: Iterable[Array]) -> Iterator[bytes | Array]:
    """The same bytes one behind the other, each beginning at a multiple of ALIGNMENT."""
    end = 0
    for part in parts:
        yield bytes(aligned(end) - end)
        yield part
        end = aligned(end) + part.nbytes
