# SPDX-License-Identifier: Apache-2.0
"""What a plan takes, as far as planning knows: to choose between plans of one graph."""

from __future__ import annotations

from ..cost.kernels import kernel_cycles
from ..errors import CostError
from ..ir.graph import ACALSimOp
from ..ir.kernel import Kernel
from ..offload.decide import COPY_CYCLES, DRIVER_CYCLES
from .plan import Plan


def foretold(plan: Plan) -> int:
    """Cycles of all steps of a whole plan, one after the other, with the driver's."""
    in_runs = {name for run in plan.runs for name in run.kernels}
    cycles = sum(
        plan.rounds[run.kernels[0]]
        * (DRIVER_CYCLES + sum(plan.offloaded[name].cycles or 0 for name in run.kernels))
        for run in plan.runs
    )
    for step in plan.teams.steps:
        slowest = max((_of_kernel(plan, kernel) for kernel in step if kernel.name not in in_runs), default=0)
        cycles += plan.rounds[step[0].name] * slowest
    return cycles


def _of_kernel(plan: Plan, kernel: Kernel) -> int:
    offloaded = plan.offloaded.get(kernel.name)
    if offloaded and offloaded.cycles is not None:
        return offloaded.cycles + DRIVER_CYCLES * len(offloaded.lists)
    if offloaded:
        return plan.target.timed(offloaded)
    if kernel.driven:
        return plan.claims.cycles(kernel.name) or 0
    return sum(_on_cpu(plan, op) for op in kernel.ops)


def _on_cpu(plan: Plan, op: ACALSimOp) -> int:
    """What nobody has measured costs what a copy of its result does."""
    try:
        return kernel_cycles(plan.target.machine, plan.ir, op)
    except CostError:
        return COPY_CYCLES * sum(plan.ir.tensors[name].elements for name in op.outputs)
