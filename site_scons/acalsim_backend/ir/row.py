# SPDX-License-Identifier: Apache-2.0
"""What a row of the op table says of an op, and how an op of a graph is held to it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import IRError
from .expressions import ANY, Formula, Result
from .graph import ACALSimIR, ACALSimOp, ACALSimOpType, TensorDesc
from .shapes import Attrs, Shape, ShapeRule
from .strides import Access

Movement = Callable[[Access, Attrs, Shape], Access | None]
Lookup = Callable[[list[Access], list[Shape], Shape, Attrs], list[Access]]
LookupSteps = Callable[[list[TensorDesc], Attrs], list[tuple[int, int | None]]]


@dataclass(frozen=True)
class Row:
    """One op. `operands` and `attrs` are argument names of the ATen schemas; an operand's name ends
    in ? where it may be missing, and begins with * where it stands for a list. Of an ATen op with
    several results `aten` names each as `op#number`.

    Its C is one of: an `expression` on the operands' elements; a `lookup` of computed elements; the
    statements of a printer that is registered for its type (codegen/printers). A `movement` is another
    access to the same memory, which costs nothing; it is printed as a copy where there is no such access.
    A kernel that is_followed computes the pointwise ops behind it as well, one that takes_in those in
    front of it. One that passes over a row several times may keep values of the row in its float32 result
    meanwhile (`row_memory`): "always", or of "computed" operands only. `reads` says which accesses to its operands a kernel can walk, `writes` to which accesses
    it can write its result, and `index_space` the shape in which it walks the result.
    """

    type: ACALSimOpType
    aten: tuple[str, ...]
    operands: tuple[str, ...]
    shape: ShapeRule
    attrs: tuple[str, ...] = ()
    expression: Formula | None = None
    movement: Movement | None = None
    lookup: Lookup | None = None
    lookup_steps: LookupSteps | None = None
    reads: Callable[[int, Access, Attrs], bool] = lambda index, access, attrs: access.is_dense
    index_space: Callable[[Shape], Shape] = lambda shape: shape
    row_memory: str = "none"
    is_followed: bool = False
    takes_in: bool = False
    joins: bool = False
    writes: Callable[[Access], bool] | None = None
    macs: Callable[[list[Shape], Shape, Attrs], int] = lambda inputs, output, attrs: 0
    header: str | None = None
    dtypes: tuple[str, ...] = ANY
    result: Result = "promoted"
    takes_numbers: bool = False

    @property
    def is_elementwise(self) -> bool:
        """Whether an element of the result is computed from single elements."""
        return self.expression is not None or self.lookup is not None

    @property
    def operand_names(self) -> tuple[str, ...]:
        return tuple(name.strip("*?") for name in self.operands)

    def walks(self, accesses: list[Access], inputs: list[Shape], output: Shape, attrs: Attrs) -> list[Access]:
        """Of an elementwise op: how each operand is walked along the output."""
        if self.lookup:
            return self.lookup(accesses, inputs, output, attrs)
        return [access.expanded(output) for access in accesses]

    def verify(self, ir: ACALSimIR, op: ACALSimOp) -> None:
        """Raise IRError where the op's tensors are not what the row allows."""
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
        """As many operands and results as the row has, and no attr that it does not know."""
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
        """Multiply-accumulates, or elements of the result where there are none."""
        return self.count_macs(ir, op) or ir.tensors[op.outputs[0]].elements

    @staticmethod
    def _tensors(ir: ACALSimIR, op: ACALSimOp) -> tuple[list[TensorDesc], list[TensorDesc]]:
        return [ir.tensors[name] for name in op.inputs], [ir.tensors[name] for name in op.outputs]


def promoted(inputs: Sequence[TensorDesc], attrs: Mapping[str, Any]) -> tuple[str, ...]:
    """The dtypes that the result may have: a float among the operands makes float32."""
    dtypes = tuple(dict.fromkeys(desc.dtype for desc in inputs))
    if "float32" in dtypes or any(isinstance(value, float) for value in attrs.values()):
        return ("float32",)
    return (*dtypes, "int64") if any(isinstance(value, int) for value in attrs.values()) else dtypes
