# SPDX-License-Identifier: Apache-2.0
"""Puts constant factors and summands behind a convolution or a linear layer into its weight and bias.

Batch normalisation in inference is one of each for every channel, and so disappears.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..ir.graph import ACALSimIR, ACALSimOp, ACALSimOpType, TensorDesc
from ..ir.shapes import padded

T = ACALSimOpType


def fold_affine(ir: ACALSimIR) -> None:
    """Fold in place until nothing is left to fold; values are computed in float64 and rounded once."""
    _Fold(ir).over()
    ir.drop_unread()


class _Fold:
    """One walk over a graph. A reader comes behind what it reads, so what is known of readers stays true."""

    def __init__(self, ir: ACALSimIR):
        self.ir = ir
        self.readers = ir.readers()
        self.uses = Counter(name for op in ir.ops for name in op.inputs)

    def over(self) -> None:
        ops, gone = [], set()
        for op in self.ir.ops:
            if op.name in gone:
                continue
            while (reader := self._only_reader(op)) is not None:
                value = self._channel_value(op, reader)
                if value is None:
                    break
                op = self._folded(op, reader, value)
                gone.add(reader.name)
            ops.append(op)
        self.ir.ops = ops

    def _only_reader(self, op: ACALSimOp) -> ACALSimOp | None:
        """The one op that reads the result of a product with weights of its own; None for others."""
        readers = self.readers.get(op.outputs[0], [])
        alone = len(readers) == 1 and not self.ir.tensors[op.outputs[0]].is_output
        return readers[0] if alone and self._takes_folds(op) else None

    def _takes_folds(self, op: ACALSimOp) -> bool:
        params: tuple[str, ...] = ()
        if (
            op.op_type is T.CONV
            and (not op.attrs.get("transposed") or op.attrs.get("groups", 1) == 1)
            or op.op_type is T.GEMM
            and not op.attrs
            and len(self.ir.tensors[op.inputs[2]].shape) == 1
        ):
            params = op.inputs[1:]
        return bool(params) and all(
            self.ir.tensors[name].is_param and self.uses[name] == 1 for name in params
        )

    def _channel_value(self, op: ACALSimOp, reader: ACALSimOp) -> NDArray[np.float64] | None:
        """The constant that `reader` adds or multiplies with, one a channel of the op's result."""
        ir, first = self.ir, op.outputs[0]
        shape = ir.tensors[first].shape
        if reader.op_type not in (T.ADD, T.SUB, T.MUL, T.DIV) or reader.inputs.count(first) != 1:
            return None
        is_left = "self" not in reader.attrs and reader.inputs[0] == first
        one_sided = reader.op_type in (T.SUB, T.DIV) or "alpha" in reader.attrs
        if (one_sided and not is_left) or ir.tensors[reader.outputs[0]].shape != shape:
            return None
        others = [name for name in reader.inputs if name != first]
        if others and not ir.tensors[others[0]].is_param:
            return None
        number = next((reader.attrs[name] for name in ("self", "other") if name in reader.attrs), None)
        value = np.asarray(ir.constants[others[0]] if others else number, np.float64)
        value = value * reader.attrs.get("alpha", 1)
        channel = 1 if op.op_type is T.CONV else len(shape) - 1
        sizes = padded(value.shape, len(shape))
        if len(sizes) != len(shape) or any(size != 1 for dim, size in enumerate(sizes) if dim != channel):
            return None
        return np.broadcast_to(value.reshape(-1), (shape[channel],))

    def _folded(self, op: ACALSimOp, reader: ACALSimOp, value: NDArray[np.float64]) -> ACALSimOp:
        """The op with its reader's constant in its parameters, and its reader's result."""
        if reader.op_type in (T.MUL, T.DIV):
            self._scale(op, value if reader.op_type is T.MUL else 1 / value)
        else:
            op = self._shifted(op, value if reader.op_type is T.ADD else -value)
        del self.ir.tensors[op.outputs[0]]
        return replace(op, outputs=reader.outputs, aten=(*op.aten, *reader.aten))

    def _scale(self, op: ACALSimOp, factor: NDArray[np.float64]) -> None:
        weight = op.inputs[1]
        shape = [1] * len(self.ir.tensors[weight].shape)
        shape[1 if op.op_type is T.GEMM or op.attrs.get("transposed") else 0] = -1
        self._set(weight, self._exact(weight) * factor.reshape(shape))
        if len(op.inputs) > 2:
            self._set(op.inputs[2], self._exact(op.inputs[2]) * factor)

    def _shifted(self, op: ACALSimOp, summand: NDArray[np.float64]) -> ACALSimOp:
        if len(op.inputs) > 2:
            self._set(op.inputs[2], self._exact(op.inputs[2]) + summand)
            return op
        number = len(self.ir.tensors)
        while f"param_{number}" in self.ir.tensors:
            number += 1
        desc = TensorDesc(f"param_{number}", summand.shape, "float32", is_param=True)
        self._set(self.ir.add_tensor(desc).name, summand)
        self.uses[desc.name] = 1
        return replace(op, inputs=(*op.inputs, desc.name))

    def _exact(self, name: str) -> NDArray[np.float64]:
        return np.asarray(self.ir.constants[name], np.float64)

    def _set(self, name: str, value: NDArray[Any]) -> None:
        self.ir.constants[name] = np.ascontiguousarray(value, np.float32)
