# SPDX-License-Identifier: Apache-2.0
"""In which tiles an attention kernel goes through a device's memories: those that fit, and the fastest of them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from ...ir.graph import ITEM_BYTES
from ...machine.machine import Device, Machine
from ...machine.models import product_rates
from ..command import packed
from ..tile import Room
from ..tiling import MOST_COMMANDS
from ..timer import ListTimer
from ..vector.transfer import LARGEST, Homes
from .attention import Attention, AttentionTiling, Unit
from .program import attention_commands, places, units

TIMED = 6
"""Tilings that the device's own model times; the estimate ranks them."""
COMMAND_CYCLES = 12
"""That a command takes which waits for the one before it."""
STEP = 1 << 32
"""From one operand's place to the next, where lists are only timed."""


class AttentionChooser:
    """The fastest tilings of attention kernels on devices of a machine; equal kernels are looked at once."""

    def __init__(self, machine: Machine, timer: ListTimer):
        self.machine, self.timer = machine, timer
        self._chosen: dict[object, tuple[AttentionTiling, int] | None] = {}

    @staticmethod
    def fits(attention: Attention, room: Room) -> bool:
        """Whether there is a tile that takes no more."""
        return any(_fitting(attention, {}, room))

    def choose(
        self, attention: Attention, homes: Homes, team: Sequence[Device], room: Room
    ) -> tuple[AttentionTiling, int] | None:
        """The tiling and its cycles on a team; None where not even the smallest tile fits the room, or its arrays
        multiply no such type."""
        if attention.dtype not in product_rates(team[0].parameters):
            return None
        own, homes = attention.anonymous(), attention.homes(homes)
        case = (own, tuple(homes.items()), team[0].kind, len(team), room)
        if case not in self._chosen:
            found = sorted(
                _fitting(own, homes, room),
                key=lambda tiling: _estimate(own, tiling, homes, self.machine, team),
            )
            timed = [(tiling, self._cycles(own, tiling, homes, team, room)) for tiling in found[:TIMED]]
            self._chosen[case] = min(timed, key=lambda each: each[1], default=None)
        return self._chosen[case]

    def _cycles(
        self, own: Attention, tiling: AttentionTiling, homes: Homes, team: Sequence[Device], room: Room
    ) -> int:
        ram = {
            name: self.machine.ram.origin + number * STEP
            for number, name in enumerate(("query", "key", "value", "mask", "out"), 1)
        }
        # What lies in the scratchpad is behind the room for tiles.
        lists = []
        for number, device in enumerate(team):
            places = ram | {name: device.base << 32 | address for name, address in homes.items()}
            commands = attention_commands(own, tiling, homes, 0, 0, (number, len(team)))
            if commands:
                lists.append((device, packed(commands, places.__getitem__)))
        return self.timer.cycles([device for device, _ in lists], [each for _, each in lists])


def _fitting(attention: Attention, homes: Homes, room: Room) -> Iterator[AttentionTiling]:
    for tiling in _tilings(attention):
        needed = places(attention, tiling, homes)
        rows = tiling.heads * tiling.group * tiling.queries
        if (
            needed.scratchpad_bytes <= room.scratchpad_bytes
            and needed.accumulator_bytes <= room.accumulator_bytes
            and max(rows, tiling.keys) <= LARGEST
            and 16 * len(units(attention, tiling)) <= MOST_COMMANDS
        ):
            yield tiling


def _tilings(attention: Attention) -> Iterator[AttentionTiling]:
    """All heads and queries at once, or of one head fewer and fewer queries, keys, or both."""
    for slots in (2, 1):
        for heads in _halves(attention.heads, 1):
            yield AttentionTiling(heads, attention.group, attention.queries, attention.keys, slots)
        for queries in _halves(attention.queries, 8):
            for keys in _halves(attention.keys, 32):
                for group in {1, attention.group} if queries == attention.queries else {1}:
                    yield AttentionTiling(1, group, queries, keys, slots)


