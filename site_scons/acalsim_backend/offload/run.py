# SPDX-License-Identifier: Apache-2.0
"""Kernels of a device that follow each other as one program: what stays in the scratchpad, and the lists.

Tensors that are born and die within a run lie in the scratchpad where they fit there: no STORE brings them to
RAM, no LOAD back. Parameters that several of its kernels read are loaded once. What is left of both memories is
used in turn by kernel after kernel, so that the next one's operands are loaded while this one computes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from ..alignment import aligned
from ..arena import Lifetime, assign_offsets
from ..errors import PlanError
from ..ir.kernel import Kernel
from .attention.attention import Attention
from .attention.program import attention_commands, places
from .command import Address, Command
from .command_list import program
from .decide import Offloaded, Target
from .layout import layout
from .operand import Matrix
from .product import Lowering, Product
from .tile import Room, Tiling
from .vector.program import Parts, commands
from .vector.steps import Unfit
from .vector.transfer import Homes

LEAST_SHARED_BYTES = 1024
"""Of a parameter that several kernels read: a smaller one is as well loaded by each."""
OVERLAP_CYCLES = 400
"""What it is worth to a kernel that the one before and the one behind it may overlap with it."""


@dataclass(frozen=True)
class Work:
    """A kernel of a run: a product, parts for the vector unit or attention; and the storages that it touches."""

    kernel: Kernel
    parts: Parts | None
    attention: Attention | None
    reads: frozenset[str]
    writes: frozenset[str]


@dataclass(frozen=True)
class Run:
    """Kernels that one command list computes, by name, in order; and what lies in the scratchpad meanwhile."""

    kernels: tuple[str, ...]
    homes: Homes


def plan_run(
    target: Target,
    lowering: Lowering,
    works: Sequence[Work],
    sizes: Mapping[str, int],
    outside: Collection[str],
    params: Collection[str],
) -> tuple[Run, dict[str, Offloaded]]:
    """`sizes` are the bytes of storages; those `outside` are needed by others, too, and stay in RAM.

    Of `params`, which are among these, there may be a copy in the scratchpad.
    """
    names = tuple(work.kernel.name for work in works)
    reads = Counter(name for work in works for name in work.reads)
    shared = {name for name in params if reads[name] > 1 and sizes[name] >= LEAST_SHARED_BYTES}
    homes, stream = _homes(target, works, sizes, {*outside} - shared)
    fetched = {name: sizes[name] for name in homes if name in shared}
    try:
        return Run(names, homes), _Writer(target, lowering, homes, stream, fetched).write(works)
    except Unfit:
        whole = int(target.devices[0].parameters["scratchpad_bytes"])
        return Run(names, {}), _Writer(target, lowering, {}, whole, {}).write(works)


def _homes(
    target: Target, works: Sequence[Work], sizes: Mapping[str, int], outside: Collection[str]
) -> tuple[dict[str, int], int]:
    """The addresses of what stays in the scratchpad, and the bytes before it that are left for blocks."""
    lives: dict[str, Lifetime] = {}
    for index, work in enumerate(works):
        for name in sorted(work.reads | work.writes):
            before = lives.get(name)
            first = before.first if before else index
            lives[name] = Lifetime(name, sizes[name], first, index)
    whole = int(target.devices[0].parameters["scratchpad_bytes"])
    limit = whole - least_stream(whole)
    chosen: list[Lifetime] = []
    own = [life for life in lives.values() if life.name not in outside and life.size_bytes]
    for life in sorted(own, key=lambda each: (each.size_bytes * (each.last - each.first + 1), each.name)):
        if life.size_bytes <= limit and _peak([*chosen, life]) <= limit:
            chosen.append(life)
    stream = whole - _peak(chosen)
    return {name: stream + offset for name, offset in assign_offsets(chosen).items()}, stream


def least_stream(scratchpad_bytes: int) -> int:
    """The bytes of a scratchpad that are always left for blocks."""
    return aligned(scratchpad_bytes // 4)


Chosen = TypeVar("Chosen", bound=tuple[object, int])


def _cheaper(whole: Chosen | None, half: Chosen | None) -> Chosen | None:
    """What takes half of the memories, where that costs hardly more, so that the kernels around it overlap."""
    return half if half and (whole is None or half[1] <= whole[1] + OVERLAP_CYCLES) else whole


def _peak(lives: Sequence[Lifetime]) -> int:
    offsets = assign_offsets(lives)
    return max((offsets[life.name] + aligned(life.size_bytes) for life in lives), default=0)


class _Ring:
    """Memory that is handed out piece by piece, from the front again where the end is reached."""

    def __init__(self, size: int):
        self.size, self.next = size, 0

    def take(self, size: int) -> int:
        start = self.next if self.next + size <= self.size else 0
        self.next = start + aligned(size)
        return start


class _Writer:
    """`fetched` are the bytes of what is brought home by whoever reads it first."""

    def __init__(
        self, target: Target, lowering: Lowering, homes: Homes, stream: int, fetched: Mapping[str, int]
    ):
        self.target, self.lowering, self.homes, self.stream = target, lowering, homes, stream
        self.fetched = dict(fetched)
        self.device = target.devices[0]
        self.sums = int(self.device.parameters["accumulator_bytes"])
        self.scratchpad_ring, self.sums_ring = _Ring(stream), _Ring(self.sums)
        self._rooms = (Room(stream, self.sums), Room(stream // 2, self.sums // 2))

    def write(self, works: Sequence[Work]) -> dict[str, Offloaded]:
        found = {}
        for work in works:
            loads = [self._fetch(name) for name in sorted(work.reads & self.fetched.keys())]
            own = self._offloaded(work)
            ((device, mine),) = own.lists
            found[work.kernel.name] = replace(own, lists=((device, (*loads, *mine)),))
        return found

    def _offloaded(self, work: Work) -> Offloaded:
        if work.parts is not None:
            return self._vector(work.kernel, work.parts)
        return self._attention(work.kernel, work.attention) if work.attention else self._product(work.kernel)

    def _fetch(self, name: str) -> Command:
        """Brings a parameter home."""
        fields = {"a": self.homes[name], "rows": 1, "row_bytes": self.fetched.pop(name)}
        return Command("COMMAND_LOAD", fields, Address(name, 0, in_ram=True))

    def _vector(self, kernel: Kernel, parts: Parts) -> Offloaded:
        try:
            size = self.stream // 2
            used = commands(parts, self.homes, 0, size)[1]
        except Unfit:
            size = self.stream
            used = commands(parts, self.homes, 0, size)[1]
        found, _ = commands(parts, self.homes, self.scratchpad_ring.take(used), size)
        return Offloaded(None, None, ((self.device, tuple(found)),), None, {})

    def _attention(self, kernel: Kernel, attention: Attention) -> Offloaded:
        team, choose = self.target.devices[:1], self.target.attention.choose
        chosen = _cheaper(*(choose(attention, self.homes, team, each) for each in self._rooms))
        if chosen is None:
            raise Unfit(f"no tile of '{kernel.name}' fits what is left of the device's memories")
        tiling, cycles = chosen
        needed = places(attention, tiling, self.homes)
        base = self.scratchpad_ring.take(needed.scratchpad_bytes)
        sums = self.sums_ring.take(needed.accumulator_bytes)
        found = attention_commands(attention, tiling, self.homes, base, sums)
        return Offloaded(None, None, ((self.device, tuple(found)),), cycles, {})

    def _product(self, kernel: Kernel) -> Offloaded:
        product = self.lowering.product(kernel)
        if product is None:
            raise PlanError(f"kernel '{kernel.name}' was given to a device that cannot compute it")
        product = self._at_home(product)
        tiling, cycles = self._tiling(product, kernel.name)
        product, moved = self.target.packed_for(product, tiling)
        places = layout(product, tiling)
        base = self.scratchpad_ring.take(places.scratchpad_bytes)
        sums = self.sums_ring.take(places.accumulator_bytes)
        found: Sequence[Command] = program(product, tiling, base=base, sums=sums)
        return Offloaded(product, tiling, ((self.device, tuple(found)),), cycles, moved)

    def _tiling(self, product: Product, name: str) -> tuple[Tiling, int]:
        team = self.target.devices[:1]
        chosen = _cheaper(*(self.target.choose(product, name, team, room) for room in self._rooms))
        if chosen is None:
            raise Unfit(f"no block of '{name}' fits what is left of the device's memories")
        return chosen

    def _at_home(self, product: Product) -> Product:
        def matrix(each: Matrix) -> Matrix:
            return replace(each, home=self.homes.get(each.storage))

        b = matrix(product.b) if isinstance(product.b, Matrix) else product.b
        results = tuple(
            replace(each, tile=replace(each.tile, home=self.homes.get(each.tile.storage)))
            for each in product.results
        )
        residual = product.residual
        if residual:
            residual = replace(residual, home=self.homes.get(residual.storage))
        return replace(product, a=matrix(product.a), b=b, results=results, residual=residual)
