# SPDX-License-Identifier: Apache-2.0
"""Pass `fuse`: groups the ops of a graph to kernels.

Views cost nothing, pointwise ops are computed where their operands are, and what a kernel cannot read as it
lies is copied or padded first.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from ..ir.graph import ACALSimIR, ACALSimOp, ACALSimOpType, TensorDesc
from ..ir.kernel import Kernel
from ..ir.ops import ROWS
from ..ir.row import Row
from ..ir.shapes import convolution_border, windows
from ..ir.strides import Access
from ..ir.views import is_view, is_widening, read_once, source_of
from ..offload.decide import Target
from ..offload.product import CONVOLUTIONS, PRODUCTS, Lowering
from ..rules.claim import Claim, Claims
from .driven import driven
from .plan import Plan
from .results import with_results

T = ACALSimOpType
MOST_ABSORBED = 8
"""Ops of another pointwise kernel that one joins; a longer kernel runs out of registers."""


def fuse(plan: Plan) -> Plan:
    """Adds the kernels in order of execution, every tensor's access, and copies and paddings to the graph."""
    fuser = _Fuser(plan.ir, plan.target, plan.claims)
    for op in plan.ir.ops:
        fuser.add(op)
    kernels = with_results(fuser.ir, fuser.kernels, fuser.access, plan.keep_all)
    return replace(plan, ir=fuser.ir, kernels=kernels, access=fuser.access)