def _halves(size: int, least: int) -> list[int]:
    """The size, and what it is cut into by 2, 3, 4, 6, 8... as equally as can be, none smaller than `least`."""
    counts = sorted({base << power for base in (1, 3) for power in range(size.bit_length())})
    return list(dict.fromkeys(max(min(least, size), math.ceil(size / count)) for count in counts))


def _estimate(
    attention: Attention, tiling: AttentionTiling, homes: Homes, machine: Machine, team: Sequence[Device]
) -> float:
    """Cycles, as if the units worked side by side but for a start of each."""
    parameters, ram = team[0].parameters, machine.ram.timing
    todo = units(attention, tiling)
    array = sum(_array_cycles(attention, unit, parameters) for unit in todo)
    vector = sum(_vector_cycles(attention, unit, parameters) for unit in todo)
    tiles = todo[-1].number + 1
    moved = _moved(attention, tiling, homes, todo)
    memory = moved / (ram["bytes_per_cycle"] * ram["channels"]) + ram["latency_cycles"]
    share = 1 / min(len(team), tiles)
    first = (array + vector + memory) / len(todo)
    if tiling.slots == 1:
        return (array + vector) * share + memory + first
    return max((array + first) * share, (vector + first) * share, memory) + first


def _array_cycles(attention: Attention, unit: Unit, parameters: Mapping[str, int]) -> int:
    tall, wide, keys = parameters["rows"], parameters["columns"], unit.keys[1] - unit.keys[0]
    rate = product_rates(parameters)[attention.dtype]

    def product(m: int, n: int, k: int) -> int:
        k = -(-k // rate)
        if parameters["dataflow"] == 1:
            return -(-n // wide) * -(-m // tall) * max(k, tall)
        return -(-n // wide) * -(-k // tall) * max(m, tall)

    return unit.heads * (
        product(unit.rows, keys, attention.depth) + product(unit.rows, attention.width, keys)
    )


def _vector_cycles(attention: Attention, unit: Unit, parameters: Mapping[str, int]) -> int:
    lanes, special, keys = parameters["lanes"], parameters["special_lanes"], unit.keys[1] - unit.keys[0]
    rows = unit.heads * unit.rows
    if unit.is_whole:
        return rows * max(3 * -(-keys // lanes), -(-keys // special)) + 3 * COMMAND_CYCLES
    elements = rows * keys
    passes = 2 * rows * -(-keys // lanes) + -(-elements // special)
    passes += -(-elements // lanes) if attention.mask else 0
    return passes + -(-rows * attention.width // lanes) + 8 * COMMAND_CYCLES


def _moved(attention: Attention, tiling: AttentionTiling, homes: Homes, todo: Sequence[Unit]) -> int:
    """Bytes from RAM and to it."""
    tiles = todo[-1].number + 1
    rows = math.prod(attention.lead) * attention.queries
    total = rows * (attention.item * attention.depth + ITEM_BYTES[attention.out.dtype] * attention.width)
    stays = tiling.keys >= attention.keys
    turns = tiles if not stays else tiles // max(1, _turns_of_a_head(attention, tiling))
    of_keys = {"key": attention.depth, "value": attention.width}
    for name, width in of_keys.items():
        if getattr(attention, name).storage not in homes:
            seen = (
                sum(unit.loaded[1] - unit.loaded[0] for unit in todo) if not stays else turns * attention.keys
            )
            total += attention.item * tiling.heads * width * seen
    if attention.mask and attention.mask.storage not in homes:
        total += ITEM_BYTES[attention.mask.dtype] * rows * attention.keys
    return total


def _turns_of_a_head(attention: Attention, tiling: AttentionTiling) -> int:
    """Tiles of queries that follow each other with the same keys."""
    return -(-attention.queries // tiling.queries) * -(-attention.group // tiling.group)
