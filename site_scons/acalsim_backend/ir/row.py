# SPDX-License-Identifier: Apache-2.0
"""A row of the op table: what the compiler knows of one type of op, and the check of an op against it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ..errors import IRError
from .expressions import ANY, Formula, Result
from .graph import REALS, ACALSimIR, ACALSimOp, ACALSimOpType, TensorDesc
from .shapes import Attrs, Shape, ShapeRule
from .strides import Access

Movement = Callable[[Access, Attrs, Shape], Access | None]
Lookup = Callable[[list[Access], list[Shape], Shape, Attrs], list[Access]]
LookupSteps = Callable[[list[TensorDesc], Attrs], list[tuple[int, int | None]]]


@dataclass(frozen=True)
class Row:
    """One type of op.

    `aten` are the ATen overloads that become this op. Where an overload has several results, each result is
    an op of its own, and its name ends in `#number`. `operands` and `attrs` are argument names of the ATen
    schemas. An operand's name ends in ? where it may be missing, and begins with * where it stands for a
    list.

    An op is computed in one of three ways. `expression` makes a C expression of the operands' elements.
    `lookup` finds elements of operand 0 by indices, which are the elements of the other operands. All other
    ops have a printer in codegen/printers, registered for their type, that writes their statements. An op
    that only moves elements has a `movement` as well: it turns the access to the operand into an access to
    the result in the same memory, so that nothing need be copied. Where that is impossible, the op's printer
    copies.
    """

    type: ACALSimOpType
    aten: tuple[str, ...]
    operands: tuple[str, ...]
    shape: ShapeRule
    """The result's shape from the operands' shapes and the attrs."""
    attrs: tuple[str, ...] = ()
    expression: Formula | None = None
    movement: Movement | None = None
    overwrites: bool = False
    """Whether the result is a copy of operand 0 but for some elements."""
    lookup: Lookup | None = None
    lookup_steps: LookupSteps | None = None
    """Of a lookup: (size, dimension) of operand 0 for each index; the dimension is None for a scalar."""
    reads: Callable[[int, Access, Attrs], bool] = lambda index, access, attrs: access.is_dense
    """Whether the kernel can read operand number `index` through that access."""
    writes: Callable[[Access], bool] | None = None
    """Whether the kernel can write its result through that access; None: only to a tensor of its own."""
    index_space: Callable[[Shape], Shape] = lambda shape: shape
    """The shape in which the kernel walks a result of that shape."""
    row_memory: Literal["none", "computed", "always"] = "none"
    """Whether a kernel that walks a row several times may keep values of it in its float32 result meanwhile:
    never, only where its operand is computed in the kernel, or always."""
    is_followed: bool = False
    """Whether the kernel can compute the pointwise ops on its result as well, where it would store it."""
    takes_in: bool = False
    """Whether the kernel can compute the pointwise ops before it as well, where it would load its operand."""
    joins: bool = False
    """Whether the op only copies operands to places in its result: their producers may write there."""
    macs: Callable[[list[Shape], Shape, Attrs], int] = lambda inputs, output, attrs: 0
    """Multiply-accumulates from the operands' shapes, the result's shape and the attrs."""
    header: str | None = None
    """The file of kernels/ that the op's C needs."""
    dtypes: tuple[str, ...] = ANY
    """What the operands may be of."""
    result: Result = "promoted"
    """What the result may be of."""
    takes_numbers: bool = False
    """Whether a number may stand for an operand, as an attr of the operand's name."""

    @property
    def is_elementwise(self) -> bool:
        """Whether one element of the result takes one element of each operand."""
        return self.expression is not None or self.lookup is not None

    @property
    def operand_names(self) -> tuple[str, ...]:
        """`operands` without the marks ? and *."""
        return tuple(name.strip("*?") for name in self.operands)

    def walks(self, accesses: list[Access], inputs: list[Shape], output: Shape, attrs: Attrs) -> list[Access]:
        """For an elementwise op: the access by which each operand is walked along the output.

        `accesses` and `inputs` are the operands' accesses and shapes.
        """
        if self.lookup:
            return self.lookup(accesses, inputs, output, attrs)
        return [access.expanded(output) for access in accesses]

    def verify(self, ir: ACALSimIR, op: ACALSimOp) -> None:
        """Raise IRError where the op's tensors or attrs are not what the row allows."""
        self._verify_form(op)
        inputs, (output,) = self._tensors(ir, op)
        for desc in inputs:
            if desc.dtype not in self.dtypes:
                raise IRError(
                    f"op '{op.name}' has tensor '{desc.name}' of {desc.dtype}; "
                    f"{self.type.name} takes {', '.join(self.dtypes)}"
                )
        shape, dtypes = self._output_shape(op, inputs), self._output_dtypes(inputs, op.attrs)
        if shape != output.shape:
            raise IRError(f"op '{op.name}' writes '{output.name}' of {output.shape}; its inputs make {shape}")
        if output.dtype not in dtypes:
            raise IRError(
                f"op '{op.name}' writes '{output.name}' of {output.dtype}; "
                f"its inputs make {' or '.join(dtypes)}"
            )

    def _verify_form(self, op: ACALSimOp) -> None:
        """Check the numbers of operands and results, and the names of the attrs."""
        numbers = [name for name in self.operand_names if name in op.attrs]
        given = len(op.inputs) + len(numbers)
        least = sum(not name.endswith("?") and not name.startswith("*") for name in self.operands)
        most = math.inf if any(name.startswith("*") for name in self.operands) else len(self.operands)
        if not least <= given <= most or not op.inputs or len(op.outputs) != 1:
            raise IRError(
                f"op '{op.name}': {self.type.name} takes {', '.join(self.operands)} and has one result; "
                f"not {op}"
            )
        for name in op.attrs:
            if name not in (*self.attrs, *numbers):
                raise IRError(
                    f"op '{op.name}': {self.type.name} has no attr '{name}'; "
                    f"it has {', '.join(self.attrs) or 'none'}"
                )
        for name in numbers:
            if not self.takes_numbers or not isinstance(op.attrs[name], int | float):
                raise IRError(
                    f"op '{op.name}': {self.type.name} takes a tensor as '{name}', not {op.attrs[name]!r}"
                )

    def _output_shape(self, op: ACALSimOp, inputs: list[TensorDesc]) -> Shape:
        try:
            return self.shape([desc.shape for desc in inputs], op.attrs)
        except (ValueError, IndexError, KeyError) as error:
            found = ", ".join(str(desc.shape) for desc in inputs) + (f" {op.attrs}" if op.attrs else "")
            reason = f"attr {error} is missing" if isinstance(error, KeyError) else str(error)
            raise IRError(f"op '{op.name}': {self.type.name} does not take {found}: {reason}") from None

    def _output_dtypes(self, inputs: list[TensorDesc], attrs: Attrs) -> tuple[str, ...]:
        match self.result:
            case "promoted":
                return promoted(inputs, attrs)
            case "real":
                return tuple(each for each in promoted(inputs, attrs) if each in REALS) or ("float32",)
            case "first":
                return (inputs[0].dtype,)
            case "attr":
                return (str(attrs.get("dtype")),)
            case _:
                return self.result

    def count_macs(self, ir: ACALSimIR, op: ACALSimOp) -> int:
        inputs, (output,) = self._tensors(ir, op)
        return self.macs([desc.shape for desc in inputs], output.shape, op.attrs)

    def work(self, ir: ACALSimIR, op: ACALSimOp) -> int:
        """The op's multiply-accumulates, or the elements of its result where it has none."""
        return self.count_macs(ir, op) or ir.tensors[op.outputs[0]].elements

    @staticmethod
    def _tensors(ir: ACALSimIR, op: ACALSimOp) -> tuple[list[TensorDesc], list[TensorDesc]]:
        return [ir.tensors[name] for name in op.inputs], [ir.tensors[name] for name in op.outputs]


def promoted(inputs: Sequence[TensorDesc], attrs: Mapping[str, Any]) -> tuple[str, ...]:
    """The dtypes that the result may have.

    It is a float where an operand or an attr is one. Otherwise it is one of the operands' dtypes, int16 of
    uint8 and int8, or int64 where an attr is an integer.
    """
    dtypes = tuple(dict.fromkeys(desc.dtype for desc in inputs))
    floats = tuple(each for each in dtypes if each in REALS)
    if floats or any(isinstance(value, float) for value in attrs.values()):
        return floats or ("float32",)
    if {"uint8", "int8"} <= set(dtypes):
        dtypes = (*dtypes, "int16")
    return (*dtypes, "int64") if any(isinstance(value, int) for value in attrs.values()) else dtypes
