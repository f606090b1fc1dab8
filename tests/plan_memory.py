# SPDX-License-Identifier: Apache-2.0
"""A memory plan carried out on bytes that know whose they are."""

import itertools

import numpy as np
import torch
from acalsim_backend.ir.graph import ITEM_BYTES, ACALSimOpType
from acalsim_backend.ir.ops import ROWS
from acalsim_backend.machine.file import load_machine
from acalsim_backend.schedule.passes import make_plan
from random_graphs import INTERPRETED

T = ACALSimOpType
MACHINE = load_machine("cpu")

IDENTITIES = {T.VIEW, T.PERMUTE, T.EXPAND, T.SLICE, T.SELECT, T.FLIP, T.COPY, T.CAT, T.PAD}
"""Ops whose elements are those of their operands."""


class Memory:
    """Carries out a plan kernel by kernel. Every element of every tensor is a number of its own, which
    movements and copies hand on; every byte of memory knows which element was last written there."""

    def __init__(self, ir, keep_all=False):
        self.plan = make_plan(ir, MACHINE, keep_all)
        self.ir = self.plan.ir
        self.bytes = {}
        self.elements = {}
        fresh = itertools.count()
        for name, desc in self.ir.tensors.items():
            if desc.is_input or desc.is_param:
                self.elements[name] = self.numbers(fresh, desc.shape)
                self.write(name, self.elements[name])
        for op in self.ir.ops:
            shape = self.ir.tensors[op.outputs[0]].shape
            self.elements[op.outputs[0]] = (
                self.moved(op, fresh) if op.op_type in IDENTITIES else self.numbers(fresh, shape)
            )

    @staticmethod
    def numbers(fresh, shape):
        return np.array([next(fresh) for _ in range(int(np.prod(shape)))], np.int64).reshape(shape)

    def moved(self, op, fresh):
        operands = [torch.from_numpy(self.elements[name]) for name in op.inputs]
        attrs = {**op.attrs, "value": -next(fresh) - 2} if op.op_type is T.PAD else op.attrs
        return INTERPRETED[op.op_type](attrs, *operands).contiguous().numpy()

    def addresses(self, name):
        """(C object, byte of each element in row-major order) of a tensor."""
        access, desc = self.plan.access[name], self.ir.tensors[name]
        place = self.plan.places[access.storage]
        assert access.shape == desc.shape
        index = np.full(access.shape, access.offset)
        for dim, step in enumerate(access.strides):
            index = (
                index
                + np.arange(access.shape[dim]).reshape(
                    [-1 if each == dim else 1 for each in range(len(access.shape))]
                )
                * step
            )
        found = place.offset + index * ITEM_BYTES[desc.dtype]
        inside = (found >= place.offset) & (found + ITEM_BYTES[desc.dtype] <= place.offset + place.size_bytes)
        assert inside.all(), f"{name} leaves its storage"
        return place.symbol, found.ravel()

    def write(self, name, elements, only=None):
        symbol, found = self.addresses(name)
        size = ITEM_BYTES[self.ir.tensors[name].dtype]
        for number, (address, element) in enumerate(
            zip(found.tolist(), elements.ravel().tolist(), strict=True)
        ):
            if only is None or only[number]:
                self.bytes.update({(symbol, address + byte): (element, byte) for byte in range(size)})

    def read(self, name, reader):
        """Every byte must have been written last as what the reader takes it for."""
        symbol, found = self.addresses(name)
        size = ITEM_BYTES[self.ir.tensors[name].dtype]
        for address, element in zip(found.tolist(), self.elements[name].ravel().tolist(), strict=True):
            for byte in range(size):
                assert self.bytes.get((symbol, address + byte)) == (element, byte), (
                    f"{reader} finds {name} overwritten"
                )

    def run(self):
        for kernel in self.plan.kernels:
            untouched = self.untouched(kernel)
            for name in self.operands(kernel):
                if name not in untouched:
                    self.read(name, kernel.name)
            self.check_in_place(kernel)
            for name in kernel.results:
                self.write(
                    name,
                    self.elements[name],
                    self.unbrought(kernel) if kernel.anchor.op_type in (T.CAT, T.PAD) else None,
                )
        for name in self.ir.outputs:
            self.read(name, "the end")

    def operands(self, kernel):
        """What a kernel reads from memory: not what it computes itself, nor that in another shape."""

        def computed(name):
            producer = self.plan.producer.get(name)
            return (
                name in kernel.written
                or producer is not None
                and producer.op_type is T.VIEW
                and computed(producer.inputs[0])
            )

        return list(dict.fromkeys(name for op in kernel.ops for name in op.inputs if not computed(name)))

    def brought(self, kernel):
        """Of each operand of a cat or a padding, whether it already lies where it is to be."""
        op = kernel.anchor
        if op.op_type not in (T.CAT, T.PAD):
            return [False] * len(op.inputs)
        symbol, found = self.addresses(op.outputs[0])
        owners = self.owners(op)
        places = [self.addresses(name) for name in op.inputs]
        return [
            own == (symbol, own[1]) and np.array_equal(found[owners == number], own[1])
            for number, own in enumerate(places)
        ]

    def owners(self, op):
        """For each element of a cat or a padding the number of the operand that it comes from; border: -1."""
        marks = [torch.full(self.ir.tensors[name].shape, number) for number, name in enumerate(op.inputs)]
        attrs = {**op.attrs, "value": -1} if op.op_type is T.PAD else op.attrs
        return INTERPRETED[op.op_type](attrs, *marks).contiguous().numpy().ravel()

    def untouched(self, kernel):
        """The operands that a kernel need not read: those brought, every time that they are named."""
        brought = list(zip(kernel.anchor.inputs, self.brought(kernel), strict=True))
        return {
            name for name, _ in brought if all(is_brought for other, is_brought in brought if other == name)
        }

    def unbrought(self, kernel):
        """Which elements of a cat or a padding it has to write itself."""
        brought = [number for number, is_brought in enumerate(self.brought(kernel)) if is_brought]
        return ~np.isin(self.owners(kernel.anchor), brought)

    def check_in_place(self, kernel):
        """What a kernel overwrites of its operands is the element at hand, which nothing needs any more."""
        for result in kernel.results:
            symbol, written = self.addresses(result)
            if kernel.anchor.op_type in (T.CAT, T.PAD):
                written = written[self.unbrought(kernel)]
            size = ITEM_BYTES[self.ir.tensors[result].dtype]
            touched = {address + byte for address in written.tolist() for byte in range(size)}
            for name in self.operands(kernel):
                source, found = self.addresses(name)
                own = ITEM_BYTES[self.ir.tensors[name].dtype]
                if (
                    source != symbol
                    or name in self.untouched(kernel)
                    or touched.isdisjoint(address + byte for address in found.tolist() for byte in range(own))
                ):
                    continue
                row = ROWS[kernel.anchor.op_type]
                assert row.is_elementwise or row.overwrites and name == kernel.anchor.inputs[0], (
                    f"{kernel.name} overwrites {name} before it has read it all"
                )
                assert own == size and np.array_equal(written, found), (
                    f"{kernel.name} overwrites elements of {name} that it still needs"
                )
