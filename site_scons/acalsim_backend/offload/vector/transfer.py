# SPDX-License-Identifier: Apache-2.0
"""Tiles on their way between RAM and the scratchpad, and how they lie there."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ...ir.graph import ITEM_BYTES
from ..command import Address, Command
from .part import Walk
from .steps import Unfit

LARGEST = 0xFFFF
"""Of a size in a command."""
Homes = Mapping[str, int]
"""Storages that lie in the scratchpad, with their addresses."""
Ranges = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Where:
    """A value of a tile in the scratchpad: its address, and bytes from element to element by dimension."""

    address: int
    strides: tuple[int, ...]
    dtype: str

    @property
    def item(self) -> int:
        return ITEM_BYTES[self.dtype]


def home(walk: Walk, tile: Ranges, homes: Homes) -> Where:
    """Where a tile of a tensor lies whose storage is in the scratchpad."""
    item = ITEM_BYTES[walk.dtype]
    start = walk.offset + sum(first * step for (first, _), step in zip(tile, walk.strides, strict=True))
    return Where(homes[walk.storage] + start * item, tuple(step * item for step in walk.strides), walk.dtype)


def cuts(size: int, cut: int) -> list[tuple[int, int]]:
    return [(first, min(first + cut, size)) for first in range(0, size, cut)]


def table_strides(walk: Walk) -> tuple[int, ...]:
    """Of what is loaded: where rows of a table are looked up, an index's dimensions lie around them."""
    if walk.index is None:
        return walk.strides
    width = math.prod(step for step in walk.strides if step) + 1
    return tuple(
        step or (own and own * (1 << 32) * width)
        for step, own in zip(walk.strides, walk.index.strides, strict=True)
    )


def order(space: Sequence[int], strides: Sequence[int]) -> list[int]:
    """Dimensions with more than one element, the one with the largest stride first."""
    dims = [dim for dim, size in enumerate(space) if size > 1 and strides[dim]]
    return sorted(dims, key=lambda dim: (-strides[dim], dim))


def dense(sizes: Sequence[int], strides: Sequence[int], item: int) -> tuple[int, ...]:
    """Bytes from element to element of a dense tile whose dimensions lie in the order of `strides`."""
    found, step = [0] * len(sizes), item
    for dim in reversed(order(sizes, strides)):
        found[dim], step = step, step * sizes[dim]
    return tuple(found)


def joined(sizes: Sequence[int], strides: Sequence[int]) -> int | None:
    """The one stride of dimensions that follow each other, 0 where there is one element; None if several."""
    real = [(size, step) for size, step in zip(sizes, strides, strict=True) if size > 1]
    for (_, outer), (size, inner) in itertools.pairwise(real):
        if outer != inner * size:
            return None
    return real[-1][1] if real else 0


def level(dims: Sequence[tuple[int, tuple[int, ...]]]) -> list[tuple[int, tuple[int, ...]]]:
    """The same dimensions, neighbours merged where all strides allow it."""
    found: list[tuple[int, tuple[int, ...]]] = []
    for size, steps in dims:
        if size == 1:
            continue
        if (
            found
            and found[-1][0] * size <= LARGEST
            and all(outer == step * size for outer, step in zip(found[-1][1], steps, strict=True))
        ):
            found[-1] = (found[-1][0] * size, steps)
        else:
            found.append((size, steps))
    return found


