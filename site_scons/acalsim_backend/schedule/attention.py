# SPDX-License-Identifier: Apache-2.0
"""Pass `attention`: scores, softmax and values become one kernel of a device that has a vector unit."""

from __future__ import annotations

from dataclasses import replace

from ..offload.attention.recognise import Found, Recogniser
from ..offload.run import least_stream
from ..offload.tile import Room
from .plan import Plan


def attention(plan: Plan) -> Plan:
    """Merges the kernels of each attention to one. Where all is kept there are none."""
    if not plan.target.has_vector_unit or plan.keep_all:
        return plan
    uses = dict(zip((kernel.name for kernel in plan.kernels), plan.uses(), strict=True))
    reads, writes = ({name: each[side] for name, each in uses.items()} for side in (0, 1))
    recogniser = Recogniser(plan.ir, plan.access, plan.kernels, reads, writes)
    for found in filter(None, map(recogniser.find, plan.kernels)):
        if _may_go(plan, found):
            plan = _merged(plan, found)
    return plan


def _may_go(plan: Plan, found: Found) -> bool:
    """Whether tiles of it fit what is always left of the scratchpad, and the user says nothing of its ops."""
    parameters = plan.target.devices[0].parameters
    room = Room(least_stream(parameters["scratchpad_bytes"]), parameters["accumulator_bytes"])
    said = any(kernel.name in plan.target.choices for kernel in (*found.kernels, *filter(None, [found.copy])))
    return not said and plan.target.attention.fits(found.attention, room)


def _merged(plan: Plan, found: Found) -> Plan:
    *others, values = found.kernels
    whole = replace(values, before=tuple(op for kernel in others for op in kernel.ops))
    needless = [*others, *([found.copy] if found.copy else [])]
    lost = {plan.access[name].storage for kernel in others for name in kernel.results}
    if found.copy:
        lost |= {plan.access[name].storage for name in values.results}
        whole = replace(whole, after=(*values.after, *found.copy.ops), results=found.copy.results)
    gone = {kernel.name for kernel in needless}
    return replace(
        plan,
        kernels=tuple(
            whole if kernel is values else kernel for kernel in plan.kernels if kernel.name not in gone
        ),
        parts={name: each for name, each in plan.parts.items() if name not in gone},
        attentions={**plan.attentions, whole.name: found.attention},
        storages={name: desc for name, desc in plan.storages.items() if name not in lost},
    )
