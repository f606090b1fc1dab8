# SPDX-License-Identifier: Apache-2.0
"""Prints C for one kernel: literals, loops over walks through memory, pointwise ops element by element."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .access import Access
from .ir import ACALSimOp, TensorDesc

if TYPE_CHECKING:
    from .kernel import Kernel
    from .plan import Place
    from .schedule import Schedule

C_TYPES = {"float32": "float", "int64": "int64_t", "int32": "int32_t", "int8": "int8_t", "bool": "uint8_t"}

LEAST_INT64 = -(1 << 63)
"""C has no literal for it."""


def as_float32(value: float) -> float:
    """The nearest float32; beyond the largest one an infinity."""
    try:
        return struct.unpack("f", struct.pack("f", value))[0]
    except OverflowError:
        return math.copysign(math.inf, value)


def literal(value: float | int | bool) -> str:
    """The C literal of an integer, or of a float rounded to float32: hexadecimal, so exact."""
    if isinstance(value, bool | int):
        return f"({int(value) + 1} - 1)" if value == LEAST_INT64 else str(int(value))
    if math.isnan(value):
        return "NAN"
    value = as_float32(value)
    if math.isinf(value):
        return "INFINITY" if value > 0 else "-INFINITY"
    return f"{value.hex()}f"


# --- loops ----------------------------------------------------------------------------------------


@dataclass
class Item:
    """A statement within a nest of loops. `strides` are of the walk whose index stands for {walk};
    it is printed in the outermost loop in which it, and what it `needs`, is known."""

    text: str
    strides: tuple[int, ...]
    needs: tuple[Item, ...] = ()
    innermost: bool = False
    level: int = 0


def collapse(shape: Sequence[int], walks: Sequence[Sequence[int]]) -> tuple[list[int], list[list[int]]]:
    """Merge neighbouring dimensions that every walk crosses in one stride; drop those of size 1."""
    sizes: list[int] = []
    merged: list[list[int]] = [[] for _ in walks]
    for dim, size in enumerate(shape):
        steps = [walk[dim] for walk in walks]
        if size == 1:
            continue
        if sizes and all(kept[-1] == step * size for kept, step in zip(merged, steps, strict=True)):
            sizes[-1] *= size
            for kept, step in zip(merged, steps, strict=True):
                kept[-1] = step
        else:
            sizes.append(size)
            for kept, step in zip(merged, steps, strict=True):
                kept.append(step)
    return sizes, merged


def index(steps: Sequence[int], variables: Sequence[str]) -> str:
    """The C expression of a walk's element; subtracted where a walk runs backwards."""
    terms = [
        name if step == 1 else f"{name} * {step}" for step, name in zip(steps, variables, strict=True) if step
    ]
    return " + ".join(terms).replace("+ -", "- ") or "0"


def nest(shape: Sequence[int], items: Sequence[Item], first: int = 0, unroll: bool = True) -> list[str]:
    """Loops i<first>, i<first + 1> ... over `shape`, each item at its level."""
    if 0 in shape:
        return []
    sizes, walks = collapse(shape, [item.strides for item in items])
    names = [f"i{first + dim}" for dim in range(len(sizes))]
    for item, steps in zip(items, walks, strict=True):
        own = max((dim + 1 for dim, step in enumerate(steps) if step), default=0)
        item.level = len(sizes) if item.innermost else max([own, *(other.level for other in item.needs)])
    lines = [
        item.text.format(walk=index(walks[at], names)) for at, item in enumerate(items) if item.level == 0
    ]
    for dim, size in enumerate(sizes):
        pad = "    " * dim
        last = dim == len(sizes) - 1
        lines += [pad + "EACH_ELEMENT"] * (unroll and last) + [
            f"{pad}for (long {names[dim]} = 0; {names[dim]} < {size}; {names[dim]}++) {{"
        ]
        lines += [
            pad + "    " + item.text.format(walk=index(walks[at], names))
            for at, item in enumerate(items)
            if item.level == dim + 1
        ]
    lines += ["    " * dim + "}" for dim in reversed(range(len(sizes)))]
    return lines if sizes or len(lines) < 2 else ["{", *("    " + line for line in lines), "}"]


