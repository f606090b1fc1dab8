# SPDX-License-Identifier: Apache-2.0
"""From a graph to its plan: the passes in order, with a check behind each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from math import inf

from ..errors import PlanError, UnfitError
from ..ir.graph import ACALSimIR
from ..ir.kernel import Kernel
from ..machine.machine import Machine
from ..offload.decide import Offloaded, Target, Team
from ..offload.product import PRODUCTS
from ..offload.teams import form_teams
from ..offload.tiling_file import Choices
from ..offload.timer import ListTimer
from . import verify
from .attention import attention
from .claim import claim
from .elide import elide
from .foretold import foretold
from .forms import forms
from .fuse import fuse
from .living import living
from .memory import memory
from .order import order
from .plan import Plan
from .runs import runs
from .transposed import transposed
from .vector import vector


@dataclass(frozen=True)
class Pass:
    """One step of planning; `verify` raises PlanError where what it left does not hold together."""

    name: str
    run: Callable[[Plan], Plan]
    verify: Callable[[Plan], None]


def claimed(plan: Plan) -> Plan:
    """Pass `claim`: what the user's rules take, beside what becomes of it without them."""
    return claim(plan, lambda ir: run_passes(Plan(ir, plan.target), PLACING))


def teams(plan: Plan) -> Plan:
    """Pass `teams`: which kernels run at the same time, and what devices do of each."""
    no_products = plan.parts.keys() | plan.attentions.keys()
    others = {
        kernel.name: partial(_offloaded, plan, kernel)
        for kernel in plan.kernels
        if kernel.name in no_products
    }
    formed = form_teams(plan.kernels, plan.uses(), plan.lowering, plan.target, others, plan.loop_start)
    plan = replace(plan, teams=formed)
    if plan.target.makes_runs:
        return runs(plan)
    offloaded = {
        kernel.name: _offloaded(plan, kernel, formed.of[kernel.name])
        for kernel in plan.kernels
        if kernel.device
    }
    return replace(plan, offloaded=offloaded)


def _offloaded(plan: Plan, kernel: Kernel, team: Team) -> Offloaded:
    if kernel.name in plan.parts:
        return plan.target.computed(plan.parts[kernel.name], team)
    if kernel.name in plan.attentions:
        return plan.target.attended(plan.attentions[kernel.name], team)
    return plan.target.offloaded(plan.lowering, kernel, team)


PLACING = (
    Pass("transposed", transposed, verify.graph_is_whole),
    Pass("fuse", fuse, verify.kernels_compute_every_op_once),
    Pass("elide", elide, verify.accesses_stay_inside),
    Pass("vector", vector, verify.accesses_stay_inside),
    Pass("attention", attention, verify.accesses_stay_inside),
    Pass("teams", teams, verify.steps_follow_the_data),
)
"""What decides where ops are computed."""
PASSES = (
    Pass("living", living, verify.graph_is_whole),
    Pass("claim", claimed, verify.graph_is_whole),
    *PLACING,
    Pass("memory", memory, verify.nothing_live_overlaps),
    Pass("order", order, verify.runs_are_whole),
)

Watch = Callable[[str, Plan], None]
"""Is told each pass's name and what it left."""


def unwatched(name: str, plan: Plan) -> None:
    """Nobody watches."""


def make_plan(
    ir: ACALSimIR,
    machine: Machine,
    keep_all: bool = False,
    timer: ListTimer | None = None,
    choices: Choices | None = None,
    watch: Watch = unwatched,
) -> Plan:
    """The plan of a graph on a machine. With `keep_all` the result of every op is an output.

    Of several devices one alone may be faster than all together, since its kernels become one program, and a
    quantised graph has other forms (forms.py): the fastest plan is taken. `timer` times tilings for a compute
    device, without which there is none; `choices` are the user's of these. Raises PlanError when the machine's RAM cannot hold the program, for choices of
    ops that there are not, and naming the pass when what it left does not hold together.
    """
    target = Target(machine, timer, choices)
    tried = [*product(forms(ir), (target, *target.alone()))]
    if len(tried) > 1:
        ir, target = min(tried, key=lambda each: _cycles(Plan(*each)))
    else:
        ((ir, target),) = tried
    plan = run_passes(Plan(ir, target, keep_all), PASSES, watch)
    _refuse_unknown(choices or {}, plan)
    return plan


def _cycles(plan: Plan) -> float:
    """What the plan that comes of it is foretold to take."""
    try:
        return foretold(run_passes(plan, PASSES))
    except UnfitError:
        return inf


def make_schedule(ir: ACALSimIR, target: Target, keep_all: bool = False) -> Plan:
    """The plan of a graph without places in memory."""
    return run_passes(Plan(ir, target, keep_all), PASSES[:-2])


def run_passes(plan: Plan, passes: tuple[Pass, ...], watch: Watch = unwatched) -> Plan:
    for each in passes:
        plan = each.run(plan)
        try:
            each.verify(plan)
        except PlanError as error:
            raise PlanError(f"{plan.ir.name}: after pass '{each.name}': {error}") from None
        watch(each.name, plan)
    return plan


def _refuse_unknown(choices: Choices, plan: Plan) -> None:
    missing = choices.keys() - {kernel.name for kernel in plan.kernels}
    if missing:
        names = ", ".join(kernel.name for kernel in plan.kernels if kernel.anchor.op_type in PRODUCTS)
        raise PlanError(
            f"the tiling file names op '{min(missing)}', which is none of this model's; "
            f"its products are {names}"
        )
