# SPDX-License-Identifier: Apache-2.0
"""Prints the work on one element of an index space: loads, pointwise ops and lookups, stores."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..ir.expressions import computed_in
from ..ir.graph import HALVES, ACALSimOp, TensorDesc
from ..ir.literals import C_TYPES, literal
from ..ir.ops import ROWS
from ..ir.strides import Access
from ..ir.views import viewed
from .loops import Item
from .site import Site

ASSIGN = "{at} = {v};"


class Elements:
    """Pointwise ops on the one element of an index space: loads, values, stores.

    `shape` is the index space; whatever is read or written is walked along it. Of an empty space nothing is
    printed, so nothing there asks for a pointer.
    """

    def __init__(self, site: Site, shape: Sequence[int], prefix: str = "v"):
        self.site, self.shape = site, tuple(shape)
        self.is_empty = 0 in self.shape
        self.values: dict[str, str] = {}
        self.loads: dict[tuple[str, tuple[int, ...]], tuple[str, Item]] = {}
        self.items: list[Item] = []
        self._known: dict[str, Item] = {}
        self.prefix = prefix

    @property
    def _zero(self) -> tuple[int, ...]:
        return (0,) * len(self.shape)

    def load(self, access: Access, dtype: str) -> str:
        """A variable that holds the element of `access`, which has the index space's elements."""
        if self.is_empty:
            return "0"
        walk, pointer = self._walk(access), self.site.pointer(access)
        key = (pointer, walk.strides)
        if key not in self.loads:
            name = f"{self.prefix}{len(self.items)}"
            text = f"const {C_TYPES[dtype]} {name} = {pointer}[{{walk}}];"
            item = Item(text, walk.strides, pointer=pointer)
            self._add(name, item)
            self.loads[key] = (name, item)
        return self.loads[key][0]

    def _add(self, name: str, item: Item) -> None:
        self.items.append(item)
        self._known[name] = item

    def value(self, name: str) -> str | None:
        """The name of a tensor's element, if that tensor, or one that it is a view of, was computed here."""
        sources = viewed(name, self.site.plan.producer)
        return next((self.values[each] for each in sources if each in self.values), None)

    def compute(self, ops: Iterable[ACALSimOp]) -> None:
        for op in ops:
            self._compute(op)

    def _compute(self, op: ACALSimOp) -> None:
        row, out = ROWS[op.op_type], self.site.desc(op.outputs[0])
        inputs = [self.site.desc(name) for name in op.inputs]
        walks = row.walks(
            [self.site.access(name) for name in op.inputs],
            [d.shape for d in inputs],
            out.shape,
            op.attrs,
        )
        self.site.headers.update([row.header] if row.header else [])
        dtypes = (out.dtype, *(desc.dtype for desc in inputs))
        self.site.headers.update(f"{each}.h" for each in (*HALVES, "float64") if each in dtypes)
        if row.lookup_steps:
            steps = row.lookup_steps(inputs, op.attrs)
            text, needs = self._lookup(op, steps, inputs, walks)
        elif row.expression:
            elements = iter(
                [
                    self.value(desc.name) or self.load(walk, desc.dtype)
                    for desc, walk in zip(inputs, walks, strict=True)
                ]
            )
            dtype = computed_in(inputs, out)
            operands = [
                literal(op.attrs[name], dtype) if name in op.attrs else next(elements, "")
                for name in row.operand_names
            ]
            text, needs = row.expression(operands, op.attrs, inputs, out), tuple(operands)
        self.define(out, text, needs)

    def _lookup(
        self,
        op: ACALSimOp,
        steps: Sequence[tuple[int, int | None]],
        inputs: list[TensorDesc],
        walks: list[Access],
    ) -> tuple[str, tuple[str, ...]]:
        base, *indices = walks
        strides = self.site.access(op.inputs[0]).strides
        names = [
            self.value(desc.name) or self.load(walk, desc.dtype)
            for desc, walk in zip(inputs[1:], indices, strict=True)
        ]
        if self.is_empty:
            return "0", ()
        parts = [
            self._within(name, size, strides[dim] if dim is not None else 0)
            for name, (size, dim) in zip(names, steps, strict=True)
        ]
        name, pointer = f"{self.prefix}{len(self.items)}", self.site.pointer(base)
        text = f"const {C_TYPES[inputs[0].dtype]} {name} = {pointer}[{{walk}} + {' + '.join(parts)}];"
        needs = tuple(self._known[each] for each in names if each in self._known)
        self._add(name, Item(text, self._walk(base).strides, needs, pointer=pointer))
        return name, (name,)

    def define(self, out: TensorDesc, text: str, needs: Sequence[str]) -> None:
        """The element of tensor `out` is what the C expression `text` says, from the variables it `needs`."""
        name = f"{self.prefix}{len(self.items)}"
        if out.dtype == "bool":
            text = f"({text}) != 0"
        known = tuple(self._known[each] for each in needs if each in self._known)
        self._add(name, Item(f"const {C_TYPES[out.dtype]} {name} = {text};", self._zero, known))
        self.values[out.name] = name

    def give(self, out: TensorDesc, text: str) -> None:
        """As define, for an expression that has to be computed anew at every element."""
        self.define(out, text, ())
        self.items[-1].innermost = True

    def store(self, names: Iterable[str]) -> None:
        """Write the elements of those tensors that were computed here."""
        for name in names:
            if name in self.values:
                self.write(self.site.access(name), self.values[name])

    def write(self, access: Access, value: str) -> None:
        self.write_indexed(access, (), value)

    def write_indexed(
        self, access: Access, steps: Sequence[tuple[str, int, int]], value: str, update: str = ASSIGN
    ) -> None:
        """Write where `access` walks, moved by value times step for each (variable, size, step).

        `update` is the statement for the element {at} and the value {v}.
        """
        if self.is_empty:
            return
        place = " + ".join(["{walk}", *(self._within(name, size, step) for name, size, step in steps)])
        walk, pointer = self._walk(access), self.site.pointer(access, True)
        text = update.replace("{at}", f"{pointer}[{place}]").replace("{v}", value)
        self.items.append(Item(text, walk.strides, innermost=True, pointer=pointer))

    def _within(self, name: str, size: int, step: int) -> str:
        self.site.headers.add("index.h")
        return f"index_within({name}, {size}) * {step}"

    def _walk(self, access: Access) -> Access:
        return access.seen_as(self.shape)
