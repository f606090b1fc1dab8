# SPDX-License-Identifier: Apache-2.0
"""Pass `order`: the list of each run in the order in which the device is served best."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ..alignment import aligned
from ..offload.command import Address
from ..offload.decide import Offloaded
from ..offload.order import Ordered, Place, ordered
from ..offload.places import at_home
from ..offload.run import Run
from ..offload.vector.transfer import Homes
from .memory import CODE_RESERVE_BYTES, high_weights, list_bytes
from .plan import Plan

PAGE = 0x1000
"""Segments of the ELF begin at multiples of it."""
SECTIONS = ".weights", ".inputs", ".buffers", ".outputs"
"""In the order in which the linker script has them, behind the code and the lists; weights may come last."""


def order(plan: Plan) -> Plan:
    """Adds the commands of each run, and the cycles that the devices' model foretells for each kernel."""
    starts = _starts(plan)
    place = _places(plan, starts, {})
    runs, offloaded = [], {name: _timed(plan, each, place) for name, each in plan.offloaded.items()}
    for run in plan.runs:
        found = _ordered(plan, run, _places(plan, starts, run.homes))
        runs.append(replace(run, commands=found.commands))
        for number, name in enumerate(run.kernels, 1):
            cycles = found.by_op.get(number, 0) + (found.by_op.get(0, 0) if number == 1 else 0)
            offloaded[name] = replace(offloaded[name], cycles=cycles)
    return replace(plan, runs=tuple(runs), offloaded=offloaded)


def _ordered(plan: Plan, run: Run, place: Place) -> Ordered:
    lists = [mine for name in run.kernels for _, mine in plan.offloaded[name].lists]
    return ordered(lists, place, plan.target.devices[0], plan.target.timer)


def _timed(plan: Plan, offloaded: Offloaded, place: Place) -> Offloaded:
    """What a team does of a kernel by itself; of a run's kernels only the whole list tells."""
    if plan.target.makes_runs:
        return offloaded
    devices = [device for device, _ in offloaded.lists]
    lists = [b"".join(each.at(place) for each in mine) for _, mine in offloaded.lists]
    return replace(offloaded, cycles=plan.target.timer.cycles(devices, lists))


def _places(plan: Plan, starts: Mapping[str, int], homes: Homes) -> Place:
    """Of each address of a command, where in RAM it about is, or in the scratchpad of a device that keeps `homes`."""
    origin = plan.target.machine.ram.origin

    def place(address: Address) -> int:
        if address.storage in homes and not address.in_ram:
            return at_home(plan.target.devices[0].base, homes[address.storage] + address.offset)
        found = plan.places[address.storage]
        return origin + starts[found.symbol] + found.offset + address.offset

    return place


def _starts(plan: Plan) -> dict[str, int]:
    """Where each object of the program will about lie in RAM: the linker puts one behind the other."""
    starts, end, high = dict[str, int](), CODE_RESERVE_BYTES + list_bytes(plan), high_weights(plan)
    for section in SECTIONS[1:] + SECTIONS[:1] if high else SECTIONS:
        end = -(-end // PAGE) * PAGE if section == ".inputs" else aligned(end)
        if high and section == ".weights":
            end = high - plan.target.machine.ram.origin
        for place in plan.places.values():
            if place.section == section and place.symbol not in starts:
                starts[place.symbol] = end
                end += aligned(place.size_bytes) if section == ".weights" else plan.blocks[section]
    return starts
