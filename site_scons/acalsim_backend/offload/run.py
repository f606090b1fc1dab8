# SPDX-License-Identifier: Apache-2.0
"""Kernels of a device that follow each other as one program: what stays in the scratchpad, and the lists.

Tensors that are born and die within a run lie in the scratchpad where they fit there: no STORE brings them to
RAM, no LOAD back. Parameters that several of its kernels read are loaded once. What is left of both memories is
used in turn by kernel after kernel, so that the next one's operands are loaded while this one computes.
"""

from __future__ import annotations

import math
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
from .decide import Offloaded, Target, within
from .layout import layout
from .order import ordered
from .places import at_home, spread
from .product import Lowering, Product
from .sharing import shared
from .tile import Room, Tiling
from .variants import Variant, variants
from .vector.program import Parts, commands
from .vector.steps import Unfit
from .vector.transfer import Homes

LEAST_SHARED_BYTES = 1024
"""Of a parameter that several kernels read: a smaller one is as well loaded by each."""
TRIED = (96,)
"""The orders in which a variant is timed; see order.py."""
MOST_TRIED = 10_000
"""Commands of a run of which variants are tried."""
DIVISIONS = (4, 2)
"""Which part of the scratchpad is always left for blocks."""
EARLY = 4
"""Kernels before the one that needs a shared parameter, from which on there is room for it."""
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
    """Kernels that one command list computes, by name, in order; and what lies in the scratchpad meanwhile.

    What is `kept` is in RAM as well, as soon as the last kernel has written to it.
    """

    kernels: tuple[str, ...]
    homes: Homes
    kept: frozenset[str] = frozenset()
    commands: tuple[Command, ...] = ()
    """All of the list in its order, as soon as it is known where in RAM everything lies."""


def plan_run(
    target: Target,
    lowering: Lowering,
    works: Sequence[Work],
    sizes: Mapping[str, int],
    outside: Collection[str],
    params: Collection[str],
    keepable: Collection[str] = (),
) -> tuple[Run, dict[str, Offloaded]]:
    """`sizes` are the bytes of storages; those `outside` are needed by others, too, and stay in RAM.

    Of `params`, which are among these, there may be a copy in the scratchpad, and of what is `keepable`, which only
    the run writes.
    """
    names = tuple(work.kernel.name for work in works)
    reads = Counter(name for work in works for name in work.reads)
    shared = {name for name in params if reads[name] > 1 and sizes[name] >= LEAST_SHARED_BYTES}
    tables = {name for work in works for part in work.parts or () for name in part.tables}
    tables |= {name for work in works for name in _repeated(work, lowering)}
    outside, shared = {*outside, *tables}, shared - tables
    kept = {name for name in keepable if reads[name]} - tables
    best: tuple[Found, _Writer] | None = None
    for part in DIVISIONS:
        homes, stream = _homes(target, works, sizes, {*outside} - shared - kept, shared, part)
        fetched = {name: sizes[name] for name in homes if name in shared}
        saved = {name: sizes[name] for name in homes if name in kept}
        writer = _Writer(target, lowering, homes, stream, fetched, saved)
        if best and (best[0].cycles is None or best[1].homes == homes):
            continue
        found = _found(writer, works, sizes, best[0].variant if best else None)
        if found and (best is None or (found.cycles or 0) < (best[0].cycles or 0)):
            best = found, writer
    if best is None:
        whole = int(target.devices[0].parameters["scratchpad_bytes"])
        writer = _Writer(target, lowering, {}, whole, {}, {})
        return Run(names, {}), writer.write(works, Variant())
    return Run(names, best[1].homes, frozenset(best[1].saved)), best[0].lists


def _repeated(work: Work, lowering: Lowering) -> set[str]:
    """The storages of a product's operands that are elements repeated: a LOAD from RAM lays them side by side."""
    product = None if work.parts is not None or work.attention else lowering.product(work.kernel)
    return {each.storage for each in (product.a, product.b) if each.repeats} if product else set()


@dataclass(frozen=True)
class Found:
    """The lists of a run in some variant, and its time unless the run is too long to try others."""

    lists: dict[str, Offloaded]
    variant: Variant
    cycles: int | None