class Rows:
    """Loops over the rows of a tensor, all its dimensions but `dims`, and within them passes over a row."""

    def __init__(self, shape: Sequence[int], dims: Sequence[int], *items: Sequence[Item]):
        every = [item for each in items for item in each]
        kept = [dim for dim in range(len(shape)) if dim not in dims]
        self.sizes, outer = collapse(
            [shape[dim] for dim in kept], [[item.strides[dim] for dim in kept] for item in every]
        )
        self.row_sizes, inner = collapse(
            [shape[dim] for dim in dims], [[item.strides[dim] for dim in dims] for item in every]
        )
        self._outer = {id(item): self._terms(steps, "i") for item, steps in zip(every, outer, strict=True)}
        self._inner = {id(item): self._terms(steps, "s") for item, steps in zip(every, inner, strict=True)}
        self.is_empty = 0 in [shape[dim] for dim in kept]
        self.has_empty_rows = 0 in [shape[dim] for dim in dims]

    @staticmethod
    def _terms(steps: Sequence[int], letter: str) -> str:
        return index(steps, [f"{letter}{dim}" for dim in range(len(steps))])

    def _text(self, item: Item) -> str:
        parts = [part for part in (self._outer[id(item)], self._inner[id(item)]) if part != "0"]
        return item.text.format(walk=" + ".join(parts).replace("+ -", "- ") or "0")

    def each(self, items: Sequence[Item], steps: Sequence[str], unroll: bool = True) -> list[str]:
        """One pass over a row: the items and the statements `steps` at every element."""
        if self.has_empty_rows:
            return []
        lines = ["{", "    REDUCTION"]
        for dim, size in enumerate(self.row_sizes):
            pad = "    " * (dim + 1)
            last = dim == len(self.row_sizes) - 1
            lines += [pad + "EACH_ELEMENT"] * (unroll and last) + [
                f"{pad}for (long s{dim} = 0; s{dim} < {size}; s{dim}++) {{"
            ]
        depth = "    " * (len(self.row_sizes) + 1)
        lines += [depth + text for text in (*(self._text(item) for item in items), *steps)]
        return lines + ["    " * (dim + 1) + "}" for dim in reversed(range(len(self.row_sizes)))] + ["}"]

    def once(self, items: Sequence[Item]) -> list[str]:
        """The items at the end of a row."""
        return [self._text(item) for item in items]

    def around(self, body: Sequence[str]) -> list[str]:
        """The loops over rows around their statements."""
        if self.is_empty:
            return []
        lines = [
            f"{'    ' * dim}for (long i{dim} = 0; i{dim} < {size}; i{dim}++) {{"
            for dim, size in enumerate(self.sizes)
        ]
        depth = "    " * len(self.sizes)
        inner = (
            [depth + line for line in body] if self.sizes else ["{", *("    " + line for line in body), "}"]
        )
        return [*lines, *inner, *("    " * dim + "}" for dim in reversed(range(len(self.sizes))))]


# --- one kernel ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Pointer:
    """To element `offset` of what lies at `place`; `storage` is one of the names for that."""

    place: Place
    offset: int
    dtype: str
    storage: str = field(compare=False)

    def may_meet(self, other: Pointer) -> bool:
        """Whether their storages overlap; an empty one lies where another may."""
        mine, others = self.place, other.place
        return 0 in (mine.size_bytes, others.size_bytes) or (
            mine.symbol == others.symbol
            and mine.offset < others.offset + others.size_bytes
            and others.offset < mine.offset + mine.size_bytes
        )


@dataclass
class Site:
    """One kernel in the making: its memory, by pointers p0, p1 ... that the caller gives it.

    Each address has one pointer, whatever its storage is called. One that is written through has its memory to itself,
    which C is told, so that the work on several elements can be interleaved.
    """

    schedule: Schedule
    kernel: Kernel
    places: Mapping[str, Place]
    pointers: dict[Pointer, str] = field(default_factory=dict)
    written: set[str] = field(default_factory=set)
    functions: list[str] = field(default_factory=list)
    headers: set[str] = field(default_factory=set)

    @property
    def op(self) -> ACALSimOp:
        return self.kernel.anchor

    @property
    def attrs(self) -> dict:
        return self.op.attrs

    @property
    def inputs(self) -> list[TensorDesc]:
        return [self.desc(name) for name in self.op.inputs]

    @property
    def output(self) -> TensorDesc:
        return self.desc(self.op.outputs[0])

    def desc(self, name: str) -> TensorDesc:
        return self.schedule.ir.tensors[name]

    def access(self, name: str) -> Access:
        return self.schedule.access[name]

    def pointer(self, access: Access, writes: bool = False) -> str:
        """The C name of the pointer to the access's first element."""
        desc, place = self.schedule.ir.tensors[access.storage], self.places[access.storage]
        key = Pointer(place, access.offset, desc.dtype, access.storage)
        name = self.pointers.setdefault(key, f"p{len(self.pointers)}")
        if writes:
            self.written.add(name)
        return name

    def parameters(self) -> list[str]:
        """The C parameters of the kernel's function."""
        return [self._parameter(pointer, name) for pointer, name in self.pointers.items()]

    def _parameter(self, pointer: Pointer, name: str) -> str:
        kind = C_TYPES[pointer.dtype]
        if name not in self.written:
            return f"const {kind} *{name}"
        alone = not any(pointer.may_meet(other) for other in self.pointers if other is not pointer)
        return f"{kind} *{'restrict ' if alone else ''}{name}"

    def arguments(self) -> list[str]:
        return [f"{each.storage} + {each.offset}" if each.offset else each.storage for each in self.pointers]


