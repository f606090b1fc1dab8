# SPDX-License-Identifier: Apache-2.0
"""Lets kernels write straight to where a copy, a concatenation or a padding would bring their results."""

from __future__ import annotations

from collections.abc import Mapping

from ..ir.graph import ACALSimIR, ACALSimOp, TensorDesc
from ..ir.kernel import Kernel
from ..ir.ops import ROWS
from ..ir.strides import Access
from ..offload.decide import Target
from ..offload.product import Lowering
from .copies import before_movement, destination


def settle(
    ir: ACALSimIR, kernels: list[Kernel], access: dict[str, Access], target: Target
) -> dict[str, Access]:
    """The accesses after all that could be moved was moved, last copies first."""
    settler = _Settler(ir, kernels, access, target)
    for kernel in reversed(kernels):
        if kernel.row.joins and not kernel.after:
            for index in range(len(kernel.anchor.inputs)):
                settler.bring(kernel.anchor, index)
    return settler.access


class _Settler:
    def __init__(self, ir: ACALSimIR, kernels: list[Kernel], access: dict[str, Access], target: Target):
        self.ir, self.access, self.target = ir, access, target
        self.producer = {op.outputs[0]: op for op in ir.ops}
        self.writer = {name: kernel for kernel in kernels for name in kernel.results}
        self.moved: set[str] = set()
        self.viewers: dict[str, list[ACALSimOp]] = {}
        for op in ir.ops:
            if ROWS[op.op_type].movement and access[op.outputs[0]].storage != op.outputs[0]:
                self.viewers.setdefault(op.inputs[0], []).append(op)
        self.readers: dict[str, list[tuple[Kernel, ACALSimOp, int]]] = {}
        for kernel in kernels:
            for op in kernel.ops:
                for index, name in enumerate(op.inputs):
                    self.readers.setdefault(name, []).append((kernel, op, index))

    def bring(self, op: ACALSimOp, index: int) -> None:
        """Move operand `index` of a copying op to its destination, if all who touch it can follow."""
        name, target = op.inputs[index], destination(self.ir, op, index, self.access[op.outputs[0]])
        while (
            target is not None and self.access[name].storage != name
        ):  # back through views to the tensor itself
            source = self.producer.get(name)
            if source is None or name in self.moved:
                return
            target = before_movement(source, target, self.ir.tensors[source.inputs[0]].shape)
            name = source.inputs[0]
        if target is None or name in self.moved or name not in self.writer or self._is_fixed(name):
            return
        moved = self._follow(name, target)
        if (
            moved is not None
            and self._writes(self.writer[name], name, target, moved)
            and all(self._reads(each, moved) for each in moved)
        ):
            self.access.update(moved)
            self.moved.update(moved)

    def _is_fixed(self, name: str) -> bool:
        """Inputs, parameters and outputs lie where they are."""
        return any(
            desc.is_input or desc.is_param or desc.is_output
            for desc in (self.ir.tensors[name], *self._views(name))
        )

    def _views(self, name: str) -> list[TensorDesc]:
        found = []
        for op in self.viewers.get(name, ()):
            found += [self.ir.tensors[op.outputs[0]], *self._views(op.outputs[0])]
        return found

    def _follow(self, name: str, target: Access) -> dict[str, Access] | None:
        """The accesses of a tensor and all its views when it lies at `target`."""
        moved = {name: target}
        for op in self.viewers.get(name, ()):
            access = ROWS[op.op_type].movement(target, op.attrs, self.ir.tensors[op.outputs[0]].shape)
            more = self._follow(op.outputs[0], access) if access else None
            if more is None:
                return None
            moved |= more
        return moved

    def _device_can(self, kernel: Kernel, moved: Mapping[str, Access]) -> bool:
        """Whether a device's kernel reaches all that it touches with some of it moved."""
        return self.target.takes(Lowering(self.ir, self.producer, {**self.access, **moved}), kernel)

    def _writes(self, kernel: Kernel, name: str, target: Access, moved: Mapping[str, Access]) -> bool:
        if kernel.device:
            return self._device_can(kernel, moved)
        if kernel.row.writes is None or not kernel.row.writes(target):
            return False
        if name in {op.outputs[0] for op in kernel.before}:
            return target.viewed(self.ir.tensors[kernel.anchor.inputs[0]].shape) is not None
        return target.viewed(self._space(kernel)) is not None

    def _space(self, kernel: Kernel) -> tuple[int, ...]:
        return kernel.row.index_space(self.ir.tensors[kernel.anchor.outputs[0]].shape)

    def _reads(self, name: str, moved: Mapping[str, Access]) -> bool:
        """Whether everyone who reads tensor `name` can do so at its new place."""
        for kernel, op, index in self.readers.get(name, ()):
            row = ROWS[op.op_type]
            if kernel.device:
                if not self._device_can(kernel, moved):
                    return False
                continue
            if not row.reads(index, moved[name], op.attrs):
                return False
            if row.is_elementwise and not self._still_fits(kernel, op, moved):
                return False
        return True

    def _still_fits(self, kernel: Kernel, op: ACALSimOp, moved: Mapping[str, Access]) -> bool:
        space = self.ir.tensors[kernel.anchor.inputs[0]].shape if op in kernel.before else self._space(kernel)
        accesses = [moved.get(name, self.access[name]) for name in op.inputs]
        shapes = [self.ir.tensors[name].shape for name in op.inputs]
        walks = ROWS[op.op_type].walks(accesses, shapes, self.ir.tensors[op.outputs[0]].shape, op.attrs)
        return all(walk.viewed(space) is not None for walk in walks)
