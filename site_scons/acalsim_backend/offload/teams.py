# SPDX-License-Identifier: Apache-2.0
"""Which devices compute which kernels, and which of these at the same time.

One product is split by its blocks over a team of devices that are alike. Products that follow each other and
do not depend on each other may run side by side, each with a team of its own. They do so where the devices'
model says that this is faster than one after the other.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from ..ir.kernel import Kernel
from ..machine.machine import Device
from .decide import Offloaded, Target, Team, has_lanes
from .product import Lowering, Product
from .vector.steps import Unfit

Uses = tuple[set[str], set[str]]
"""The storages that a kernel reads and those that it writes."""
Offload = Callable[[Team], Offloaded]
"""What a team does of a kernel."""


@dataclass(frozen=True)
class Teams:
    """Kernels of one step run at the same time; `of` has the devices of each kernel that is not the CPU's."""

    steps: tuple[tuple[Kernel, ...], ...]
    of: Mapping[str, Team]

    @property
    def side_by_side(self) -> set[str]:
        """The names of kernels that are not alone in their step."""
        return {kernel.name for step in self.steps if len(step) > 1 for kernel in step}


def form_teams(
    kernels: Sequence[Kernel],
    uses: Sequence[Uses],
    lowering: Lowering,
    target: Target,
    others: Mapping[str, Offload] = MappingProxyType({}),
    loop_start: int | None = None,
) -> Teams:
    """The steps in order. `uses` are those of the kernels; of those that are no products `others` makes lists.

    Kernels before and from `loop_start` on are in different steps.
    """
    if len(target.devices) < 2:
        return Teams(
            tuple((kernel,) for kernel in kernels),
            {kernel.name: target.devices for kernel in kernels if kernel.device},
        )
    steps: list[tuple[Kernel, ...]] = []
    teams: dict[str, Team] = {}
    apart = kernels[loop_start].name if loop_start is not None else ""
    for run in _runs(kernels, uses, others, apart):
        if run[0].name in others:
            steps.append(tuple(run))
            teams[run[0].name] = _fastest(others[run[0].name], target)
            continue
        products = {
            kernel.name: product
            for kernel in run
            if kernel.device and (product := lowering.product(kernel)) is not None
        }
        rounds: list[dict[str, Team]] = [{kernel.name: ()} for kernel in run]
        if products:
            rounds = min(_rounds(run, products, target), key=lambda found: found[0])[1]
        by_name = {kernel.name: kernel for kernel in run}
        for chosen in rounds:
            steps.append(tuple(by_name[name] for name in chosen))
            teams |= {name: team for name, team in chosen.items() if team}
    return Teams(tuple(steps), teams)


def _fastest(offload: Offload, target: Target) -> Team:
    """Of all teams that have a vector unit and memories for it; the first device's alone where it has them."""
    best: tuple[int, Team] | None = None
    for group in _alike(target.devices):
        for team in _halves(group) if has_lanes(group[0]) else []:
            try:
                cycles = target.timed(offload(team))
            except Unfit:
                continue
            if best is None or cycles < best[0]:
                best = cycles, team
    return best[1] if best else target.devices[:1]


def _halves(group: Team) -> list[Team]:
    """All of them, half of these, a quarter..."""
    sizes = [len(group)]
    while sizes[-1] > 1:
        sizes.append(sizes[-1] // 2)
    return [group[:size] for size in sizes]


def _runs(
    kernels: Sequence[Kernel], uses: Sequence[Uses], vector: Collection[str], apart: str = ""
) -> list[list[Kernel]]:
    """Products of devices that follow each other and could all run at once; each other kernel alone.

    The kernel `apart` does not join those before it.
    """
    runs: list[list[Kernel]] = []
    read: set[str] = set()
    written: set[str] = set()
    for kernel, (reads, writes) in zip(kernels, uses, strict=True):
        if (
            runs
            and kernel.name != apart
            and kernel.device
            and runs[-1][-1].device
            and kernel.name not in vector
            and runs[-1][-1].name not in vector
            and not (writes & (read | written) or reads & written)
        ):
            runs[-1].append(kernel)
        else:
            runs.append([kernel])
            read, written = set(), set()
        read, written = read | reads, written | writes
    return runs


def _rounds(
    run: Sequence[Kernel], products: Mapping[str, Product], target: Target
) -> Iterator[tuple[int, list[dict[str, Team]]]]:
    """(cycles, the team of each kernel of each round) of every number of kernels side by side."""
    for side_by_side in range(1, min(len(run), len(target.devices)) + 1):
        shares = _shares(target.devices, side_by_side)
        total, rounds = 0, []
        for first in range(0, len(run), side_by_side):
            round_of = run[first : first + side_by_side]
            parts = shares if len(round_of) == side_by_side else _shares(target.devices, len(round_of))
            found = {
                kernel.name: best
                for kernel, devices in zip(round_of, parts, strict=True)
                if (best := _best_team(kernel, products[kernel.name], devices, target)) is not None
            }
            if len(found) < len(round_of):
                break
            total += max(cycles for cycles, _ in found.values())
            rounds.append({name: team for name, (_, team) in found.items()})
        else:
            yield total, rounds


def _shares(devices: Team, count: int) -> list[Team]:
    """The devices in `count` parts of adjacent ones, as equal as can be."""
    ends = [len(devices) * index // count for index in range(count + 1)]
    return [devices[first:end] for first, end in zip(ends, ends[1:], strict=False)]


def _best_team(kernel: Kernel, product: Product, devices: Team, target: Target) -> tuple[int, Team] | None:
    """The fastest of all alike of the devices, half of these, a quarter...; None if the product fits none."""
    best: tuple[int, Team] | None = None
    activates = any(result.epilogue.function for result in product.results)
    for group in _alike(devices):
        for team in _halves(group) if has_lanes(group[0]) or not activates else []:
            chosen = target.choose(product, kernel.name, team)
            if chosen and (best is None or chosen[1] < best[0]):
                best = (chosen[1], team)
    return best


def _alike(devices: Team) -> list[Team]:
    groups: dict[tuple[object, ...], list[Device]] = {}
    for device in devices:
        groups.setdefault(device.kind, []).append(device)
    return [tuple(group) for group in groups.values()]