class Elements:
    """Pointwise ops on the one element of an index space: loads, values, stores.

    `shape` is the index space; whatever is read or written is walked along it. `given` names values
    that are there already, by tensor.
    """

    def __init__(
        self, site: Site, shape: Sequence[int], given: dict[str, str] | None = None, prefix: str = "v"
    ):
        self.site, self.shape = site, tuple(shape)
        self.values: dict[str, Item | str] = dict(given or {})
        self.loads: dict[tuple, tuple[str, Item]] = {}
        self.items: list[Item] = []
        self._known: dict[str, Item] = {}
        self.prefix = prefix

    @property
    def _zero(self) -> tuple[int, ...]:
        return (0,) * len(self.shape)

    def load(self, access: Access, dtype: str) -> str:
        """A variable that holds the element of `access`, which has the index space's elements."""
        walk = self._walk(access)
        key = (self.site.pointer(access), walk.strides)
        if key not in self.loads:
            name = f"{self.prefix}{len(self.items)}"
            item = Item(f"const {C_TYPES[dtype]} {name} = {key[0]}[{{walk}}];", walk.strides)
            self._add(name, item)
            self.loads[key] = (name, item)
        return self.loads[key][0]

    def _add(self, name: str, item: Item) -> None:
        self.items.append(item)
        self._known[name] = item

    def value(self, name: str) -> str | None:
        """What a tensor's element is called here, if it was computed here: itself, or what it is a view of."""
        while name not in self.values:
            source = self.site.schedule.producer.get(name)
            if source is None or source.op_type.name != "VIEW":
                return None
            name = source.inputs[0]
        return self.values[name]

    def compute(self, ops: Iterable[ACALSimOp]) -> None:
        for op in ops:
            self._compute(op)

    def _compute(self, op: ACALSimOp) -> None:
        from .ops import ROWS

        row, out = ROWS[op.op_type], self.site.desc(op.outputs[0])
        inputs = [self.site.desc(name) for name in op.inputs]
        walks = row.walks(
            [self.site.schedule.access.get(name) for name in op.inputs],
            [d.shape for d in inputs],
            out.shape,
            op.attrs,
        )
        self.site.headers |= {row.header} - {None}
        if row.lookup:
            text, needs = self._lookup(op, row, inputs, walks)
        else:
            elements = iter(
                [
                    self.value(desc.name) or self.load(walk, desc.dtype)
                    for desc, walk in zip(inputs, walks, strict=True)
                ]
            )
            operands = [
                literal(op.attrs[name]) if name in op.attrs else next(elements, "")
                for name in row.operand_names
            ]
            text, needs = row.expression(operands, op.attrs, inputs, out), tuple(operands)
        self.define(out, text, needs)

    def _lookup(
        self, op: ACALSimOp, row, inputs: list[TensorDesc], walks: list[Access]
    ) -> tuple[str, tuple[str, ...]]:
        base, *indices = walks
        strides = self.site.access(op.inputs[0]).strides
        names = [
            self.value(desc.name) or self.load(walk, desc.dtype)
            for desc, walk in zip(inputs[1:], indices, strict=True)
        ]
        parts = [
            self._within(name, size, strides[dim] if dim is not None else 0)
            for name, (size, dim) in zip(names, row.lookup_steps(inputs, op.attrs), strict=True)
        ]
        name = f"{self.prefix}{len(self.items)}"
        text = f"const {C_TYPES[inputs[0].dtype]} {name} = {self.site.pointer(base)}[{{walk}} + {' + '.join(parts)}];"
        self._add(
            name,
            Item(
                text,
                self._walk(base).strides,
                tuple(self._known[each] for each in names if each in self._known),
            ),
        )
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
        """As define, for an expression that is another one at every element."""
        self.define(out, text, ())
        self.items[-1].innermost = True

    def store(self, names: Iterable[str]) -> None:
        """Write the elements of those tensors that were computed here."""
        for name in names:
            if name in self.values:
                self.write(self.site.access(name), self.values[name])

    def write(self, access: Access, value: str) -> None:
        walk = self._walk(access)
        self.items.append(
            Item(f"{self.site.pointer(access, True)}[{{walk}}] = {value};", walk.strides, innermost=True)
        )

    def write_indexed(
        self, access: Access, steps: Sequence[tuple[str, int, int]], value: str, update: str = "{at} = {v};"
    ) -> None:
        """Write where `access` walks plus, for each (variable, size, step), the variable's value times the step:
        `update` is the statement for the element {at} and the value {v}."""
        place = " + ".join(["{walk}", *(self._within(name, size, step) for name, size, step in steps)])
        walk = self._walk(access)
        at = f"{self.site.pointer(access, True)}[{place}]"
        self.items.append(
            Item(update.replace("{at}", at).replace("{v}", value), walk.strides, innermost=True)
        )

    def _within(self, name: str, size: int, step: int) -> str:
        self.site.headers.add("index.h")
        return f"index_within({name}, {size}) * {step}"

    def _walk(self, access: Access) -> Access:
        walk = access.viewed(self.shape)
        assert walk is not None, f"{access} cannot be walked along {self.shape}"
        return walk
