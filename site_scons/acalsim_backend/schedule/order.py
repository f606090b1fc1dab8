# SPDX-License-Identifier: Apache-2.0
"""Pass `order`: the list of each run in the order in which the device is served best."""

from __future__ import annotations

from dataclasses import replace

from ..offload.command import Address
from ..offload.order import Ordered, ordered
from ..offload.places import at_home
from ..offload.run import Run
from .plan import Plan

APART = 1 << 32
"""Bytes between the objects of the program, whose places the linker chooses."""


def order(plan: Plan) -> Plan:
    """Adds the commands of each run, and the cycles that the device's model foretells for each of its kernels."""
    runs, offloaded = [], dict(plan.offloaded)
    for run in plan.runs:
        found = _ordered(plan, run)
        runs.append(replace(run, commands=found.commands))
        for number, name in enumerate(run.kernels, 1):
            cycles = found.by_op.get(number, 0) + (found.by_op.get(0, 0) if number == 1 else 0)
            offloaded[name] = replace(offloaded[name], cycles=cycles)
    return replace(plan, runs=tuple(runs), offloaded=offloaded)


def _ordered(plan: Plan, run: Run) -> Ordered:
    device, origin = plan.target.devices[0], plan.target.machine.ram.origin
    symbols = {place.symbol: number for number, place in enumerate(plan.places.values(), 1)}

    def place(address: Address) -> int:
        if address.storage in run.homes and not address.in_ram:
            return at_home(device.base, run.homes[address.storage] + address.offset)
        found = plan.places[address.storage]
        return origin + symbols[found.symbol] * APART + found.offset + address.offset

    lists = [mine for name in run.kernels for _, mine in plan.offloaded[name].lists]
    return ordered(lists, place, device, plan.target.timer)
