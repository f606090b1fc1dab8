# SPDX-License-Identifier: Apache-2.0
"""The command list of a kernel for the vector unit: tiles are loaded, computed in steps, and saved."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence

from ...alignment import aligned
from ...arena import Lifetime, assign_offsets
from ...ir.graph import FLOATING, ITEM_BYTES
from ..command import Command
from .emit import elementwise, row_command
from .part import Part, Step, Walk
from .pool import Pooling, pool_commands
from .steps import Unfit
from .transfer import (
    Homes,
    Ranges,
    Where,
    cuts,
    dense,
    gather,
    home,
    joined,
    load,
    order,
    save,
    table_strides,
)

LEAST_ELEMENTS = 1024
"""A tile is not made smaller than this for the sake of overlapping transfers with work."""
TILES = 6
"""In which what comes from RAM and goes there is cut, so that transfers overlap with work."""

Parts = Sequence[Part | Pooling]
"""What a kernel comes to, in order."""


def commands(
    parts: Parts, homes: Homes, base: int, size: int, share: tuple[int, int] = (0, 1), cuts: bool = False
) -> tuple[list[Command], int]:
    """The list of all parts one after the other, and the bytes of the scratchpad from `base` on that they take.

    At most `size` bytes are taken. With `cuts` there are several tiles even of what stays in the scratchpad. `share` is (i, n) for the i-th of n equal shares of the tiles. Raises Unfit
    where not even the smallest tile fits.
    """
    found: list[Command] = []
    used = 0
    for part in parts:
        if isinstance(part, Pooling):
            more, taken = pool_commands(part, homes, base, size, share)
        else:
            walk = _Program(part, homes, base, size, cuts, share[1])
            more, taken = walk.write(share), walk.bytes
        found += more
        used = max(used, taken)
    return found, used


class _Program:
    def __init__(self, part: Part, homes: Homes, base: int, size: int, cuts: bool, devices: int):
        self.cuts, self.devices = cuts, devices
        self.part, self.homes, self.base, self.size = part, homes, base, size
        self.first_step = len(part.loads)
        self.rowwise = {
            self.first_step + number
            for number, step in enumerate(part.steps)
            if step.command in ("COMMAND_ROWS", "COMMAND_REDUCE")
        }
        self.vectors = {each for step in part.steps for each in step.vectors}
        self.roots = self._roots()
        self.block, self.offsets, self.slot_bytes, self.fixed_bytes = self._fit()
        self.bytes = self.fixed_bytes + self.slot_bytes * self.slots

    # --- the tile

    @property
    def slots(self) -> int:
        return 1 if self._tiles_of(self.block) == 1 else 2

    def _tiles_of(self, block: Sequence[int]) -> int:
        return math.prod(-(-size // cut) for size, cut in zip(self.part.space, block, strict=True))

    def _fit(self) -> tuple[list[int], dict[str, int], int, int]:
        """The tile's size by dimension, where each of its values lies in a slot, and the bytes of a slot."""
        part, block = self.part, list(self.part.space)
        cuttable = len(block) - part.rows
        moves = self.cuts or any(
            walk.storage not in self.homes for walk in (*part.loads, *(walk for _, walk in part.stores))
        )
        target = max(LEAST_ELEMENTS, -(-math.prod(block) // TILES)) // self.devices
        if not moves:
            target = math.prod(block)
        while True:
            offsets, slot, fixed = self._arranged(block)
            fits = fixed + slot * (1 if self._tiles_of(block) == 1 else 2) <= self.size
            if fits and math.prod(block) <= target * 1.5:
                return block, offsets, slot, fixed
            dim = next((dim for dim in range(cuttable) if block[dim] > 1), None)
            if dim is None:
                if fits:
                    return block, offsets, slot, fixed
                raise Unfit(
                    f"a tile of {math.prod(block)} elements does not fit {self.size} bytes of scratchpad"
                )
            block[dim] = -(-block[dim] // 2)

    def _arranged(self, block: Sequence[int]) -> tuple[dict[str, int], int, int]:
        """Offsets of what lies in a slot, and of what stays from tile to tile; the bytes of both."""
        fixed, lives = 0, []
        offsets: dict[str, int] = {}
        end = len(self.part.steps) + 1
        for number, walk in enumerate(self.part.loads):
            if self._is_home(walk):
                continue
            size = self._image_bytes(walk, block)
            if walk.index:
                lives.append(Lifetime(f"i{number}", aligned(self._image_bytes(walk.index, block)), 0, end))
            if number in self.vectors:
                continue
            if self._is_fixed(walk, block):
                offsets[f"v{number}"], fixed = fixed, fixed + aligned(size)
            else:
                lives.append(Lifetime(f"v{number}", size, 0, self._last_use(number)))
        for number, step in enumerate(self.part.steps):
            if step.vectors:
                offsets[f"w{number}"] = fixed
                fixed += aligned(4 * self._row(block) * len(step.vectors))
            value = self.first_step + number
            if self.roots[value] == value and not self._direct(value):
                size = self._value_bytes(value, block)
                lives.append(Lifetime(f"v{value}", size, number + 1, self._last_use(value)))
        for value, walk in self.part.stores:
            if self._needs_copy(value, walk):
                size = math.prod(self._extent(value, block)) * ITEM_BYTES[walk.dtype]
                lives.append(Lifetime(f"s{value}{walk.storage}", size, end, end))
        for number, step in enumerate(self.part.steps):
            if self._needs_row_copy(step):
                size = math.prod(block) * ITEM_BYTES[self._dtype(step.a)]
                lives.append(Lifetime(f"r{number}", size, number + 1, number + 1))
        own = assign_offsets(lives)
        slot = max((own[life.name] + aligned(life.size_bytes) for life in lives), default=0)
        return offsets | own, slot, fixed

    def _roots(self) -> dict[int, int]:
        """The value whose memory each value has: its own, or that of the one that it changes in place."""
        roots = {number: number for number in range(self.first_step + len(self.part.steps))}
        for number, step in enumerate(self.part.steps):
            if step.onto is not None:
                roots[self.first_step + number] = roots[step.onto]
        return roots

    def _last_use(self, value: int) -> int:
        """The number, from 1 on, of the last step that needs the value's memory; behind all for what is stored."""
        root = self.roots[value]
        if any(self.roots[stored] == root for stored, _ in self.part.stores):
            return len(self.part.steps) + 1
        uses = [0]
        for number, step in enumerate(self.part.steps):
            touched = [self.first_step + number, step.a, step.onto]
            touched += [step.b] if isinstance(step.b, int) and not step.b_is_number else []
            if any(each is not None and self.roots.get(each) == root for each in touched):
                uses.append(number + 1)
        return max(uses)

    def _dtype(self, value: int) -> str:
        if value < self.first_step:
            return self.part.loads[value].dtype
        return self.part.steps[value - self.first_step].dtype

    def _extent(self, value: int, block: Sequence[int]) -> list[int]:
        """The tile's sizes, 1 along rows that were reduced."""
        cut = len(block) - self.part.rows
        return [1 if value in self.part.reduced and dim >= cut else size for dim, size in enumerate(block)]

    def _value_bytes(self, value: int, block: Sequence[int]) -> int:
        return math.prod(self._extent(value, block)) * ITEM_BYTES[self._dtype(value)]

    @staticmethod
    def _image_bytes(walk: Walk, block: Sequence[int]) -> int:
        strides = table_strides(walk)
        sizes = (size for size, step in zip(block, strides, strict=True) if step)
        return math.prod(sizes) * ITEM_BYTES[walk.dtype]

    def _row(self, block: Sequence[int]) -> int:
        return math.prod(block[len(block) - self.part.rows :]) if self.part.rows else 1

    def _is_home(self, walk: Walk) -> bool:
        return walk.storage in self.homes and walk.index is None

    def _is_fixed(self, walk: Walk, block: Sequence[int]) -> bool:
        """Whether all tiles read the same of it."""
        return walk.index is None and all(
            not step or cut == size
            for step, cut, size in zip(walk.strides, block, self.part.space, strict=True)
        )

    # --- stores

    def _direct(self, value: int) -> bool:
        """Whether a step's result is written straight to where it is to lie, in the scratchpad."""
        walk = self._store_of(value)
        return walk is not None and walk.storage in self.homes and self._row_is_dense(value, walk)

    def _store_of(self, value: int) -> Walk | None:
        """The first place to which a value, or one that changes it in place, is stored."""
        if any(self.roots[value] == self.roots[load] for load in range(self.first_step)):
            return None
        found = [walk for stored, walk in self.part.stores if self.roots[stored] == self.roots[value]]
        return found[0] if found else None

    def _row_is_dense(self, value: int, walk: Walk) -> bool:
        """Whether a row command can write through the walk; other commands can through any."""
        if value not in self.rowwise or value in self.part.reduced or not self.part.rows:
            return True
        cut = len(self.part.space) - self.part.rows
        return joined(self.part.space[cut:], walk.strides[cut:]) == 1

    def _needs_copy(self, value: int, walk: Walk) -> bool:
        """Whether a value has to be brought to another order, or another place, before it is saved."""
        if walk.storage in self.homes:
            return False  # it is copied there directly
        if value < self.first_step:
            source, space = self.part.loads[value], self.part.space
            strides = source.strides if self._is_home(source) else table_strides(source)
            wanted = order(space, walk.strides)
            is_dense = not self._is_home(source) or not wanted or strides[wanted[-1]] == 1
            return not is_dense or order(space, strides) != wanted
        return self._store_of(value) is not walk or not self._row_is_dense(value, walk)

    def _needs_row_copy(self, step: Step) -> bool:
        """Whether a row command's operand has rows that no single stride describes."""
        if step.command not in ("COMMAND_ROWS", "COMMAND_REDUCE") or step.a >= self.first_step:
            return False
        walk = self.part.loads[step.a]
        cut = len(self.part.space) - self.part.rows
        sizes, strides = self.part.space[cut:], walk.strides[cut:]
        if not self._is_home(walk):
            strides = dense(self.part.space, table_strides(walk), 1)[cut:]
        return joined(sizes, strides) is None

    # --- commands

    def write(self, share: tuple[int, int]) -> list[Command]:
        tiles = list(itertools.product(*map(cuts, self.part.space, self.block)))
        number, parts = share
        mine = tiles[-(-len(tiles) * number // parts) : -(-len(tiles) * (number + 1) // parts)]
        if not mine:
            return []
        found = list(self._fixed_loads())
        found += self._loads(mine[0], 0)
        for turn, tile in enumerate(mine):
            slot = turn % self.slots
            if turn + 1 < len(mine):
                found += self._loads(mine[turn + 1], (turn + 1) % self.slots)
            found += self._compute(tile, slot)
            found += self._saves(tile, slot)
        return found

    def _slot(self, name: str, slot: int) -> int:
        return self.base + self.fixed_bytes + slot * self.slot_bytes + self.offsets[name]

    def _fixed_loads(self) -> Iterator[Command]:
        whole = tuple((0, size) for size in self.part.space)
        for number, walk in enumerate(self.part.loads):
            if not self._is_home(walk) and number not in self.vectors and self._is_fixed(walk, self.block):
                yield from load(walk, whole, self.base + self.offsets[f"v{number}"])
        for number, step in enumerate(self.part.steps):
            for place, vector in enumerate(step.vectors):
                address = self.base + self.offsets[f"w{number}"] + place * 4 * self._row(self.block)
                yield from load(self.part.loads[vector], whole, address)

    def _loads(self, tile: Ranges, slot: int) -> Iterator[Command]:
        for number, walk in enumerate(self.part.loads):
            if self._is_home(walk) or number in self.vectors or self._is_fixed(walk, self.block):
                continue
            address = self._slot(f"v{number}", slot)
            if walk.index:
                index = self._slot(f"i{number}", slot)
                yield from load(walk.index, tile, index)
                yield gather(walk, tile, index, address)
            else:
                yield from load(walk, tile, address)

    def _where(self, value: int, tile: Ranges, slot: int) -> Where:
        """Where a value of a tile lies."""
        sizes = [end - first for first, end in tile]
        if value < self.first_step:
            walk = self.part.loads[value]
            if self._is_home(walk):
                return home(walk, tile, self.homes)
            item = ITEM_BYTES[walk.dtype]
            is_fixed = self._is_fixed(walk, self.block)
            address = self.base + self.offsets[f"v{value}"] if is_fixed else self._slot(f"v{value}", slot)
            return Where(address, dense(sizes, table_strides(walk), item), walk.dtype)
        root = self.roots[value]
        if self._direct(root):
            target = self._store_of(root)
            assert target is not None
            return home(target, tile, self.homes)
        return Where(self._slot(f"v{root}", slot), self._value_strides(root, sizes), self._dtype(value))

    def _value_strides(self, value: int, sizes: Sequence[int]) -> tuple[int, ...]:
        """In the order in which it is saved, where its command can write so; else in the tile's own."""
        extent, item = self._extent(value, sizes), ITEM_BYTES[self._dtype(value)]
        walk = self._store_of(value)
        if walk is not None and walk.storage not in self.homes and self._row_is_dense(value, walk):
            return dense(extent, walk.strides, item)
        return dense(extent, [1] * len(extent), item)

    def _compute(self, tile: Ranges, slot: int) -> Iterator[Command]:
        sizes = [end - first for first, end in tile]
        for number, step in enumerate(self.part.steps):
            value = self.first_step + number
            target = self._where(value, tile, slot)
            source = self._where(step.a, tile, slot) if step.a >= 0 else target
            if self._needs_row_copy(step):
                copy = Where(
                    self._slot(f"r{number}", slot), dense(sizes, [1] * len(sizes), source.item), source.dtype
                )
                yield from elementwise(
                    sizes, "COPY", source, None, copy, is_whole=source.dtype not in FLOATING
                )
                source = copy
            other = None
            if isinstance(step.b, int) and not step.b_is_number:
                other = self._where(step.b, tile, slot)
            if step.command == "COMMAND_VECTOR":
                number_b = step.b if step.b_is_number else None
                yield from elementwise(
                    self._extent(value, sizes),
                    step.function,
                    source,
                    other,
                    target,
                    number_b,
                    step.is_whole,
                    step.flags,
                    step.fields,
                )
            else:
                vectors = self.base + self.offsets[f"w{number}"] if step.vectors else 0
                yield from row_command(step, sizes, self.part.rows, source, other, target, vectors)

    def _saves(self, tile: Ranges, slot: int) -> Iterator[Command]:
        sizes = [end - first for first, end in tile]
        for value, walk in self.part.stores:
            source = self._where(value, tile, slot)
            extent = self._extent(value, sizes)
            if walk.storage in self.homes:
                if not (
                    value >= self.first_step
                    and self._store_of(value) is walk
                    and self._direct(self.roots[value])
                ):
                    yield from elementwise(
                        extent,
                        "COPY",
                        source,
                        None,
                        home(walk, tile, self.homes),
                        is_whole=source.dtype not in FLOATING,
                    )
                continue
            if self._needs_copy(value, walk):
                target = Where(
                    self._slot(f"s{value}{walk.storage}", slot),
                    dense(extent, walk.strides, source.item),
                    source.dtype,
                )
                yield from elementwise(
                    extent, "COPY", source, None, target, is_whole=source.dtype not in FLOATING
                )
                source = target
            yield from save(walk, tile, extent, source)
