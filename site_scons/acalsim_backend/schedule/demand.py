# SPDX-License-Identifier: Apache-2.0
"""What a model asks of a machine, whatever the compiler makes of it: a graph in, its demands out.

Copies and paddings that the planner adds are no part of it, nor is what nobody needs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType

from ..ir.expressions import POWERS
from ..ir.graph import ACALSimIR, ACALSimOp, ACALSimOpType
from ..ir.kernel import Kernel
from ..ir.ops import ROWS
from ..offload.product import PRODUCTS
from .living import living
from .plan import Plan
from .plan_file import Demand

PASSES: Mapping[str, int] = MappingProxyType(
    {"SOFTMAX": 3, "LOG_SOFTMAX": 3, "LAYER_NORM": 3, "GROUP_NORM": 3, "RMS_NORM": 2}
)
"""How often an op that is no product goes over its elements, by its type's name; others once, views never."""

SPECIAL = frozenset((
    "EXP", "EXP2", "EXPM1", "LOG", "LOG1P", "LOG2", "LOG10", "SIN", "COS", "TAN", "ASIN", "ACOS",
    "ATAN", "ATAN2", "SINH", "COSH", "TANH", "ASINH", "ACOSH", "ATANH", "ERF", "ERFC", "SIGMOID",
    "SILU", "GELU", "ELU", "SOFTMAX", "LOG_SOFTMAX", "LOGCUMSUMEXP",
))  # fmt: skip
"""Types of ops whose every element takes a function like exp, by name; see is_special, too."""


class Demands:
    """The demand of a planned graph, and of each of its kernels by itself."""

    def __init__(self, ir: ACALSimIR, plan: Plan):
        self.ir = living(replace(plan, ir=ir)).ir
        self.producers = self.ir.producers()
        self.ops = {op.name: op for op in self.ir.ops}
        self.writers = self._writers(plan.kernels)

    def whole(self) -> Demand:
        """Of the graph. An output that is a view of an input or a parameter is a copy of it.

        Every round of a loop reads its parameters and what goes round. Of what goes round, what it writes is
        left out, since a cache stays where it is.
        """
        ops = [op for op in self.ir.ops if not is_view(op)]
        copied = {root for name in self.ir.outputs if self._is_given(root := self.root(name))}
        inside = self.ir.in_loop()
        once = self._demand(
            [op for op in ops if op.outputs[0] not in inside],
            [name for name in self.ir.outputs if name not in inside],
            copied,
        )
        if self.ir.loop is None:
            return once
        again = [op for op in ops if op.outputs[0] in inside]
        left = [name for name in self.ir.results if name in inside]
        return once + self._demand(again, left, ()) * self.ir.loop.rounds

    def of(self, kernel: Kernel) -> Demand:
        """Of one kernel; a parameter or an input that others read, too, counts for each of them."""
        ops = [self.ops[op.name] for op in kernel.ops if op.name in self.ops]
        outputs = [name for name, writer in self.writers.items() if writer == kernel.name]
        return self._demand(ops, outputs, {self.root(op.inputs[0]) for op in ops if is_view(op)})

    def root(self, name: str) -> str:
        """The tensor of which another one is a view; itself where it is none."""
        while (op := self.producers.get(name)) is not None and is_view(op):
            name = op.inputs[0]
        return name

    def _writers(self, kernels: Iterable[Kernel]) -> dict[str, str]:
        """The kernel that writes each output: the one of its op or, of a view, of what it is a view of."""
        kernel_of = {op.name: kernel.name for kernel in kernels for op in kernel.ops}
        writers = {}
        for output in self.ir.outputs:
            name = output
            while (op := self.producers.get(name)) is not None:
                if op.name in kernel_of:
                    writers[output] = kernel_of[op.name]
                    break
                name = op.inputs[0]
        return writers

    def _demand(self, ops: Collection[ACALSimOp], outputs: Iterable[str], copied: Collection[str]) -> Demand:
        others = [op for op in ops if op.op_type not in PRODUCTS]
        elements = {op.name: self.ir.tensors[op.outputs[0]].elements for op in others}
        tensors = self.ir.tensors
        macs: Counter[str] = Counter()
        for op in ops:
            if op.op_type in PRODUCTS:
                macs[tensors[op.inputs[0]].dtype] += ROWS[op.op_type].count_macs(self.ir, op)
        return Demand(
            macs=macs.total(),
            int8_macs=macs["int8"],
            bfloat16_macs=macs["bfloat16"],
            float16_macs=macs["float16"],
            vector_elements=sum(elements[op.name] * passes(op) for op in others),
            special_elements=sum(elements[op.name] for op in others if is_special(op)),
            dram_bytes=self._bytes_read(ops, copied)
            + sum(tensors[name].size_bytes for name in {*outputs} if not self._is_given(name)),
        )

    def _bytes_read(self, ops: Iterable[ACALSimOp], copied: Collection[str]) -> int:
        """Of parameters and inputs, each once; of a table that is only looked up, the rows looked up."""
        whole = {name for name in copied if self._is_given(name)}
        looked_up: dict[str, int] = {}
        for op in ops:
            if is_view(op):
                continue
            first, *others = [self.root(name) for name in op.inputs]
            if ROWS[op.op_type].lookup and self._is_given(first):
                looked_up[first] = looked_up.get(first, 0) + self.ir.tensors[op.outputs[0]].size_bytes
            else:
                others.append(first)
            whole |= {name for name in others if self._is_given(name)}
        sizes = {name: self.ir.tensors[name].size_bytes for name in whole | looked_up.keys()}
        return sum(size if name in whole else min(size, looked_up[name]) for name, size in sizes.items())

    def _is_given(self, name: str) -> bool:
        desc = self.ir.tensors[name]
        return desc.is_input or desc.is_param


def is_view(op: ACALSimOp) -> bool:
    """Whether an op only says where elements are."""
    return ROWS[op.op_type].movement is not None


def passes(op: ACALSimOp) -> int:
    return 0 if is_view(op) else PASSES.get(op.op_type.name, 1)


def is_special(op: ACALSimOp) -> bool:
    """Whether every element of the result takes a function like exp: of a power where no products do."""
    if op.op_type is ACALSimOpType.POW:
        exponent = op.attrs.get("exponent")
        return exponent is None or float(exponent) not in POWERS
    return op.op_type.name in SPECIAL
