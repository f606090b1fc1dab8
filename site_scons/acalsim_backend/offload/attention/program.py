# SPDX-License-Identifier: Apache-2.0
"""The command list of an attention kernel.

Queries go tile by tile through all tiles of their keys. Where one tile has all keys of a row, the vector unit
makes a whole softmax of it. Else it keeps each row's largest score and sum so far, and scales what is summed up
so far by exp(largest before - largest now) (Milakov, Gimelshein, "Online normalizer calculation for softmax",
2018; Dao et al., "FlashAttention", 2022). The scores of a tile are computed while the vector unit is at work on
those of the tile before.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

from ...alignment import aligned
from ...ir.graph import ITEM_BYTES
from ..command import Address, Command
from ..command_list import Slots
from ..operand import Range
from ..tiling import blocks_of
from ..vector.emit import elementwise, row_command
from ..vector.part import Step, Walk
from ..vector.transfer import Homes, Where, dense, home, level, load, split
from .attention import Attention, AttentionTiling, Unit

LOWEST = -3.4028234663852886e38
"""The largest score of a row before any is known: exp(hidden - LOWEST) is 0 and no NaN."""
LEAST = 1.1754943508222875e-38
"""A sum that is no larger is one of nothing."""
STATE = ("largest", "before", "sum", "factor")
"""Numbers of each row of queries that goes through several tiles of keys."""


@dataclass(frozen=True)
class Places:
    """Where each area begins, and the bytes of one of its slots; scratchpad and accumulator memory."""

    offsets: dict[str, int]
    slot_bytes: dict[str, int]
    scratchpad_bytes: int
    accumulator_bytes: int


def places(attention: Attention, tiling: AttentionTiling, homes: Homes) -> Places:
    rows = tiling.heads * tiling.group * tiling.queries
    tile = (*(1 for _ in attention.lead[:-2]), tiling.heads, tiling.group)
    of_keys, of_queries = (*tile, tiling.keys), (*tile, tiling.queries)
    flash = tiling.keys < attention.keys
    sizes = {
        "key": _bytes(attention.key, (*of_keys, attention.depth), homes),
        "value": _bytes(attention.value, (*of_keys, attention.width), homes),
        "query": _bytes(attention.query, (*of_queries, attention.depth), homes),
        "mask": _bytes(attention.mask, (*of_queries, tiling.keys), homes),
        "weights": attention.item * rows * tiling.keys,
        "scaled": attention.item * rows * attention.depth if flash and attention.scale != 1 else 0,
        "state": aligned(4 * rows) * len(STATE) if flash else 0,
    }
    offsets, end = {}, 0
    for name, size in sizes.items():
        offsets[name] = end
        end += tiling.slots * aligned(size)
    sums = {"scores": aligned(4 * rows * tiling.keys), "out": aligned(4 * rows * attention.width)}
    offsets |= {"scores": 0, "out": tiling.slots * sums["scores"]}
    slot_bytes = {name: aligned(size) for name, size in sizes.items()} | sums
    return Places(offsets, slot_bytes, end, tiling.slots * sum(sums.values()))


def _bytes(walk: Walk | None, sizes: tuple[int, ...], homes: Homes) -> int:
    if walk is None or walk.storage in homes:
        return 0
    return ITEM_BYTES[walk.dtype] * math.prod(
        size for size, step in zip(sizes, walk.strides, strict=True) if step
    )


def units(attention: Attention, tiling: AttentionTiling, share: tuple[int, int] = (0, 1)) -> list[Unit]:
    """In order; `share` is (i, n) for the i-th of n equal shares of the tiles of queries."""
    lead = (
        *(blocks_of(size, 1) for size in attention.lead[:-2]),
        blocks_of(attention.heads, tiling.heads),
        blocks_of(attention.group, tiling.group),
    )
    tiles = list(itertools.product(*lead, blocks_of(attention.queries, tiling.queries)))
    number, parts = share
    mine = tiles[-(-len(tiles) * number // parts) : -(-len(tiles) * (number + 1) // parts)]
    found = []
    for turn, (*ranges, queries) in enumerate(mine):
        seen = attention.seen(*queries)
        for keys in (cuts := list(blocks_of(seen, tiling.keys))):
            loaded = (keys[0], min(keys[0] + tiling.keys, attention.keys))
            is_first, is_last = keys == cuts[0], keys == cuts[-1]
            found.append(Unit(tuple(ranges), queries, loaded, keys, is_first, is_last, turn))
    return found


def attention_commands(
    attention: Attention,
    tiling: AttentionTiling,
    homes: Homes,
    base: int = 0,
    sums: int = 0,
    share: tuple[int, int] = (0, 1),
) -> list[Command]:
    """`base` and `sums` are where its share of the scratchpad and of the accumulator memory begin."""
    return _Program(attention, tiling, homes, base, sums).write(units(attention, tiling, share))


class _Program:
    def __init__(self, attention: Attention, tiling: AttentionTiling, homes: Homes, base: int, sums: int):
        self.attention, self.tiling, self.homes = attention, tiling, homes
        self.places = places(attention, tiling, homes)
        self.starts = {"scores": sums, "out": sums}
        self.base = base
        self.held = {name: Slots(tiling.slots) for name in ("query", "key", "value", "mask")}
        self.commands: list[Command] = []

    def write(self, todo: list[Unit]) -> list[Command]:
        ahead = self.tiling.slots > 1
        for turn, unit in enumerate(todo):
            if not ahead or not turn:
                self._scores(unit, turn)
            if ahead and turn + 1 < len(todo):
                self._scores(todo[turn + 1], turn + 1)
            self._weigh(unit, turn)
            self._values(unit, turn)
        return self.commands

    # --- where things lie

    def _slot(self, name: str, number: int) -> int:
        start = self.starts.get(name, self.base) + self.places.offsets[name]
        return start + number % self.tiling.slots * self.places.slot_bytes[name]

    def _state(self, unit: Unit, name: str) -> Where:
        each = self.places.slot_bytes["state"] // len(STATE)
        return Where(self._slot("state", unit.number) + STATE.index(name) * each, (4, 0), "float32")

    def _tile(self, name: str, number: int, *sizes: int, dtype: str = "float32") -> Where:
        """A dense tile of an area."""
        strides = dense(sizes, _descending(sizes), ITEM_BYTES[dtype])
        return Where(self._slot(name, number), strides, dtype)

    def _operand(self, name: str, tile: tuple[Range, ...]) -> Where:
        """Where a tile of an operand lies; it is loaded unless it is there."""
        walk: Walk = getattr(self.attention, name)
        if walk.storage in self.homes:
            return home(walk, tile, self.homes)
        key = tuple(each for each, step in zip(tile, walk.strides, strict=True) if step)
        slot, missing = self.held[name].place(key)
        address = self._slot(name, slot)
        if missing:
            self.commands += load(walk, tile, address)
        sizes = [end - first if step else 1 for (first, end), step in zip(tile, walk.strides, strict=True)]
        return Where(address, dense(sizes, walk.strides, ITEM_BYTES[walk.dtype]), walk.dtype)

    # --- the steps of a unit

    def _scores(self, unit: Unit, turn: int) -> None:
        depth = (0, self.attention.depth)
        query = self._operand("query", (*unit.lead, unit.queries, depth))
        if self.places.slot_bytes["scaled"]:
            query = self._scaled(unit, query)
        key = self._operand("key", (*unit.lead, unit.loaded, depth))
        count = unit.keys[1] - unit.keys[0]
        *_, a_head, a_group, a_row, a_depth = query.strides
        *_, b_head, _, b_row, b_depth = key.strides
        for number in range(unit.heads):
            self._multiply(
                (unit.rows, count, self.attention.depth),
                {
                    "a": query.address + number * a_head,
                    "a_inner_stride": a_row or query.item,
                    "a_k_inner_stride": a_depth or query.item,
                    **self._grouped(unit, a_group),
                },
                {
                    "b": key.address + number * b_head,
                    "b_inner_stride": b_row or key.item,
                    "b_k_inner_stride": b_depth or key.item,
                },
                self._slot("scores", turn) + 4 * number * unit.rows * count,
            )

    def _grouped(self, unit: Unit, stride: int) -> dict[str, int]:
        """The outer level of A, where several heads share the keys."""
        first, end = unit.lead[-1]
        return (
            {"m_inner": unit.queries[1] - unit.queries[0], "a_outer_stride": stride}
            if end - first > 1
            else {}
        )

    def _scaled(self, unit: Unit, query: Where) -> Where:
        """The queries times the scale, once for all tiles of their keys."""
        sizes = self._sizes(unit, self.attention.depth)
        target = self._tile("scaled", unit.number, *sizes, dtype=query.dtype)
        if unit.is_first:
            source = Where(query.address, query.strides[-4:], query.dtype)
            self.commands += elementwise(sizes, "MULTIPLY", source, None, target, self.attention.scale)
        return target

    def _sizes(self, unit: Unit, last: int) -> tuple[int, int, int, int]:
        first, end = unit.lead[-1]
        return unit.heads, end - first, unit.queries[1] - unit.queries[0], last

    def _weigh(self, unit: Unit, turn: int) -> None:
        """Scores to weights of the values."""
        sizes = self._sizes(unit, unit.keys[1] - unit.keys[0])
        scores, weights = self._tile("scores", turn, *sizes), self._weights(turn, *sizes)
        mask = None
        if self.attention.mask:
            found = self._operand("mask", (*unit.lead, unit.queries, unit.keys))
            mask = Where(found.address, found.strides[-4:], found.dtype)
        if unit.is_whole:
            self._softmax(sizes, scores, mask, weights)
        else:
            self._running_softmax(unit, turn, mask)

    def _weights(self, turn: int, *sizes: int) -> Where:
        return self._tile("weights", turn, *sizes, dtype=self.attention.dtype)

    def _softmax(self, sizes: tuple[int, ...], scores: Where, mask: Where | None, weights: Where) -> None:
        scale = 1.0 if self.places.slot_bytes["scaled"] else self.attention.scale
        flags = ("FLAG_A_SUMS", *(("FLAG_SCALE",) if scale != 1 else ()), *(("FLAG_ADD",) if mask else ()))
        step = Step(
            "COMMAND_ROWS",
            "SAFE_SOFTMAX" if self.attention.safe else "SOFTMAX",
            0,
            weights.dtype,
            flags=flags,
            fields={"scale": scale} if scale != 1 else {},
        )
        self.commands += row_command(step, sizes, 1, scores, mask, weights, 0)

    def _running_softmax(self, unit: Unit, turn: int, mask: Where | None) -> None:
        sizes = self._sizes(unit, unit.keys[1] - unit.keys[0])
        if mask:
            scores = self._tile("scores", turn, *sizes)
            self.commands += elementwise(
                sizes, "ADD", scores, mask, scores, flags=("FLAG_A_SUMS", "FLAG_C_SUMS")
            )
        rows, count = math.prod(sizes[:-1]), sizes[-1]
        scores, weights = self._tile("scores", turn, rows, count), self._weights(turn, rows, count)
        largest, before, total, factor = (self._state(unit, name) for name in STATE)
        one = (rows, 1)
        if unit.is_first:
            self.commands += elementwise(one, "SECOND", largest, None, largest, LOWEST)
        else:
            self.commands += elementwise(one, "COPY", largest, None, before)
        self._reduce("MAX", (rows, count), scores, largest, ("FLAG_A_SUMS", "FLAG_ACCUMULATE"))
        self.commands += elementwise(
            (rows, count), "EXP_DIFFERENCE", scores, largest, weights, flags=("FLAG_A_SUMS",)
        )
        if not unit.is_first:
            self.commands += elementwise(one, "EXP_DIFFERENCE", before, largest, factor)
            self.commands += elementwise(one, "MULTIPLY", total, factor, total)
        self._reduce("SUM", (rows, count), weights, total, () if unit.is_first else ("FLAG_ACCUMULATE",))
        if not unit.is_first:
            out = self._tile("out", unit.number, rows, self.attention.width)
            self.commands += elementwise(
                (rows, self.attention.width),
                "MULTIPLY",
                out,
                factor,
                out,
                flags=("FLAG_A_SUMS", "FLAG_C_SUMS"),
            )

    def _reduce(
        self, function: str, sizes: tuple[int, int], source: Where, target: Where, flags: tuple[str, ...]
    ) -> None:
        step = Step("COMMAND_REDUCE", function, 0, "float32", flags=flags)
        self.commands += row_command(step, sizes, 1, source, None, target, 0)

    def _values(self, unit: Unit, turn: int) -> None:
        width, count = self.attention.width, unit.keys[1] - unit.keys[0]
        value = self._operand("value", (*unit.lead, unit.loaded, (0, width)))
        *_, b_head, _, b_row, b_column = value.strides
        item = self.attention.item
        for number in range(unit.heads):
            self._multiply(
                (unit.rows, width, count),
                {
                    "a": self._slot("weights", turn) + item * number * unit.rows * count,
                    "a_inner_stride": item * count,
                    "a_k_inner_stride": item,
                },
                {
                    "b": value.address + number * b_head,
                    "b_inner_stride": b_column or item,
                    "b_k_inner_stride": b_row or item,
                },
                self._slot("out", unit.number) + 4 * number * unit.rows * width,
                () if unit.is_first else ("FLAG_ACCUMULATE",),
            )
        if unit.is_last:
            self.commands += self._stores(unit)

    def _multiply(
        self,
        sizes: tuple[int, int, int],
        a: dict[str, int],
        b: dict[str, int],
        c: int,
        flags: tuple[str, ...] = (),
    ) -> None:
        m, n, k = sizes
        fields = {"m": m, "n": n, "k": k, **a, **b, "c": c, "c_row_stride": 4 * n}
        kind = f"TYPE_{self.attention.dtype.upper()}"
        self.commands.append(Command("COMMAND_MATMUL", fields, type=kind, flags=flags))

    def _stores(self, unit: Unit) -> Iterator[Command]:
        """Brings the rows to where they belong, divided by their sums where these are not yet in the weights."""
        walk, width = self.attention.out, self.attention.width
        tile, item = (*unit.lead, unit.queries, (0, width)), ITEM_BYTES[walk.dtype]
        sizes = self._sizes(unit, width)
        local = dense(sizes, _descending(sizes), 4)
        dims = level(
            [
                (size, (item * far, near))
                for size, far, near in zip(sizes, walk.strides[-4:], local, strict=True)
            ]
        )
        run = dims.pop()[0] if dims and dims[-1][1] == (item, 4) else 1
        first = walk.offset + sum(begin * step for (begin, _), step in zip(tile, walk.strides, strict=True))
        own = {} if unit.is_whole else {"b": self._inverse(unit)}
        scale = self.attention.result_scale
        chosen = {"FLAG_SCALE_ROWS": not unit.is_whole, "FLAG_SCALE_RESULT": scale != 1}
        flags = tuple(name for name, is_set in chosen.items() if is_set)
        for part, (far, near) in split(dims, 2, (item * first, 0)):
            padded = [(1, (0, 0))] * (2 - len(part)) + list(part)
            (planes, (plane, _)), (rows, (row, _)) = padded
            fields = {
                "m": planes * rows * run // width,
                "n": width,
                "c": self._slot("out", unit.number) + near,
                "c_row_stride": 4 * width,
                "planes": planes,
                "rows": rows,
                "row_bytes": item * run,
                "dram_plane_stride": plane,
                "dram_row_stride": row,
                **{name: start + near // width for name, start in own.items()},
                **({"high": scale} if scale != 1 else {}),
            }
            kind = f"TYPE_{walk.dtype.upper()}"
            yield Command("COMMAND_STORE", fields, Address(walk.storage, far), kind, flags)

    def _inverse(self, unit: Unit) -> int:
        """1 / sum of each row."""
        total, factor = self._state(unit, "sum"), self._state(unit, "factor")
        rows = (unit.heads * unit.rows, 1)
        if self.attention.safe:
            self.commands += elementwise(rows, "MAXIMUM", total, None, total, LEAST)
        self.commands += elementwise(rows, "RECIPROCAL", total, None, factor)
        return factor.address


def _descending(sizes: tuple[int, ...]) -> range:
    """Strides of which each is larger than those behind it."""
    return range(len(sizes), 0, -1)
