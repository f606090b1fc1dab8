# SPDX-License-Identifier: Apache-2.0
"""A graph of float32 in, one whose memory and products are of a half type out.

Products take half types and sum up in float32. What only moves elements moves half types. All else is computed in
float32, with parameters of float32: operands are widened where they are read, and results are rounded where they
are left in memory. What a pointwise op makes of the one result that it follows is not rounded in between, unless the
model itself has it in a type whose range is not that of float32: then every op's result is rounded, as in PyTorch.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import replace

from ..halves import HALF
from ..ir.expressions import MOVABLE
from ..ir.graph import ACALSimIR, ACALSimOp, ACALSimOpType, TensorDesc
from ..ir.literals import SUFFIXES
from ..ir.ops import ROWS
from ..ir.verify import verify
from .capture_file import QuantisedTensor
from .factors import free_factors

T = ACALSimOpType
PRODUCTS = (T.MATMUL, T.BMM, T.GEMM, T.CONV)
ROUNDED_LIKE_THEIR_OPERAND = (T.RELU, T.HARDTANH, T.CLAMP, T.NEG, T.ABS, T.MAX_POOL)
"""Ops of which it does not matter whether their operand or their result is rounded."""


def narrow(ir: ACALSimIR, everything: str | None = None) -> tuple[QuantisedTensor, ...]:
    """Narrow in place the float32 tensors that the model has in half types (`ir.narrow`), and if `everything` is one
    all others to that. Returns which tensors hold the values of which others."""
    found = {
        name: ir.narrow.get(name, everything) for name, desc in ir.tensors.items() if desc.dtype == "float32"
    }
    types = {name: half for name, half in found.items() if half}
    ir.ops = [_seen(ir, op) for op in ir.ops]
    rounded = {name for name, half in ir.narrow.items() if HALF[half].rounds_each}
    freed = free_factors(ir, types)
    narrower = _Narrower(ir, {**types, **freed.types}, freed.products, rounded)
    ir.ops = narrower.ops_of(ir.ops)
    ir.drop_unread()
    verify(ir)
    forms = {name: freed.of.get(of, (of, 1.0)) for (of, _), name in narrower.forms.items()}
    return tuple(QuantisedTensor(name, *of) for name, of in {**freed.of, **forms}.items())


def _seen(ir: ACALSimIR, op: ACALSimOp) -> ACALSimOp:
    """A conversion between a half type and float32, which the graph has as one of float32 to itself, as a view."""
    kinds = [ir.tensors[name].dtype for name in (*op.inputs, *op.outputs)]
    if op.op_type is not T.CAST or kinds != ["float32", "float32"]:
        return op
    return replace(op, op_type=T.VIEW, attrs={"shape": list(ir.tensors[op.outputs[0]].shape)})


class _Narrower:
    def __init__(
        self, ir: ACALSimIR, types: Mapping[str, str], products: Mapping[str, str], rounded: Collection[str]
    ):
        """`types` are those that tensors become, `products` results of products with the type of their factors,
        `rounded` what is rounded even where one op alone takes it."""
        self.ir, self.types, self.products, self.rounded = ir, types, products, rounded
        self.forms: dict[tuple[str, str], str] = {}
        """The form of each tensor that has one, by its name and type."""
        self.makers, self.readers = ir.producers(), ir.readers()
        self.uses = Counter(name for op in ir.ops for name in op.inputs)
        self.ops: list[ACALSimOp] = []

    def ops_of(self, ops: list[ACALSimOp]) -> list[ACALSimOp]:
        for op in ops:
            if self._moves(op):
                self._move(op)
                continue
            half = self._multiplies(op)
            factors = tuple(self._narrow(name, half) for name in op.inputs[:2]) if half else ()
            rest = op.inputs[len(factors) :]
            wide = {name: self._wide(name, op) for name in dict.fromkeys(rest)}
            self._append(replace(op, inputs=(*factors, *(wide[name] for name in rest))))
        return self.ops

    def _append(self, op: ACALSimOp) -> None:
        """An op that computes in float32; what leaves the graph is rounded first, where it has to be."""
        (name,) = op.outputs
        if name not in self.rounded or not self.ir.tensors[name].is_output:
            self.ops.append(op)
            return
        exact = self.ir.add_tensor(TensorDesc(f"{name}_exact", self.ir.tensors[name].shape)).name
        self.ops.append(replace(op, outputs=(exact,)))
        form = self._form(name, self.types[name])
        self._cast(op, exact, form)
        self._cast(op, form, name)

    def _is_narrow(self, name: str, half: str) -> bool:
        return self.types.get(name) == half or self.ir.tensors[name].is_param

    def _floats(self, op: ACALSimOp) -> list[str]:
        return [name for name in op.inputs if self.ir.tensors[name].dtype == "float32"]

    def _moves(self, op: ACALSimOp) -> bool:
        """Whether an op only moves narrow elements; a border of anything but zeros is computed."""
        half = self.types.get(op.outputs[0])
        return (
            half is not None
            and self._only_moves(op)
            and not (op.op_type is T.VIEW and self._goes_on(op.inputs[0]))
            and not self._only_leaves(op)
            and not op.attrs.get("value")
            and all(self._is_narrow(name, half) for name in self._floats(op))
        )

    def _only_leaves(self, op: ACALSimOp) -> bool:
        """Whether a movement brings what an op computes to an output and nowhere else, which is float32."""
        maker: ACALSimOp | None = op
        (name,) = op.outputs
        while maker is not None and self._only_moves(maker):
            if len(maker.inputs) != 1 or self.uses[maker.inputs[0]] != 1:
                return False
            maker = self.makers.get(maker.inputs[0])
        if maker is None or maker is op or maker.outputs[0] in self.rounded:
            return False
        while not self.ir.tensors[name].is_output:
            if self.uses[name] != 1 or not self._only_moves(self.readers[name][0]):
                return False
            (name,) = self.readers[name][0].outputs
        return self.uses[name] == 0

    @staticmethod
    def _only_moves(op: ACALSimOp) -> bool:
        return ROWS[op.op_type].dtypes == MOVABLE and op.op_type is not T.CAST

    def _multiplies(self, op: ACALSimOp) -> str | None:
        """The type in which an op multiplies its factors, if that is a half type."""
        if op.op_type not in PRODUCTS or op.attrs.get("transposed"):
            return None
        (name,) = op.outputs
        half = self.products.get(name) or self.types.get(name)
        if (
            half is None
            or name in self.products
            or all(self._is_narrow(each, half) for each in op.inputs[:2])
        ):
            return half
        return None

    def _move(self, op: ACALSimOp) -> None:
        """The same movement of the half type; an output is widened from it."""
        (name,) = op.outputs
        half, floats = self.types[name], self._floats(op)
        inputs = tuple(self._narrow(each, half) if each in floats else each for each in op.inputs)
        form = self._form(name, half)
        self.ops.append(replace(op, inputs=inputs, outputs=(form,)))
        if self.ir.tensors[name].is_output:
            self._cast(op, form, name)

    def _form(self, name: str, half: str) -> str:
        """Declares the form of a tensor in a half type."""
        desc = self.ir.tensors[name]
        roles = {"is_input": False, "is_output": False, "memory_addr": None}
        form = replace(desc, name=f"{name}_{SUFFIXES[half]}", dtype=half, **roles)  # type: ignore[arg-type]
        self.forms[name, half] = self.ir.add_tensor(form).name
        return form.name

    def _narrow(self, name: str, half: str) -> str:
        """The form of a tensor, made by an op at its first use, or at once of a parameter."""
        if (name, half) not in self.forms:
            form = self._form(name, half)
            if self.ir.tensors[name].is_param:
                self.ir.constants[form] = self.ir.constants.bits(name, half)
            else:
                self._cast(self.makers.get(name), name, form)
        return self.forms[name, half]

    def _wide(self, name: str, reader: ACALSimOp) -> str:
        """What an op that computes in float32 reads of a tensor."""
        desc = self.ir.tensors[name]
        if desc.dtype != "float32" or name not in self.types or desc.is_input or desc.is_param:
            return name
        if self._goes_on(name) or self._only_leaves(reader):
            return name
        wide = self.ir.add_tensor(TensorDesc(f"{name}_for_{reader.name}", desc.shape)).name
        self._cast(reader, self._narrow(name, self.types[name]), wide)
        return wide

    def _goes_on(self, name: str) -> bool:
        """Whether one op alone, which may be part of the same function, takes what an op computes.

        Both may see it through views.
        """
        while (maker := self.makers.get(name)) is not None and maker.op_type is T.VIEW:
            name = maker.inputs[0]
        is_rounded = name in self.rounded
        if maker is None or self._only_moves(maker):
            return False
        while True:
            if self.uses[name] != 1 or self.ir.tensors[name].is_output:
                return False
            (reader,) = self.readers[name]
            if reader.op_type is not T.VIEW:
                break
            (name,) = reader.outputs
        if is_rounded and not (
            reader.op_type in ROUNDED_LIKE_THEIR_OPERAND and reader.outputs[0] in self.rounded
        ):
            return False
        row, is_pointwise = ROWS[reader.op_type], ROWS[maker.op_type].is_elementwise
        if reader.op_type is T.MAX_POOL:
            return is_pointwise or maker.op_type in PRODUCTS
        return row.is_elementwise or row.takes_in and is_pointwise

    def _cast(self, near: ACALSimOp | None, source: str, target: str) -> None:
        """An op that converts, with the line of the model that the op near it comes from."""
        attrs = {"dtype": self.ir.tensors[target].dtype}
        line = near.source if near else ""
        self.ops.append(ACALSimOp(T.CAST, f"cast_{target}", (source,), (target,), attrs, source=line))