class _Fuser:
    """Walks the ops in order; every op sees the kernels that are there so far."""

    def __init__(self, ir: ACALSimIR, target: Target, claims: Claims):
        self.target, self.claims = target, claims.of
        self.ir = ir.copy()
        self.ir.ops = []
        given = [name for name, desc in ir.tensors.items() if desc.is_input or desc.is_param]
        self.access = {name: Access.dense(name, ir.tensors[name].shape) for name in given}
        self.kernels: list[Kernel] = []
        self.writer: dict[str, Kernel] = {}
        self.producer, self.readers = ir.producers(), ir.readers()
        self.copies: dict[tuple[str, ACALSimOpType, str], str] = {}
        self.lowering = Lowering(self.ir, self.producer, self.access, read_once(ir), target.has_vector_unit)

    def add(self, op: ACALSimOp) -> None:
        row = ROWS[op.op_type]
        if claim := self.claims.get(op.name):
            if op.name == claim.chain.last.name:
                self._claimed(claim)
            return
        if row.movement and self._move(op, row):
            self.ir.add_op(op)
            return
        if op.op_type is T.MAX_POOL and self._join_pool(op):
            return
        reason = self._refusal(op)
        if reason and (straight := self._straightened(op)):
            op, reason = straight, ""
        if reason:
            self.target.insist(op, reason)
        if reason and op.op_type in CONVOLUTIONS:
            op = self._padded(op)
        for index in range(len(op.inputs)):
            op = self._readable(op, index, row)
        self._place(op)
        if not (row.is_elementwise and self._join(op)):
            self._new(op, row, reason)

    def _place(self, op: ACALSimOp) -> None:
        """The op's result is a dense tensor of its own."""
        self.ir.add_op(op)
        self._place_tentatively(op)

    # --- movement and copies

    def _move(self, op: ACALSimOp, row: Row) -> bool:
        """Make a movement op's result another access to its source, where that is possible."""
        out = self.ir.tensors[op.outputs[0]]
        moved = row.movement and row.movement(self.access[op.inputs[0]], op.attrs, out.shape)
        if moved is None or (out.is_output and not self._may_be_output(moved)):
            return False
        self.access[out.name] = moved
        return True

    def _may_be_output(self, access: Access) -> bool:
        """An output is dense and has all of its memory, which is no input's and no parameter's."""
        storage = self.ir.tensors[access.storage]
        if storage.is_input or storage.is_param or access.offset:
            return False
        return access.is_dense and math.prod(access.shape) == storage.elements

    def _readable(self, op: ACALSimOp, index: int, row: Row) -> ACALSimOp:
        """The op with its operand `index` padded, or copied, where its kernel must have it so."""
        name = op.inputs[index]
        if row.reads(index, self.access[name], op.attrs):
            return op
        return self._with_copy(op, index, T.COPY, {}, self.ir.tensors[name].shape)

    def _straightened(self, op: ACALSimOp) -> ACALSimOp | None:
        """A product that reads dense copies of its operands, where that lets a device compute it and pays."""
        bent = [index for index, name in enumerate(op.inputs[:2]) if not self.access[name].is_dense]
        if op.op_type not in PRODUCTS or not bent:
            return None
        shapes = {op.inputs[index]: self.ir.tensors[op.inputs[index]].shape for index in bent}
        dense = {name: Access.dense(name, shape) for name, shape in shapes.items()}
        if self.target.refusal(self.lowering.moved(dense), op, sum(map(math.prod, shapes.values()))):
            return None
        for index in bent:
            op = self._with_copy(op, index, T.COPY, {}, shapes[op.inputs[index]])
        return op

    def _padded(self, op: ACALSimOp) -> ACALSimOp:
        """A convolution whose operand has a border of zeros as wide as its taps reach."""
        shape = self.ir.tensors[op.inputs[0]].shape
        border = convolution_border(
            shape[2:],
            self.ir.tensors[op.inputs[1]].shape[2:],
            self.ir.tensors[op.outputs[0]].shape[2:],
            op.attrs,
        )
        if not any(map(any, border)):
            return op
        pad = [each for pair in reversed(border) for each in pair]
        larger = (
            *shape[:2],
            *(before + size + after for size, (before, after) in zip(shape[2:], border, strict=True)),
        )
        return self._with_copy(
            replace(op, attrs={**op.attrs, "border": border}), 0, T.PAD, {"pad": pad}, larger
        )

    def _with_copy(
        self, op: ACALSimOp, index: int, kind: ACALSimOpType, attrs: dict[str, Any], shape: tuple[int, ...]
    ) -> ACALSimOp:
        """The op reading a copy or a padding of its operand.

        That is made once, and named after the first op that needs it.
        """
        name = op.inputs[index]
        key = (name, kind, str(attrs))
        if key not in self.copies:
            self.copies[key] = f"{name}_{kind.name.lower()}_{len(self.copies)}"
            out = self.ir.add_tensor(TensorDesc(self.copies[key], shape, self.ir.tensors[name].dtype))
            copy_name = f"{op.name}_{kind.name.lower()}{f'_{index}' if index else ''}"
            copy = ACALSimOp(kind, copy_name, (name,), (out.name,), attrs, source=op.source, aten=op.aten)
            self.producer[out.name] = copy
            self._place(copy)
            self._new(copy, ROWS[kind], "a copy")
        return replace(op, inputs=(*op.inputs[:index], self.copies[key], *op.inputs[index + 1 :]))

    # --- kernels

    def _claimed(self, claim: Claim) -> None:
        """The ops that a rule has taken, when the last one's turn has come."""
        for op in claim.chain.span:
            self._place_tentatively(op)
            if op not in claim.chain.ops:
                self._move(op, ROWS[op.op_type])
        kernel, ops = driven(claim, self.ir, self.access, self._with_copy)
        self.ir.ops += ops
        self.kernels.append(kernel)
        self._write(kernel)

    def _refusal(self, op: ACALSimOp) -> str:
        """Why an op stays on the CPU; empty if a device computes it."""
        self._place_tentatively(op)
        return self.target.refusal(self.lowering, op) or ""

    def _place_tentatively(self, op: ACALSimOp) -> None:
        self.access[op.outputs[0]] = Access.dense(op.outputs[0], self.ir.tensors[op.outputs[0]].shape)

    def _new(self, op: ACALSimOp, row: Row, reason: str = "") -> None:
        kernel = Kernel(
            op,
            self._taken_in(op) if row.takes_in else (),
            reason=reason,
            device=None if reason else self.target.devices[0].name,
        )
        self.kernels.append(kernel)
        self._write(kernel)

    def _write(self, kernel: Kernel) -> None:
        self.writer.update(dict.fromkeys(kernel.written, kernel))

    def _taken_in(self, op: ACALSimOp) -> tuple[ACALSimOp, ...]:
        """The ops of a pointwise kernel that feeds nothing but this op, which now computes them itself."""
        name = op.inputs[0]
        source = self._sole_source(name, op)
        kernel = self.writer.get(source) if source else None
        if (
            source is None
            or kernel is None
            or not kernel.is_pointwise
            or not self._is_only_for(kernel, name, source, op)
        ):
            return ()
        if not all(self._fits(each, self.ir.tensors[name].shape) for each in kernel.ops):
            return ()
        self.kernels.remove(kernel)
        return kernel.ops

    def _is_only_for(self, kernel: Kernel, name: str, source: str, op: ACALSimOp) -> bool:
        """Whether only `op` reads the kernel's results, as its operand `name`, and no output is among them."""
        inside = kernel.written
        while name != source:
            inside.add(name)
            name = self.producer[name].inputs[0]
        readers = [(each, reader) for each in kernel.written for reader in self.readers.get(each, ())]
        return not any(self.ir.tensors[each].is_output for each in inside) and all(
            reader.name == op.name and each == source or reader.outputs[0] in inside
            for each, reader in readers
        )

    def _sole_source(self, name: str, op: ACALSimOp) -> str | None:
        """What `name` is a view of, if nobody but `op` reads it, nor what is on the way."""
        while True:
            readers = self.readers.get(name, [])
            if self.ir.tensors[name].is_output or len(readers) != 1 or readers[0].name != op.name:
                return None
            if not is_view(name, self.producer, self.access):
                return name
            op = self.producer[name]
            name = op.inputs[0]

    def _source(self, name: str) -> str:
        """What `name` is a view of, whoever else reads it."""
        return source_of(name, self.producer, self.access)

    def _change(self, kernel: Kernel, *after: ACALSimOp) -> Kernel:
        """The kernel with other ops fused behind it, in its old one's place."""
        changed = replace(kernel, after=after)
        self.kernels[self.kernels.index(kernel)] = changed
        self._write(changed)
        return changed

    def _join(self, op: ACALSimOp) -> bool:
        """Put a pointwise op into a kernel that computes one of its operands.

        That is a device's kernel if there is one that may take it, and of several the latest.
        """
        feeding = {
            id(kernel): kernel for name in op.inputs if (kernel := self.writer.get(self._source(name)))
        }
        for kernel in sorted(
            feeding.values(),
            key=lambda kernel: (kernel.device is not None, self.kernels.index(kernel)),
            reverse=True,
        ):
            if self._may_join(op, kernel):
                if kernel.device:
                    self._join_device(op, kernel)
                else:
                    self._absorb(op, self._change(kernel, *kernel.after, op))
                return True
        return False

    def _join_device(self, op: ACALSimOp, kernel: Kernel) -> None:
        more = self._widened(op, kernel)
        for other in more:
            self.kernels.remove(other)
        self._change(kernel, *kernel.after, *(other.anchor for other in more), op)

    def _may_join(self, op: ACALSimOp, kernel: Kernel) -> bool:
        if kernel.driven or is_widening(op, self.ir):
            return False  # of what widens, whoever reads it takes it in, so that memory has the narrow form alone
        if kernel.device:
            if not self._device_takes(kernel, op):
                return False
        elif (
            not kernel.row.is_followed
            or not self._fits(op, self._space(kernel))
            or self._is_better_taken_in(op, kernel)
        ):
            return False
        inside = kernel.written
        if any(
            self.access[name].storage in inside and self._source(name) not in inside - _before(kernel)
            for name in op.inputs
        ):
            return False  # of what a kernel computes only the element at hand is there
        if ROWS[op.op_type].lookup and self._source(op.inputs[0]) in inside:
            return False
        place = self.kernels.index(kernel)
        others = [
            self.writer[storage]
            for name in op.inputs
            if (storage := self.access[name].storage) in self.writer
        ]
        if all(other is kernel or self.kernels.index(other) < place for other in others):
            return True
        if any(
            self.access[name].storage in inside for later in self.kernels[place + 1 :] for name in later.read
        ):
            return False
        self.kernels.append(self.kernels.pop(place))
        return True

    def _device_takes(self, kernel: Kernel, op: ACALSimOp) -> bool:
        more = [other.anchor for other in self._widened(op, kernel)]
        return self.target.takes(self.lowering, replace(kernel, after=(*kernel.after, *more, op)))

    def _widened(self, op: ACALSimOp, kernel: Kernel) -> list[Kernel]:
        """Kernels that only bring back to float32 what `op`, behind a device's kernel, adds."""
        feeding = [self.writer.get(name) for name in op.inputs if self._sole_source(name, op) == name]
        place = self.kernels.index(kernel)
        return [
            other
            for other in feeding
            if other
            and not other.driven
            and is_widening(other.anchor, self.ir)
            and len(other.ops) == 1
            and self._is_before(other.anchor.inputs[0], place)
        ]

    def _is_before(self, name: str, place: int) -> bool:
        """Whether a tensor is there before the kernel at `place`."""
        writer = self.writer.get(self.access[name].storage)
        return writer is None or self.kernels.index(writer) < place

    def _join_pool(self, op: ACALSimOp) -> bool:
        """Put max pooling into a device's kernel that computes its operand."""
        source = self._source(op.inputs[0])
        kernel = self.writer.get(source)
        if kernel is None or kernel.device is None:
            return False
        shared = len(self.readers.get(source, [])) > 1 or self.ir.tensors[source].is_output
        if shared and not covers(self.ir, op):
            return False  # what no window needs is not computed
        self._place_tentatively(op)
        if not self._device_takes(kernel, op):
            return False
        self.ir.add_op(op)
        self._change(kernel, *kernel.after, op)
        return True

    def _is_better_taken_in(self, op: ACALSimOp, kernel: Kernel) -> bool:
        """Whether its only reader reduces the op's result, and its operand is needed in memory anyway."""
        readers = self.readers.get(op.outputs[0], [])
        if len(readers) != 1 or not ROWS[readers[0].op_type].takes_in:
            return False
        return not any(self._sole_source(name, op) in kernel.written for name in op.inputs)

    def _absorb(self, op: ACALSimOp, kernel: Kernel) -> None:
        """Pointwise kernels that feed only `op`, now in `kernel`, are computed there too."""
        for name in op.inputs[bool(ROWS[op.op_type].lookup) :]:
            source = self._sole_source(name, op)
            other = self.writer.get(source) if source else None
            if source is None or other is None or other is kernel:
                continue
            if not other.is_pointwise or len(other.ops) > MOST_ABSORBED:
                continue
            if self.kernels.index(other) > self.kernels.index(kernel) or not self._is_only_for(
                other, name, source, op
            ):
                continue
            if all(self._fits(each, self._space(kernel)) for each in other.ops):
                self.kernels.remove(other)
                kernel = self._change(kernel, *kernel.after[:-1], *other.ops, op)

    def _space(self, kernel: Kernel) -> tuple[int, ...]:
        return kernel.row.index_space(self.ir.tensors[kernel.anchor.outputs[0]].shape)

    def _fits(self, op: ACALSimOp, space: tuple[int, ...]) -> bool:
        """Whether an elementwise op can be walked along another index space of as many elements."""
        shape = self.ir.tensors[op.outputs[0]].shape
        if math.prod(shape) != math.prod(space):
            return False
        accesses = [self.access[name] for name in op.inputs]
        shapes = [self.ir.tensors[name].shape for name in op.inputs]
        return all(
            walk.viewed(space) is not None
            for walk in ROWS[op.op_type].walks(accesses, shapes, shape, op.attrs)
        )


def covers(ir: ACALSimIR, op: ACALSimOp) -> bool:
    """Whether the windows of a pooling have each element of its operand in one of them."""
    sizes, counts = (ir.tensors[name].shape[-2:] for name in (op.inputs[0], op.outputs[0]))
    return all(
        stride <= size and (count - 1) * stride - padding + size >= whole
        for (size, stride, padding, *_), count, whole in zip(windows(op.attrs), counts, sizes, strict=True)
    )


def _before(kernel: Kernel) -> set[str]:
    return {op.outputs[0] for op in kernel.before}
