# SPDX-License-Identifier: Apache-2.0
"""Pass `vector`: gives kernels that are no products to the device's vector unit, and says why others stay."""

from __future__ import annotations

from collections.abc import Collection, Iterable
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
    needed = _needed(plan)
    for kernel in plan.kernels:
        stays = kernel.device or kernel.driven
        lean = kernel if stays else _without_rows(plan, kernel, needed)
        found = None if stays else _parts(plan, lean)
        if isinstance(found, str):
            kernel = replace(kernel, reason=kernel.reason if kernel.anchor.op_type in PRODUCTS else found)
        elif found is not None:
            kernel = replace(lean, device=plan.target.devices[0].name, reason="")
            parts[kernel.name] = found
        kernels.append(kernel)
    gone = _written(plan, plan.kernels) - _written(plan, kernels)
    storages = {name: desc for name, desc in plan.storages.items() if name not in gone}
    return replace(plan, kernels=tuple(kernels), parts=parts, storages=storages)


def _written(plan: Plan, kernels: Iterable[Kernel]) -> set[str]:
    """The storages that kernels leave results in."""
    return {plan.access[name].storage for kernel in kernels for name in kernel.results}


def _needed(plan: Plan) -> set[str]:
    """What kernels read that others compute, and outputs; with `keep_all` everything."""
    if plan.keep_all:
        return _written(plan, plan.kernels)
    storages = {plan.access[name].storage for name in plan.ir.outputs}
    for kernel in plan.kernels:
        storages |= {plan.access[name].storage for name in kernel.read} - kernel.written
    return storages


def _without_rows(plan: Plan, kernel: Kernel, needed: Collection[str]) -> Kernel:
    """The kernel without what the CPU would keep of its rows: the vector unit needs no memory for that."""
    results = (name for name in kernel.results if plan.access[name].storage in needed)
    return replace(kernel, results=tuple(results))


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
