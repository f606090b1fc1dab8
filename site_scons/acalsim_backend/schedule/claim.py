# SPDX-License-Identifier: Apache-2.0
"""Pass `claim`: asks the user's rules which ops go to their devices, before anything else is decided of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import groupby

from ..cost.kernels import kernel_cycles
from ..errors import CostError
from ..ir.constants import Constants
from ..ir.graph import ACALSimIR
from ..ir.kernel import Kernel
from ..machine.machine import Device
from ..offload.command import Command, packed
from ..offload.decide import DRIVER_CYCLES
from ..offload.places import at_home, spread
from ..rules.claim import Elsewhere, claims
from ..rules.load import load_rules
from ..rules.pattern import Chain
from .plan import Plan

Place = Callable[[ACALSimIR], Plan]
"""A graph as far as it is placed on devices, without rules."""


def claim(plan: Plan, place: Place) -> Plan:
    """Adds the claims. What a claim is compared with is the same ops as a graph of their own."""
    rules = load_rules(plan.target.machine)
    if not rules:
        return plan
    known: dict[str, Elsewhere | None] = {}

    def price(chain: Chain) -> Elsewhere | None:
        ir = alone(plan.ir, chain)
        key = str(ir).replace(chain.last.name, "")
        if key not in known:
            known[key] = _elsewhere(place(ir))
        return known[key]

    return replace(plan, claims=claims(plan.ir, rules, price, plan.target.choices.keys()))


def alone(ir: ACALSimIR, chain: Chain) -> ACALSimIR:
    """A graph of a chain alone, whose operands are inputs or the parameters that they are."""
    own = ACALSimIR(ir.name)
    for op in chain.span:
        for name in (*op.inputs, *op.outputs):
            desc = ir.tensors[name]
            is_made = name in chain.inside or name in chain.last.outputs
            own.tensors[name] = replace(desc, is_input=not (is_made or desc.is_param), is_output=False)
        own.add_op(op)
    own.constants = Constants({name: ir.constants[name] for name in own.params if name in ir.constants})
    own.set_outputs(chain.last.outputs)
    return own


def _elsewhere(plan: Plan) -> Elsewhere | None:
    """What a placed graph takes; None where the cost of a kernel on the CPU is not known."""
    cycles, devices = 0, set()
    for device, group in groupby(plan.kernels, key=lambda kernel: kernel.device):
        kernels = list(group)
        try:
            cycles += _on_device(plan, kernels) if device else sum(_on_cpu(plan, each) for each in kernels)
        except CostError:
            return None
        devices.add(device or "the CPU")
    return Elsewhere(cycles, " and ".join(sorted(devices)))


def _on_cpu(plan: Plan, kernel: Kernel) -> int:
    return sum(kernel_cycles(plan.target.machine, plan.ir, op) for op in kernel.ops)


def _on_device(plan: Plan, kernels: Sequence[Kernel]) -> int:
    """Lists one after the other, or the one of a run."""
    lists = [plan.offloaded[kernel.name].lists for kernel in kernels]
    if plan.target.makes_runs:
        lists = [((lists[0][0][0], tuple(each for ((_, commands),) in lists for each in commands)),)]
    kept = {name: address for each in kernels for name, address in plan.homes_of(each.name).items()}
    return sum(_of_lists(plan, each, kept) for each in lists)


def _of_lists(
    plan: Plan, lists: Sequence[tuple[Device, tuple[Command, ...]]], kept: Mapping[str, int]
) -> int:
    places = spread(plan.storages, plan.target.machine.ram.origin)
    homes = {name: at_home(lists[0][0].base, address) for name, address in kept.items()}

    def text(command: Command) -> bytes:
        is_home = command.dram is not None and not command.dram.in_ram
        return packed([command], ({**places, **homes} if is_home else places).__getitem__)

    devices = [device for device, _ in lists]
    timed = plan.target.timer.cycles(devices, [b"".join(map(text, commands)) for _, commands in lists])
    return timed + DRIVER_CYCLES
