# SPDX-License-Identifier: Apache-2.0
"""Pass `elide`: kernels write straight to where a copy, concatenation or padding would bring results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from ..ir.graph import ACALSimIR, ACALSimOp, ACALSimOpType, TensorDesc
from ..ir.kernel import Kernel
from ..ir.movement import before_movement
from ..ir.ops import ROWS
from ..ir.shapes import dimension, pads
from ..ir.strides import Access
from ..ir.views import read_once
from ..offload.decide import Target
from ..offload.product import Lowering
from ..rules.claim import Claims
from .driven import can_drive
from .plan import Plan

T = ACALSimOpType


def elide(plan: Plan) -> Plan:
    """Moves all that can be moved, last copies first; drops the copies that have nothing left to do."""
    elider = _Elider(plan.ir, plan.kernels, dict(plan.access), plan.target, plan.claims)
    for kernel in reversed(plan.kernels):
        if kernel.row.joins and not kernel.after and not kernel.driven:
            for index in range(len(kernel.anchor.inputs)):
                elider.bring(kernel.anchor, index)
    ir, access = plan.ir, elider.access
    kernels = tuple(kernel for kernel in plan.kernels if _has_work(ir, kernel, access))
    used = {access[name].storage for kernel in kernels for name in kernel.results}
    used |= {access[name].storage for name in ir.outputs} | {*ir.inputs, *ir.params}
    storages = {name: desc for name, desc in ir.tensors.items() if name in used or not desc.elements}
    return replace(plan, kernels=kernels, access=access, storages=storages)


def _has_work(ir: ACALSimIR, kernel: Kernel, access: Mapping[str, Access]) -> bool:
    """A copy has none if its operands lie where it would bring them; a padding always has its border."""
    if kernel.driven or not kernel.row.joins or kernel.after or kernel.anchor.op_type is T.PAD:
        return bool(kernel.results)
    return bool(left_to_copy(ir, kernel.anchor, access))


# --- where copies bring their operands ------------------------------------------------------------


def left_to_copy(ir: ACALSimIR, op: ACALSimOp, access: Mapping[str, Access]) -> list[int]:
    """The operands of a copying op that do not lie where it is to bring them."""
    result = access[op.outputs[0]]
    places = [destination(ir, op, index, result) for index in range(len(op.inputs))]
    return [
        index
        for index, place in enumerate(places)
        if place is None or not _same(place, access[op.inputs[index]])
    ]


def _same(one: Access, other: Access) -> bool:
    if 0 in one.shape:
        return True
    steps = [(a, b) for a, b, size in zip(one.strides, other.strides, one.shape, strict=True) if size > 1]
    return (one.storage, one.offset) == (other.storage, other.offset) and all(a == b for a, b in steps)


def destination(ir: ACALSimIR, op: ACALSimOp, index: int, result: Access) -> Access | None:
    """Where a copying op puts its operand `index`, in the operand's shape; None if no strides say that."""
    shape = ir.tensors[op.inputs[index]].shape
    if op.op_type is T.CAT:
        if shape == (0,):
            return Access(result.storage, (0,), (1,))
        dim = dimension(shape, op.attrs.get("dim", 0))
        start = sum(each[dim] for name in op.inputs[:index] if (each := ir.tensors[name].shape) != (0,))
        return result.sliced(dim, start, 1, shape[dim])
    if op.op_type is T.PAD:
        for dim, (before, after) in enumerate(pads(shape, op.attrs)):
            if before < 0 or after < 0:
                return None
            result = result.sliced(dim, before, 1, shape[dim])
        return result
    return before_movement(op, result, shape)


# --- moving tensors there -------------------------------------------------------------------------


class _Elider:
    def __init__(
        self,
        ir: ACALSimIR,
        kernels: Sequence[Kernel],
        access: dict[str, Access],
        target: Target,
        claims: Claims,
    ):
        self.ir, self.access, self.target, self.claims = ir, access, target, claims.of
        self.producer = ir.producers()
        self.lowering = Lowering(ir, self.producer, access, read_once(ir), target.has_vector_unit)
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
            movement = ROWS[op.op_type].movement
            access = movement and movement(target, op.attrs, self.ir.tensors[op.outputs[0]].shape)
            more = self._follow(op.outputs[0], access) if access else None
            if more is None:
                return None
            moved |= more
        return moved

    def _device_can(self, kernel: Kernel, moved: Mapping[str, Access]) -> bool:
        """Whether a device's kernel reaches all that it touches with some of it moved."""
        return self.target.takes(self.lowering.moved(moved), kernel)

    def _driver_can(self, kernel: Kernel, moved: Mapping[str, Access]) -> bool:
        """Whether a rule takes its ops with some of what they touch moved."""
        return can_drive(self.claims[kernel.name], self.ir, kernel.ops, {**self.access, **moved})

    def _writes(self, kernel: Kernel, name: str, target: Access, moved: Mapping[str, Access]) -> bool:
        if kernel.device:
            return self._device_can(kernel, moved)
        if kernel.driven:
            return self._driver_can(kernel, moved)
        if kernel.row.writes is None or not kernel.row.writes(target):
            return False
        if kernel.row.movement:
            return self._copies(kernel, self.access[kernel.anchor.inputs[0]], target)
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
            if kernel.driven:
                if not self._driver_can(kernel, moved):
                    return False
                continue
            if not row.reads(index, moved[name], op.attrs):
                return False
            if row.is_elementwise and not self._still_fits(kernel, op, moved):
                return False
            if row.movement and not self._copies(kernel, moved[name], self.access[op.outputs[0]]):
                return False
        return True

    def _copies(self, kernel: Kernel, source: Access, result: Access) -> bool:
        """Whether a movement's copy can walk its source as the result does, or its result as the source does."""
        op, movement = kernel.anchor, kernel.row.movement
        seen = movement and movement(source, op.attrs, self.ir.tensors[op.outputs[0]].shape)
        return seen is not None or result.viewed(source.shape) is not None

    def _still_fits(self, kernel: Kernel, op: ACALSimOp, moved: Mapping[str, Access]) -> bool:
        space = self.ir.tensors[kernel.anchor.inputs[0]].shape if op in kernel.before else self._space(kernel)
        accesses = [moved.get(name, self.access[name]) for name in op.inputs]
        shapes = [self.ir.tensors[name].shape for name in op.inputs]
        walks = ROWS[op.op_type].walks(accesses, shapes, self.ir.tensors[op.outputs[0]].shape, op.attrs)
        return all(walk.viewed(space) is not None for walk in walks)
