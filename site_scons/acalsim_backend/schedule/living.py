# SPDX-License-Identifier: Apache-2.0
"""Pass `living`: drops the ops that no output needs."""

from __future__ import annotations

from dataclasses import replace

from .plan import Plan


def living(plan: Plan) -> Plan:
    """The graph without what is computed in vain; inputs and parameters stay."""
    ir, needed, kept = plan.ir.copy(), set(plan.ir.outputs), []
    for op in reversed(ir.ops):
        if needed & set(op.outputs):
            needed |= set(op.inputs)
            kept.append(op)
    ir.ops = kept[::-1]
    ir.tensors = {
        name: desc for name, desc in ir.tensors.items() if name in needed or desc.is_input or desc.is_param
    }
    return replace(plan, ir=ir)