def _found(
    writer: _Writer, works: Sequence[Work], sizes: Mapping[str, int], variant: Variant | None
) -> Found | None:
    """In that variant; without one in the best of all. None if nothing fits."""
    places = spread(sizes, writer.target.machine.ram.origin)

    def place(address: Address) -> int:
        if address.storage in writer.homes and not address.in_ram:
            return at_home(writer.device.base, writer.homes[address.storage] + address.offset)
        return places[address.storage] + address.offset

    def made(variant: Variant) -> Found | None:
        try:
            lists = writer.write(works, variant)
        except Unfit:
            return None
        commands = [mine for each in lists.values() for _, mine in each.lists]
        if sum(map(len, commands)) > MOST_TRIED:
            return Found(lists, variant, None)
        timed = ordered(commands, place, writer.device, writer.target.timer, TRIED)
        return Found(lists, variant, timed.cycles)

    if variant:
        return made(variant)
    first = made(Variant())
    if first is None or first.cycles is None:
        return first
    found = [first, *filter(None, map(made, [each for each in variants() if each != Variant()]))]
    best = min(found, key=_cycles)
    return min(best, made(replace(best.variant, whole=True)) or best, key=_cycles)


def _cycles(found: Found) -> float:
    return math.inf if found.cycles is None else found.cycles


