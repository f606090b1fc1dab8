# SPDX-License-Identifier: Apache-2.0
"""Pass `vector`: gives kernels that are no products to the device's vector unit, and says why others stay."""

from __future__ import annotations

from dataclasses import replace

from ..ir.graph import ACALSimOpType
from ..ir.kernel import Kernel
from ..offload.product import PRODUCTS
from ..offload.run import least_stream
from ..offload.vector.lower import lower
from ..offload.vector.program import Parts, commands
from ..offload.vector.steps import Unfit
from .elide import destination, left_to_copy
from .plan import Plan


def vector(plan: Plan) -> Plan:
    """Adds the parts of the kernels that go to the vector unit. Nothing goes where there is no such unit."""
    if not plan.target.has_vector_unit:
        return plan
    kernels, parts = [], {}
    for kernel in plan.kernels:
        found = None if kernel.device or kernel.driven else _parts(plan, kernel)
        if isinstance(found, str):
            kernel = replace(kernel, reason=kernel.reason if kernel.anchor.op_type in PRODUCTS else found)
        elif found is not None:
            kernel = replace(kernel, device=plan.target.devices[0].name, reason="")
            parts[kernel.name] = found
        kernels.append(kernel)
    return replace(plan, kernels=tuple(kernels), parts=parts)


def _parts(plan: Plan, kernel: Kernel) -> Parts | str:
    """What the vector unit does of a kernel, or why it does not."""
    choice = plan.target.choices.get(kernel.name, {})
    if choice.get("on") == "cpu":
        return "the tiling file says so"
    op = kernel.anchor
    try:
        left = left_to_copy(plan.ir, op, plan.access) if kernel.row.joins else []
        result = plan.access[op.outputs[0]]
        places = {index: place for index in left if (place := destination(plan.ir, op, index, result))}
        if len(places) < len(left) and op.op_type is not ACALSimOpType.PAD:
            return "no strides say where an operand goes"
        parts = lower(plan.ir, plan.producer, plan.access, kernel, places or dict.fromkeys(left, result))
        commands(parts, {}, 0, least_stream(plan.target.devices[0].parameters["scratchpad_bytes"]))
    except Unfit as why:
        return str(why)
    return parts
