# SPDX-License-Identifier: Apache-2.0
"""One C function of the program: the ops that it computes and the tensors that it leaves in memory."""

from __future__ import annotations

from dataclasses import dataclass

from .graph import ACALSimOp, ACALSimOpType
from .ops import ROWS
from .row import Row


@dataclass(frozen=True, eq=False)
class Kernel:
    """The ops fused into its operand, its anchor, the ops fused behind it; `results` stay in memory.

    `device` computes it; None stands for the CPU, and `reason` says why then.
    """

    anchor: ACALSimOp
    before: tuple[ACALSimOp, ...] = ()
    after: tuple[ACALSimOp, ...] = ()
    results: tuple[str, ...] = ()
    device: str | None = None
    reason: str = ""

    @property
    def row(self) -> Row:
        return ROWS[self.anchor.op_type]

    @property
    def name(self) -> str:
        return self.anchor.name

    @property
    def ops(self) -> tuple[ACALSimOp, ...]:
        return (*self.before, self.anchor, *self.after)

    @property
    def written(self) -> set[str]:
        """The results of all its ops, in memory or not."""
        return {op.outputs[0] for op in self.ops}

    @property
    def read(self) -> list[str]:
        """Operands that none of its ops computes under that name."""
        written = self.written
        return list(dict.fromkeys(name for op in self.ops for name in op.inputs if name not in written))

    def is_in_passing(self, op: ACALSimOp) -> bool:
        """Whether there is never a tensor of what `op` computes.

        A device converts an int8 residual where it adds it.
        """
        return self.device is not None and op.op_type is ACALSimOpType.DEQUANTIZE

    @property
    def keeps_rows(self) -> bool:
        """Whether it needs memory for a float32 value of every element of its anchor's result."""
        return self.row.row_memory == "always" or bool(self.before) and self.row.row_memory == "computed"

    @property
    def is_pointwise(self) -> bool:
        return self.row.is_elementwise
