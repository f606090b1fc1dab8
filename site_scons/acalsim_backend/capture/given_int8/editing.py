# SPDX-License-Identifier: Apache-2.0
"""A graph while int8 products take their places in it: what is read and made, and what dequantised tensors come from."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...ir.graph import ACALSimIR, ACALSimOp, ACALSimOpType, TensorDesc

T = ACALSimOpType
MOVES = (T.VIEW, T.PERMUTE, T.COPY)


@dataclass(frozen=True)
class Source:
    """An int8 tensor whose values times `scale`, plus `shift`, are what is read, behind the ops that move it."""

    name: str
    scale: float
    shift: float
    moves: tuple[ACALSimOp, ...]


class Edited:
    """A graph that is edited; who computes what, and how often it is read, is known as of the last look()."""

    def __init__(self, ir: ACALSimIR):
        self.ir = ir
        self.look()

    def look(self) -> None:
        self.makers = self.ir.producers()
        self.uses = Counter(name for op in self.ir.ops for name in op.inputs)

    def alone(self, name: str) -> bool:
        """Whether one op alone reads a tensor."""
        return self.uses[name] == 1 and not self.ir.tensors[name].is_output

    def new(self, name: str, like: str, dtype: str) -> str:
        """A tensor of that name, or of the next one that is free, with the shape of another."""
        return self.ir.add_tensor(TensorDesc(self._free(name), self.ir.tensors[like].shape, dtype)).name

    def param(self, name: str, array: NDArray[Any]) -> str:
        """Likewise a parameter."""
        desc = TensorDesc(self._free(name), array.shape, str(array.dtype), is_param=True)
        self.ir.constants[desc.name] = np.ascontiguousarray(array)
        return self.ir.add_tensor(desc).name

    def _free(self, name: str) -> str:
        number, free = 0, name
        while free in self.ir.tensors:
            number, free = number + 1, f"{name}_{number + 1}"
        return free

    # --- operands -------------------------------------------------------------------------------

    def source(self, name: str) -> Source | None:
        """The int8 tensor that a tensor is dequantised from."""
        shift, moves = 0.0, list[ACALSimOp]()
        while (op := self.makers.get(name)) is not None:
            (name, *others) = op.inputs
            if op.op_type is T.DEQUANTIZE:
                return Source(name, op.attrs["scale"], shift, tuple(moves[::-1]))
            if (summand := added_by(op)) is not None:
                shift += summand
            elif op.op_type in MOVES and not others:
                moves.append(op)
            else:
                return None
        return None

    def moved(self, source: Source) -> tuple[str, list[ACALSimOp]]:
        """The int8 tensor behind what moves it, and the ops for that."""
        name, ops = source.name, []
        for move in source.moves:
            out = self.new(f"{move.outputs[0]}_i8", move.outputs[0], "int8")
            ops.append(replace(move, name=f"{move.name}_{out}", inputs=(name,), outputs=(out,)))
            name = out
        return name, ops


def added_by(op: ACALSimOp) -> float | None:
    """The number that an op adds to its one operand."""
    alone = op.op_type is T.ADD and len(op.inputs) == 1 and op.attrs.keys() == {"other"}
    return float(op.attrs["other"]) if alone else None