def split(
    dims: list[tuple[int, tuple[int, ...]]], most: int, starts: tuple[int, ...]
) -> Iterator[tuple[list[tuple[int, tuple[int, ...]]], tuple[int, ...]]]:
    """At most `most` dimensions of at most LARGEST elements at a time, with the addresses where they begin."""
    for place, (size, steps) in enumerate(dims):
        if size > LARGEST:
            for first, end in cuts(size, LARGEST // 2 + 1):
                moved = tuple(start + first * step for start, step in zip(starts, steps, strict=True))
                yield from split([*dims[:place], (end - first, steps), *dims[place + 1 :]], most, moved)
            return
    if len(dims) <= most:
        yield dims, starts
        return
    size, steps = dims[0]
    for index in range(size):
        moved = tuple(start + index * step for start, step in zip(starts, steps, strict=True))
        yield from split(dims[1:], most, moved)


def _moved(
    walk: Walk, tile: Ranges, sizes: Sequence[int], local: Where
) -> Iterator[tuple[Address, int, dict[str, int | float]]]:
    """(place in RAM, place in the scratchpad, fields) of each transfer of a tile."""
    item = ITEM_BYTES[walk.dtype]
    dims = [
        (sizes[dim], (walk.strides[dim] * item, local.strides[dim])) for dim in order(sizes, walk.strides)
    ]
    levels: list[tuple[int, tuple[int, ...]]] = []
    for size, steps in dims:
        if levels and all(outer == step * size for outer, step in zip(levels[-1][1], steps, strict=True)):
            levels[-1] = (levels[-1][0] * size, steps)
        else:
            levels.append((size, steps))
    run = 1
    if levels and levels[-1][1] == (item, item):
        run = levels.pop()[0]
    start = walk.offset + sum(first * step for (first, _), step in zip(tile, walk.strides, strict=True))
    for part, (far, near) in split(levels, 2, (start * item, local.address)):
        padded: list[tuple[int, tuple[int, ...]]] = [*[(1, (0, 0))] * (2 - len(part)), *part]
        (planes, plane), (rows, row) = padded
        yield (
            Address(walk.storage, far),
            near,
            {
                "planes": planes,
                "rows": rows,
                "row_bytes": run * item,
                "dram_plane_stride": plane[0],
                "dram_row_stride": row[0],
                "a_outer_stride": plane[1],
                "a_inner_stride": row[1],
            },
        )


def load(walk: Walk, tile: Ranges, address: int, order: Sequence[int] | None = None) -> Iterator[Command]:
    """Brings a tile to the scratchpad, dense, in the order that it has in RAM or that of the strides `order`."""
    sizes = [end - first if step else 1 for (first, end), step in zip(tile, walk.strides, strict=True)]
    local = Where(address, dense(sizes, order or walk.strides, ITEM_BYTES[walk.dtype]), walk.dtype)
    for far, near, fields in _moved(walk, tile, sizes, local):
        yield Command("COMMAND_LOAD", {"a": near, **fields}, far)


def save(walk: Walk, tile: Ranges, sizes: Sequence[int], source: Where) -> Iterator[Command]:
    for far, near, fields in _moved(walk, tile, sizes, source):
        yield Command("COMMAND_SAVE", {"a": near, **fields}, far)


def gather(walk: Walk, tile: Ranges, index: int, address: int) -> Command:
    """Rows of a table in RAM, one for each index."""
    assert walk.index is not None
    item = ITEM_BYTES[walk.dtype]
    sizes = [end - first for first, end in tile]
    width = [dim for dim, step in enumerate(walk.strides) if step and sizes[dim] > 1]
    run = math.prod(sizes[dim] for dim in width)
    if joined([sizes[dim] for dim in width], [walk.strides[dim] for dim in width]) not in (0, 1):
        raise Unfit("the rows of its table are not next to each other")
    count = math.prod(size for size, step in zip(sizes, walk.index.strides, strict=True) if step)
    if count > LARGEST:
        raise Unfit(f"a tile looks up {count} rows; a command takes {LARGEST}")
    start = walk.offset + sum(first * step for (first, _), step in zip(tile, walk.strides, strict=True))
    fields = {
        "a": address,
        "b": index,
        "c": walk.rows,
        "rows": count,
        "row_bytes": run * item,
        "dram_row_stride": walk.row_stride * item,
        "a_inner_stride": run * item,
    }
    return Command(
        "COMMAND_LOAD",
        fields,
        Address(walk.storage, start * item, in_ram=True),
        type=f"TYPE_{walk.index.dtype.upper()}",
        flags=("FLAG_GATHER",),
    )
