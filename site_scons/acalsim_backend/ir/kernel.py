# SPDX-License-Identifier: Apache-2.0
"""A kernel: the ops that one C function of the program computes, and the tensors that it writes to memory."""

from __future__ import annotations

from dataclasses import dataclass

from .graph import ACALSimOp, ACALSimOpType
from .ops import ROWS
from .row import Row


@dataclass(frozen=True, eq=False)
class Kernel:
    """Ops that are computed together, element by element.

    `anchor` is the op that decides how the kernel walks through memory. `before` are the pointwise ops that
    compute its operand, `after` the pointwise ops on its result. Of all their results only `results` are
    written to memory. `device` names the device that computes the kernel; it is None for the CPU, and then
    `reason` may say why no device does. `driven` names the device that the kernel's own C drives on the CPU,
    where a rule of the user's has taken the ops: then nothing else is computed with them, and of their results
    only the last one's exists.
    """

    anchor: ACALSimOp
    before: tuple[ACALSimOp, ...] = ()
    after: tuple[ACALSimOp, ...] = ()
    results: tuple[str, ...] = ()
    device: str | None = None
    reason: str = ""
    driven: str | None = None

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
        """The results of all its ops, whether they are written to memory or not."""
        return {op.outputs[0] for op in self.ops}

    @property
    def read(self) -> list[str]:
        """The tensors that its ops read and that none of its ops computes, each once."""
        written = self.written
        return list(dict.fromkeys(name for op in self.ops for name in op.inputs if name not in written))

    def is_in_passing(self, op: ACALSimOp) -> bool:
        """Whether the result of `op` can never be written to memory.

        That is so for a narrower residual that a device converts to float32 within the addition itself, and for
        what a rule's driver computes on the way.
        """
        if self.driven:
            return op is not self.ops[-1]
        widens = op.op_type is ACALSimOpType.CAST and op.attrs["dtype"] == "float32"
        return self.device is not None and (widens or op.op_type is ACALSimOpType.DEQUANTIZE)

    @property
    def keeps_rows(self) -> bool:
        """Whether it needs memory for a float32 value of every element of its anchor's result."""
        if self.driven:
            return False
        return self.row.row_memory == "always" or bool(self.before) and self.row.row_memory == "computed"

    @property
    def is_pointwise(self) -> bool:
        return self.row.is_elementwise and not self.driven
