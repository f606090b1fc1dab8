# SPDX-License-Identifier: Apache-2.0
"""A kernel that is no product as parts for the vector unit, or why it stays on the CPU."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from ...ir.graph import ACALSimIR, ACALSimOp, ACALSimOpType, TensorDesc
from ...ir.kernel import Kernel
from ...ir.movement import embedding_steps
from ...ir.ops import ROWS
from ...ir.shapes import dimension, reduced_dims
from ...ir.strides import Access, Shape, merged
from ...ir.views import viewed
from ...machine.commands import ELEMENT_WORDS
from .copies import copies
from .part import Part, Walk
from .pool import FUNCTIONS, Pooling, pooling
from .rounding import rounded_at_once
from .steps import Number, Steps, Unfit, Value, steps_of

T = ACALSimOpType

REDUCTIONS = {
    T.SUM: "SUM",
    T.MEAN: "SUM",
    T.AMAX: "MAX",
    T.AMIN: "MIN",
    T.ARGMAX: "ARGMAX",
    T.ARGMIN: "ARGMIN",
    T.ANY: "MAX",
    T.ALL: "MIN",
}
OTHERS = {
    *REDUCTIONS,
    *FUNCTIONS,
    *(T.VAR, T.SOFTMAX, T.LOG_SOFTMAX, T.LAYER_NORM, T.GROUP_NORM),
    *(T.CAT, T.PAD, T.SLICE_SCATTER, T.SELECT_SCATTER),
}
"""Types of ops that are not pointwise and no views."""


def lower(
    ir: ACALSimIR,
    producer: Mapping[str, ACALSimOp],
    access: Mapping[str, Access],
    kernel: Kernel,
    places: Mapping[int, Access],
) -> tuple[Part | Pooling, ...]:
    """The parts of a kernel in order. Raises Unfit, which says why there are none.

    `places` are where a concatenation or padding has to bring those operands that do not lie there yet.
    """
    if not _is_known(kernel.anchor):
        raise Unfit(f"the vector unit has no {kernel.anchor.op_type.name}")
    tensors = [desc for op in kernel.ops for desc in _tensors(ir, op)]
    for desc in tensors:
        if desc.dtype not in ELEMENT_WORDS:
            raise Unfit(f"the vector unit has no {desc.dtype}")
    if any(not desc.elements for desc in tensors):
        raise Unfit("empty")
    op = kernel.anchor
    if op.op_type in FUNCTIONS:
        return pooling(ir, access, op)
    if ROWS[op.op_type].movement or op.op_type in (T.CAT, T.PAD, T.SLICE_SCATTER, T.SELECT_SCATTER):
        return tuple(map(narrowed, copies(ir, access, kernel, places)))
    return (narrowed(rounded_at_once(_Lowering(ir, producer, access, kernel).part())),)


def _is_known(op: ACALSimOp) -> bool:
    """Whether the vector unit computes ops of its type at all; pointwise ones say so themselves."""
    row = ROWS[op.op_type]
    return row.is_elementwise or row.movement is not None or op.op_type in OTHERS


def _tensors(ir: ACALSimIR, op: ACALSimOp) -> list[TensorDesc]:
    return [ir.tensors[name] for name in (*op.inputs, *op.outputs)]


class _Lowering:
    """One kernel whose elements are computed: a single part."""

    def __init__(
        self, ir: ACALSimIR, producer: Mapping[str, ACALSimOp], access: Mapping[str, Access], kernel: Kernel
    ):
        self.ir, self.producer, self.access, self.kernel = ir, producer, access, kernel
        self.loads: list[Walk] = []
        self.stores: list[tuple[int, Walk]] = []
        self.values: dict[str, int] = {}
        self.to = Steps([])
        op = kernel.anchor
        source = ir.tensors[op.inputs[0]].shape
        self.shape, self.dims = _space(op, source, ir.tensors[op.outputs[0]].shape)
        outer = [dim for dim in range(len(self.shape)) if dim not in self.dims]
        self.order = [*outer, *self.dims]
        self.outer_shape = tuple(self.shape[dim] for dim in outer)
        self.is_reduction = op.op_type in REDUCTIONS or op.op_type is T.VAR

    def part(self) -> Part:
        self._load_all()
        kernel = self.kernel
        for op in kernel.before:
            self._compute(op, self.shape)
        self._store(self.shape)
        self._anchor(kernel.anchor)
        space = self.outer_shape if self.is_reduction else self.shape
        for op in kernel.after:
            self._compute(op, space)
        self._store(space)
        return Part(
            tuple(self.shape[dim] for dim in self.order),
            len(self.dims),
            tuple(self.loads),
            tuple(self.to.steps),
            tuple(self.stores),
            frozenset(self.to.reduced),
        )

    # --- operands

    def _load_all(self) -> None:
        """Values are numbered loads first, so all that is read is found before any step is made."""
        for op in self.kernel.ops:
            space = self.outer_shape if self.is_reduction and op in self.kernel.after else self.shape
            written = self.kernel.written
            walks = self._walks(op)
            for index, name in enumerate(op.inputs):
                if not any(each in written for each in viewed(name, self.producer)):
                    self._load(op, index, name, walks, space)
        self.to = Steps([walk.dtype for walk in self.loads])
        if self.is_reduction:
            cut = len(self.outer_shape)
            self.to.reduced = {n for n, walk in enumerate(self.loads) if not any(walk.strides[cut:])}

    def _walks(self, op: ACALSimOp) -> list[Access]:
        row = ROWS[op.op_type]
        accesses = [self.access[name] for name in op.inputs]
        if op is self.kernel.anchor and not row.is_elementwise:
            return accesses
        shapes = [self.ir.tensors[name].shape for name in op.inputs]
        return row.walks(accesses, shapes, self.ir.tensors[op.outputs[0]].shape, op.attrs)

    def _load(self, op: ACALSimOp, index: int, name: str, walks: Sequence[Access], space: Shape) -> None:
        if ROWS[op.op_type].lookup:
            if index == 0:
                self._add_load(f"{op.name}:rows", self._looked_up(op, walks, space))
            return
        walk = walks[index]
        if op is self.kernel.anchor and index and op.op_type in (T.LAYER_NORM, T.GROUP_NORM):
            walk = self._affine(op, walk)
        self._add_load(f"{op.name}:{index}", self._walk(walk, name, space))

    def _add_load(self, key: str, walk: Walk) -> None:
        if walk not in self.loads:
            self.loads.append(walk)
        self.values[key] = self.loads.index(walk)

    def _affine(self, op: ACALSimOp, access: Access) -> Access:
        if op.op_type is T.GROUP_NORM:
            groups = int(op.attrs["group"])
            rest = self.shape[3:]
            seen = access.viewed((groups, self.shape[2], *(1,) * len(rest)))
            if seen is None:
                raise Unfit("its weight lies oddly")
            access = seen
        return access.expanded(self.shape)

    def _looked_up(self, op: ACALSimOp, walks: Sequence[Access], space: Shape) -> Walk:
        """Rows of a table: only of an embedding, whose rows are next to each other."""
        if op.op_type is not T.EMBEDDING:
            raise Unfit(f"the vector unit has no {op.op_type.name}")
        inputs = [self.ir.tensors[name] for name in op.inputs]
        ((rows, dim),) = embedding_steps(inputs, op.attrs)
        if op.inputs[1] in self.kernel.written or dim != 0:
            raise Unfit("its indices are computed in the same kernel")
        table = self.access[op.inputs[0]]
        index = self._walk(walks[1], op.inputs[1], space)
        base = self._walk(walks[0], op.inputs[0], space)
        return replace(base, index=index, row_stride=table.strides[0], rows=rows)

    def _walk(self, access: Access, name: str, space: Shape) -> Walk:
        """A tensor along the space, outer dimensions first."""
        seen = access.viewed(space)
        if seen is None:
            raise Unfit(f"'{name}' cannot be walked with strides")
        strides = seen.strides
        if space == self.shape:
            strides = tuple(strides[dim] for dim in self.order)
        else:  # one element a row
            strides = (*strides, *(0,) * len(self.dims))
        if any(step < 0 for size, step in zip(self._sizes(), strides, strict=True) if size > 1):
            raise Unfit(f"'{name}' is walked backwards")
        return Walk(access.storage, seen.offset, strides, self.ir.tensors[name].dtype)

    def _sizes(self) -> tuple[int, ...]:
        return tuple(self.shape[dim] for dim in self.order)

    # --- steps

    def _operands(self, op: ACALSimOp) -> list[Value]:
        row = ROWS[op.op_type]
        tensors = iter(enumerate(op.inputs))
        found: list[Value] = []
        for name in row.operand_names:
            if name in op.attrs:
                found.append(Number(op.attrs[name]))
                continue
            index, tensor = next(tensors, (-1, ""))
            if index >= 0:
                found.append(self._value(op, index, tensor))
        return found

    def _value(self, op: ACALSimOp, index: int, name: str) -> int:
        computed = next(
            (self.values[each] for each in viewed(name, self.producer) if each in self.values), None
        )
        return self.values[f"{op.name}:{index}"] if computed is None else computed

    def _compute(self, op: ACALSimOp, space: Shape) -> None:
        out = self.ir.tensors[op.outputs[0]]
        if ROWS[op.op_type].lookup:
            self.values[op.outputs[0]] = self.values[f"{op.name}:rows"]
            return
        inputs = [self.ir.tensors[name] for name in op.inputs]
        self.values[op.outputs[0]] = steps_of(op.op_type, self._operands(op), op.attrs, inputs, out, self.to)

    def _store(self, space: Shape) -> None:
        """What of the values computed so far stays in memory, along the space in which it was computed."""
        done = {walk.storage + str(walk.offset) for _, walk in self.stores}
        for name in self.kernel.results:
            if name in self.values:
                walk = self._walk(self.access[name], name, space)
                if walk.storage + str(walk.offset) not in done:
                    self.stores.append((self.values[name], walk))

    def _anchor(self, op: ACALSimOp) -> None:
        if ROWS[op.op_type].is_elementwise:
            self._compute(op, self.shape)
            return
        if not self.dims:
            raise Unfit(f"its {op.op_type.name} has no dimension")
        out, to = self.ir.tensors[op.outputs[0]], self.to
        x = self._value(op, 0, op.inputs[0])
        count = math.prod(self.shape[dim] for dim in self.dims)
        match op.op_type:
            case T.SOFTMAX | T.LOG_SOFTMAX:
                name = "SAFE_SOFTMAX" if op.attrs.get("safe") else op.op_type.name
                value = to.add("COMMAND_ROWS", name, x, "float32")
            case T.LAYER_NORM:
                vectors = tuple(self.values[f"{op.name}:{index}"] for index in range(1, len(op.inputs)))
                flags = ("FLAG_GAMMA", "FLAG_BETA")[: len(vectors)]
                eps = {"low": float(op.attrs["eps"])}
                value = to.add(
                    "COMMAND_ROWS", "LAYER_NORM", x, "float32", flags=flags, fields=eps, vectors=vectors
                )
            case T.GROUP_NORM:
                eps = {"low": float(op.attrs["eps"])}
                value = to.add("COMMAND_ROWS", "LAYER_NORM", x, "float32", fields=eps)
                for index, function in enumerate(("MULTIPLY", "ADD"), 1):
                    if index < len(op.inputs):
                        value = to.apply(function, value, self.values[f"{op.name}:{index}"])
            case T.VAR:
                mean = self._reduced("SUM", x, "float32", scale=1 / count)
                correction = op.attrs.get("correction", 1)
                if count <= correction:
                    raise Unfit("its correction leaves nothing to divide by")
                value = to.add(
                    "COMMAND_REDUCE",
                    "SUM_SQUARES",
                    x,
                    "float32",
                    b=mean,
                    flags=("FLAG_DIFFERENCE", "FLAG_SCALE"),
                    fields={"scale": 1 / (count - correction)},
                )
            case kind if kind in REDUCTIONS:
                if (
                    kind is T.SUM
                    and out.dtype != "float32"
                    or (kind in (T.ANY, T.ALL) and to.dtypes[x] != "bool")
                ):
                    raise Unfit(f"the vector unit has no {kind.name} of {to.dtypes[x]}")
                value = self._reduced(
                    REDUCTIONS[kind], x, out.dtype, scale=1 / count if kind is T.MEAN else None
                )
            case _:
                raise Unfit(f"the vector unit has no {op.op_type.name}")
        self.values[op.outputs[0]] = value

    def _reduced(self, function: str, x: int, dtype: str, scale: float | None = None) -> int:
        is_whole = self.to.dtypes[x] != "float32"
        return self.to.add(
            "COMMAND_REDUCE",
            function,
            x,
            dtype,
            is_whole=is_whole,
            flags=("FLAG_SCALE",) if scale is not None else (),
            fields={"scale": scale} if scale is not None else {},
        )


def _space(op: ACALSimOp, source: Shape, result: Shape) -> tuple[Shape, list[int]]:
    """The shape that a kernel walks, and which of its dimensions are a row."""
    match op.op_type:
        case T.SOFTMAX | T.LOG_SOFTMAX:
            return source, [dimension(source, op.attrs["dim"])] if source else []
        case T.LAYER_NORM:
            return source, list(range(len(source) - len(op.attrs["normalized_shape"]), len(source)))
        case T.GROUP_NORM:
            n, channels, *rest = source
            groups = int(op.attrs["group"])
            shape = (n, groups, channels // groups, *rest)
            return shape, list(range(2, len(shape)))
        case kind if kind in REDUCTIONS or kind is T.VAR:
            return source, sorted(reduced_dims(source, op.attrs))
        case _:
            return result, []


# --- fewer dimensions


def narrowed(part: Part) -> Part:
    """The same part with as few dimensions as describe all of its walks."""
    walks = [*part.loads, *(walk for _, walk in part.stores)]
    indices = [walk.index for walk in walks if walk.index]
    every = [*walks, *indices]
    cut = len(part.space) - part.rows
    # A step, and no merging through it, where a row of a table ends.
    columns = [tuple(walk.strides[dim] for walk in every) for dim in range(len(part.space))]
    outer = merged(part.space[:cut], columns[:cut])
    inner = merged(part.space[cut:], columns[cut:])
    if part.rows and not inner:
        inner = [(1, (0,) * len(every))]
    dims = [*outer, *inner]
    found = iter(range(len(every)))
    strides = {number: tuple(steps[number] for _, steps in dims) for number in found}
    index_of = {id(walk): len(walks) + n for n, walk in enumerate(w for w in walks if w.index)}

    def narrow(number: int, walk: Walk) -> Walk:
        index = walk.index and replace(walk.index, strides=strides[index_of[id(walk)]])
        return replace(walk, strides=strides[number], index=index)

    loads = tuple(narrow(number, walk) for number, walk in enumerate(part.loads))
    stores = tuple(
        (value, narrow(len(part.loads) + number, walk)) for number, (value, walk) in enumerate(part.stores)
    )
    return replace(
        part,
        space=tuple(size for size, _ in dims),
        rows=len(inner) if part.rows else 0,
        loads=loads,
        stores=stores,
    )