def _homes(
    target: Target,
    works: Sequence[Work],
    sizes: Mapping[str, int],
    outside: Collection[str],
    early: Collection[str],
    part: int,
) -> tuple[dict[str, int], int]:
    """The addresses of what stays in the scratchpad, and the bytes before it that are left for blocks.

    These are at least 1 / `part` of all.
    """
    lives: dict[str, Lifetime] = {}
    for index, work in enumerate(works):
        for name in sorted(work.reads | work.writes):
            before = lives.get(name)
            first = before.first if before else index
            if name in early and not before:
                first = max(0, index - EARLY)
            lives[name] = Lifetime(name, sizes[name], first, index)
    whole = int(target.devices[0].parameters["scratchpad_bytes"])
    limit = whole - aligned(whole // part)
    own = [life for name, life in lives.items() if name not in outside and 0 < life.size_bytes <= limit]
    own.sort(key=lambda each: (each.size_bytes * (each.last - each.first + 1), each.name))
    chosen = _fitting([], own, limit)
    stream = whole - _peak(chosen)
    return {name: stream + offset for name, offset in assign_offsets(chosen).items()}, stream


def _fitting(chosen: list[Lifetime], others: list[Lifetime], limit: int) -> list[Lifetime]:
    """`chosen` and those of the others that fit into `limit` bytes beside them, the first ones first.

    Halves are tried as wholes: where all fits, memory is planned once.
    """
    if not others or _peak([*chosen, *others]) <= limit:
        return [*chosen, *others]
    if len(others) == 1:
        return chosen
    middle = len(others) // 2
    return _fitting(_fitting(chosen, others[:middle], limit), others[middle:], limit)


def least_stream(scratchpad_bytes: int) -> int:
    """The bytes of a scratchpad that are always left for blocks."""
    return aligned(scratchpad_bytes // DIVISIONS[0])


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
    """`fetched` are the bytes of what is brought home by whoever reads it first, `saved` of what goes to RAM as well."""

    def __init__(
        self,
        target: Target,
        lowering: Lowering,
        homes: Homes,
        stream: int,
        fetched: Mapping[str, int],
        saved: Mapping[str, int],
    ):
        self.target, self.lowering, self.homes, self.stream = target, lowering, homes, stream
        self.to_fetch, self.saved = fetched, saved
        self.device = target.devices[0]
        self.sums = int(self.device.parameters["accumulator_bytes"])
        self._rooms = (Room(stream, self.sums), Room(stream // 2, self.sums // 2))

    def write(self, works: Sequence[Work], variant: Variant) -> dict[str, Offloaded]:
        self.variant, self.fetched = variant, dict(self.to_fetch)
        self.scratchpad_ring, self.sums_ring = _Ring(self.stream), _Ring(self.sums)
        found = {}
        last = {name: work.kernel.name for work in works for name in work.writes & self.saved.keys()}
        for work in works:
            loads = [self._fetch(name) for name in sorted(work.reads & self.fetched.keys())]
            own = self._offloaded(work)
            ((device, mine),) = own.lists
            saves = [
                self._whole("COMMAND_SAVE", name, size)
                for name, size in self.saved.items()
                if last[name] == work.kernel.name
            ]
            found[work.kernel.name] = replace(own, lists=((device, (*loads, *mine, *saves)),))
        return found

    def _offloaded(self, work: Work) -> Offloaded:
        if work.parts is not None:
            return self._vector(work.kernel, work.parts)
        return self._attention(work.kernel, work.attention) if work.attention else self._product(work.kernel)

    def _fetch(self, name: str) -> Command:
        """Brings a parameter home."""
        return self._whole("COMMAND_LOAD", name, self.fetched.pop(name))

    def _whole(self, code: str, name: str, size: int) -> Command:
        """Moves all of a storage between its home and its place in RAM."""
        fields = {"a": self.homes[name], "planes": 1, "rows": 1, "row_bytes": size}
        return Command(code, fields, Address(name, 0, in_ram=True))

    def _vector(self, kernel: Kernel, parts: Parts) -> Offloaded:
        cuts = bool(self.variant.fine)
        try:
            size = self.stream // 2
            used = commands(parts, self.homes, 0, size, cuts=cuts)[1]
        except Unfit:
            size = self.stream
            used = commands(parts, self.homes, 0, size, cuts=cuts)[1]
        found, _ = commands(parts, self.homes, self.scratchpad_ring.take(used), size, cuts=cuts)
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
        by_both = self._shared(product, kernel.name)
        if by_both:
            return by_both
        tiling, cycles = self._tiling(product, kernel.name)
        product, moved = self.target.packed_for(product, tiling)
        places = layout(product, tiling)
        base = self.scratchpad_ring.take(places.scratchpad_bytes)
        sums = self.sums_ring.take(places.accumulator_bytes)
        found: Sequence[Command] = program(product, tiling, base=base, sums=sums)
        return Offloaded(product, tiling, ((self.device, tuple(found)),), cycles, moved)

    def _shared(self, product: Product, name: str) -> Offloaded | None:
        """A depthwise convolution by the vector unit or both, where that is faster than by the array."""
        if name in self.target.choices:
            return None
        whole, half = (self.target.share(product, room) for room in self._rooms)
        best = _cheaper(whole, half)
        if best is None or best[1] >= self._tiling(product, name)[1]:
            return None
        sharing, cycles = best
        size = self._rooms[best is half].scratchpad_bytes
        needed = shared(product, sharing, size)
        assert needed, "it was timed"
        base = self.scratchpad_ring.take(needed.scratchpad_bytes)
        found = shared(product, sharing, size, base, self.sums_ring.take(needed.accumulator_bytes))
        assert found, "it does not depend on where it lies"
        return Offloaded(product, None, ((self.device, tuple(found.commands)),), cycles, {})

    def _tiling(self, product: Product, name: str) -> tuple[Tiling, int]:
        team = self.target.devices[:1]
        whole, half = (self.target.choose(product, name, team, room) for room in self._rooms)
        best = whole if self.variant.whole and whole else _cheaper(whole, half)
        if best is None:
            raise Unfit(f"no block of '{name}' fits what is left of the device's memories")
        if name in self.target.choices:
            return best
        device = within(self.device, self._rooms[best is not whole])
        return self.variant.tiling(product, best[0], device), best[1]

    def _at_home(self, product: Product) -> Product:
        b = replace(product.b, home=self.homes.get(product.b.storage))
        results = tuple(
            replace(each, tile=replace(each.tile, home=self.homes.get(each.tile.storage)))
            for each in product.results
        )
        residual = product.residual
        if residual:
            residual = replace(residual, home=self.homes.get(residual.storage))
        a = replace(product.a, home=self.homes.get(product.a.storage))
        return replace(product, a=a, b=b, results=results, residual=residual)
