# SPDX-License-Identifier: Apache-2.0
"""A graph of float32 in, one whose memory and products are bfloat16 out.

Products take bfloat16 and sum up in float32. What only moves elements moves bfloat16. All else is computed in
float32, with parameters of float32: operands are widened where they are read, and results are rounded where they
are left in memory. What a pointwise op makes of the one result that it follows is not rounded in between.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..ir.expressions import MOVABLE
from ..ir.graph import ACALSimIR, ACALSimOp, ACALSimOpType, TensorDesc
from ..ir.ops import ROWS
from ..ir.verify import verify
from .capture_file import QuantisedTensor
from .factors import free_factors

T = ACALSimOpType
PRODUCTS = (T.MATMUL, T.BMM, T.GEMM, T.CONV)


def narrow(ir: ACALSimIR, names: Collection[str] | None = None) -> tuple[QuantisedTensor, ...]:
    """Narrow in place those float32 tensors, or all. Returns which tensors hold the values of which others."""
    every = {name for name, desc in ir.tensors.items() if desc.dtype == "float32"}
    names = every if names is None else every & set(names)
    ir.ops = [_seen(ir, op) for op in ir.ops]
    freed = free_factors(ir, names)
    narrower = _Narrower(ir, names | freed.moved, freed.products)
    ir.ops = narrower.ops_of(ir.ops)
    ir.drop_unread()
    verify(ir)
    forms = {name: freed.of.get(of, (of, 1.0)) for of, name in narrower.forms.items()}
    return tuple(QuantisedTensor(name, *of) for name, of in {**freed.of, **forms}.items())


def _seen(ir: ACALSimIR, op: ACALSimOp) -> ACALSimOp:
    """A conversion between bfloat16 and float32, which the graph has as one of float32 to itself, as a view."""
    kinds = [ir.tensors[name].dtype for name in (*op.inputs, *op.outputs)]
    if op.op_type is not T.CAST or kinds != ["float32", "float32"]:
        return op
    return replace(op, op_type=T.VIEW, attrs={"shape": list(ir.tensors[op.outputs[0]].shape)})


def bits_of(array: NDArray[np.float32]) -> NDArray[np.uint16]:
    """The nearest bfloat16 of each, halves to even."""
    bits = np.ascontiguousarray(array, np.float32).view(np.uint32)
    nearest = (bits + 0x7FFF + (bits >> 16 & 1)) >> 16
    return np.where(np.isnan(array), 0x7FC0, nearest).astype(np.uint16)


class _Narrower:
    def __init__(self, ir: ACALSimIR, names: Collection[str], products: Collection[str]):
        self.ir, self.names, self.products = ir, names, products
        self.forms: dict[str, str] = {}
        """The bfloat16 form of each tensor that has one."""
        self.makers, self.readers = ir.producers(), ir.readers()
        self.uses = Counter(name for op in ir.ops for name in op.inputs)
        self.ops: list[ACALSimOp] = []

    def ops_of(self, ops: list[ACALSimOp]) -> list[ACALSimOp]:
        for op in ops:
            if self._moves(op):
                self._move(op)
            elif self._multiplies(op):
                factors = tuple(map(self._narrow, op.inputs[:2]))
                self.ops.append(
                    replace(op, inputs=(*factors, *(self._wide(each, op) for each in op.inputs[2:])))
                )
            else:
                inputs = tuple(self._wide(name, op) for name in op.inputs)
                self.ops.append(replace(op, inputs=inputs))
        return self.ops

    def _is_narrow(self, name: str) -> bool:
        return name in self.names or self.ir.tensors[name].is_param

    def _floats(self, op: ACALSimOp) -> list[str]:
        return [name for name in op.inputs if self.ir.tensors[name].dtype == "float32"]

    def _moves(self, op: ACALSimOp) -> bool:
        """Whether an op only moves narrow elements; a border of anything but zeros is computed."""
        return (
            self._only_moves(op)
            and op.outputs[0] in self.names
            and not (op.op_type is T.VIEW and self._goes_on(op.inputs[0]))
            and not self._only_leaves(op)
            and not op.attrs.get("value")
            and all(map(self._is_narrow, self._floats(op)))
        )

    def _only_leaves(self, op: ACALSimOp) -> bool:
        """Whether a movement brings what an op computes to an output and nowhere else, which is float32."""
        maker: ACALSimOp | None = op
        (name,) = op.outputs
        while maker is not None and self._only_moves(maker):
            if len(maker.inputs) != 1 or self.uses[maker.inputs[0]] != 1:
                return False
            maker = self.makers.get(maker.inputs[0])
        if maker is None or maker is op:
            return False
        while not self.ir.tensors[name].is_output:
            if self.uses[name] != 1 or not self._only_moves(self.readers[name][0]):
                return False
            (name,) = self.readers[name][0].outputs
        return self.uses[name] == 0

    @staticmethod
    def _only_moves(op: ACALSimOp) -> bool:
        return ROWS[op.op_type].dtypes == MOVABLE and op.op_type is not T.CAST

    def _multiplies(self, op: ACALSimOp) -> bool:
        return (
            op.op_type in PRODUCTS
            and not op.attrs.get("transposed")
            and (
                op.outputs[0] in self.products
                or op.outputs[0] in self.names
                and all(map(self._is_narrow, op.inputs[:2]))
            )
        )

    def _move(self, op: ACALSimOp) -> None:
        """The same movement of the bfloat16 form; an output is widened from it."""
        (name,) = op.outputs
        floats = self._floats(op)
        inputs = tuple(self._narrow(each) if each in floats else each for each in op.inputs)
        self.ops.append(replace(op, inputs=inputs, outputs=(self._form(name),)))
        if self.ir.tensors[name].is_output:
            self._cast(op, self.forms[name], name)

    def _form(self, name: str) -> str:
        """Declares the bfloat16 form of a tensor."""
        desc = self.ir.tensors[name]
        roles = {"is_input": False, "is_output": False, "memory_addr": None}
        self.forms[name] = self.ir.add_tensor(
            replace(desc, name=f"{name}_bf16", dtype="bfloat16", **roles)  # type: ignore[arg-type]
        ).name
        return self.forms[name]

    def _narrow(self, name: str) -> str:
        """The bfloat16 form of a tensor, made by an op at its first use, or at once of a parameter."""
        if name not in self.forms:
            form = self._form(name)
            if self.ir.tensors[name].is_param:
                self.ir.constants[form] = bits_of(self.ir.constants[name])
            else:
                self._cast(self.makers.get(name), name, form)
        return self.forms[name]

    def _wide(self, name: str, reader: ACALSimOp) -> str:
        """What an op that computes in float32 reads of a tensor."""
        desc = self.ir.tensors[name]
        if desc.dtype != "float32" or name not in self.names or desc.is_input or desc.is_param:
            return name
        if self._goes_on(name) or self._only_leaves(reader):
            return name
        wide = self.ir.add_tensor(TensorDesc(f"{name}_for_{reader.name}", desc.shape)).name
        self._cast(reader, self._narrow(name), wide)
        return wide

    def _goes_on(self, name: str) -> bool:
        """Whether one op alone, which may be part of the same function, takes what an op computes.

        Both may see it through views.
        """
        while (maker := self.makers.get(name)) is not None and maker.op_type is T.VIEW:
            name = maker.inputs[0]
        if maker is None or self._only_moves(maker):
            return False
        while True:
            if self.uses[name] != 1 or self.ir.tensors[name].is_output:
                return False
            (reader,) = self.readers[name]
            if reader.op_type is not T.VIEW:
                break
            (name,) = reader.outputs
        row, is_pointwise = ROWS[reader.op_type], ROWS[maker.op_type].is_elementwise
        if reader.op_type is T.MAX_POOL:
            return is_pointwise or maker.op_type in PRODUCTS
        return row.is_elementwise or row.takes_in and is_pointwise

    def _cast(self, near: ACALSimOp | None, source: str, target: str) -> None:
        """An op that converts, with the line of the model that the op near it comes from."""
        attrs = {"dtype": self.ir.tensors[target].dtype}
        line = near.source if near else ""
        self.ops.append(ACALSimOp(T.CAST, f"cast_{target}", (source,), (target,), attrs, source=line))
