# SPDX-License-Identifier: Apache-2.0
"""Pass `living`: drops the ops that no output needs."""

from __future__ import annotations

from dataclasses import replace

from .plan import Plan


def living(plan: Plan) -> Plan:
    """The graph without what is computed in vain; inputs and parameters stay."""
    ir = plan.ir.copy()
    ir.drop_needless()
    return replace(plan, ir=ir, given=plan.ir)
