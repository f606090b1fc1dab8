# SPDX-License-Identifier: Apache-2.0
"""Three kernels of a plan as one attention: scores, softmax, values; with the scale and the mask between them."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from ...ir.graph import FLOATING, ACALSimIR, ACALSimOp, ACALSimOpType
from ...ir.kernel import Kernel
from ...ir.movement import before_movement
from ...ir.ops import ROWS
from ...ir.shapes import dimension
from ...ir.strides import Access, Shape, merged
from ...ir.views import factor_of, viewed
from ..vector.part import Walk
from .attention import Attention

T = ACALSimOpType
PRODUCTS = (T.BMM, T.MATMUL)


@dataclass(frozen=True)
class Found:
    """An attention, and the kernels that it takes the place of, in their order; the last one is the values'.

    `copy` is one behind them, which would bring the result to where it is written instead.
    """

    attention: Attention
    kernels: tuple[Kernel, ...]
    copy: Kernel | None


@dataclass(frozen=True)
class _Side:
    """An operand of one of the products: the last two dimensions that its reader takes.

    A factor of what scores are made of is one of the scores, which the softmax takes; one of values is not.
    """

    name: str
    reader: Kernel
    shape: tuple[int, int]
    is_of_scores: bool = True


@dataclass(frozen=True)
class _Source:
    """What a tensor is made of by views, copies and factors alone; `kernel` makes of it what was found before."""

    tensor: str
    factor: float = 1.0
    is_turned: bool = False
    kernel: Kernel | None = None


@dataclass(frozen=True)
class _Operands:
    """Walks of queries, keys (as the first product's right side) and values; what they need no longer."""

    lead: Shape
    walks: tuple[Access, ...]
    scale: float
    taken: tuple[Kernel, ...]


class Recogniser:
    """Looks for attention among kernels. `reads` and `writes` are the storages of each, by name."""

    def __init__(
        self,
        ir: ACALSimIR,
        access: Mapping[str, Access],
        kernels: Sequence[Kernel],
        reads: Mapping[str, Collection[str]],
        writes: Mapping[str, Collection[str]],
    ):
        self.ir, self.access, self.producer = ir, access, ir.producers()
        self.kernel_of = {op.name: kernel for kernel in kernels for op in kernel.ops}
        self.place = {kernel.name: number for number, kernel in enumerate(kernels)}
        self.writers: dict[str, list[Kernel]] = {}
        self.readers: dict[str, list[Kernel]] = {}
        for kernel in kernels:
            for name in writes[kernel.name]:
                self.writers.setdefault(name, []).append(kernel)
            for name in reads[kernel.name]:
                self.readers.setdefault(name, []).append(kernel)
        self.kept = {access[name].storage for name in ir.outputs}

    def find(self, values: Kernel) -> Found | None:
        """The attention whose last product is `values`, or None where it is not one."""
        if not _is_product(values) or not all(
            self._rounds(op) or op.op_type is T.QUANTIZE for op in values.after
        ):
            return None
        softmax = self._only_writer(values.anchor.inputs[0], values)
        if (
            softmax is None
            or softmax.anchor.op_type is not T.SOFTMAX
            or not all(map(self._rounds, softmax.after))
        ):
            return None
        shape = self.ir.tensors[softmax.anchor.outputs[0]].shape
        if dimension(shape, softmax.anchor.attrs["dim"]) != len(shape) - 1:
            return None
        found = (self._only_writer(name, softmax) for name in softmax.read)
        scores = next((each for each in found if each and _is_product(each)), None)
        if scores is None:
            return None
        behind = self._behind(scores.anchor.outputs[0], [*scores.after, *softmax.before], softmax.anchor)
        return behind and self._found(scores, softmax, values, *behind)

    # --- what lies between

    def _only_writer(self, name: str, reader: Kernel) -> Kernel | None:
        """The kernel that writes a tensor, if that is dense and only `reader` reads it."""
        access = self.access[name]
        writers, readers = self.writers.get(access.storage, []), self.readers.get(access.storage, [])
        whole = math.prod(access.shape) == self.ir.tensors[access.storage].elements
        alone = readers == [reader] and len(writers) == 1 and access.storage not in self.kept
        alone = alone and not writers[0].driven
        return writers[0] if alone and whole and access.is_dense and access.offset == 0 else None

    def _behind(
        self, name: str, ops: Sequence[ACALSimOp], softmax: ACALSimOp
    ) -> tuple[float, tuple[str, Shape] | None] | None:
        """The factor of the scores and what is added to them, in the shape in which it is; None if more is done.

        Roundings to half types between are left out.
        """
        scale, mask = 1.0, None
        widened: dict[str, str] = {}
        for op in ops:
            others = [each for each in op.inputs if name not in viewed(each, self.producer)]
            if others == [*op.inputs] and self._rounds(op):
                widened[op.outputs[0]] = op.inputs[0]
                continue
            if len(op.inputs) - len(others) != 1:
                return None
            if (factor := factor_of(op)) is not None and mask is None:
                scale *= factor
            elif op.op_type is T.ADD and len(others) == 1 and mask is None and op.attrs.get("alpha", 1) == 1:
                mask = widened.get(others[0], others[0]), self.ir.tensors[op.outputs[0]].shape
            elif not self._rounds(op):
                return None
            name = op.outputs[0]
        return (scale, mask) if name in viewed(softmax.inputs[0], self.producer) else None

    def _rounds(self, op: ACALSimOp) -> bool:
        """Whether an op only converts between float32 and half types."""
        kinds = (self.ir.tensors[name].dtype for name in (*op.inputs, *op.outputs))
        return op.op_type is T.CAST and all(kind in FLOATING for kind in kinds)

    # --- operands

    def _found(
        self, scores: Kernel, softmax: Kernel, values: Kernel, scale: float, mask: tuple[str, Shape] | None
    ) -> Found | None:
        shape = self.ir.tensors[softmax.anchor.outputs[0]].shape
        depth = self.ir.tensors[scores.anchor.inputs[0]].shape[-1]
        width = self.ir.tensors[values.anchor.outputs[0]].shape[-1]
        *outer, queries, keys = shape
        sides = (
            _Side(scores.anchor.inputs[0], scores, (queries, depth)),
            _Side(scores.anchor.inputs[1], scores, (depth, keys)),
            _Side(values.anchor.inputs[1], values, (keys, width), is_of_scores=False),
        )
        found = [each for lead in self._leads(tuple(outer), sides) if (each := self._operands(lead, sides))]
        if not found:
            return None
        operands = max(found, key=lambda each: len(each.taken))
        lead = operands.lead
        query, key, value = operands.walks
        key = key.permuted([*range(len(lead)), -1, -2])
        out, copy = self._out(values, (*lead, queries, width))
        hidden = self._mask(mask, (*lead, queries, keys)) if mask else None
        if out is None or (mask and hidden is None):
            return None
        walks = [query, key, value, out, *([hidden] if hidden else [])]
        if any(step < 0 for walk in walks for step in walk.strides) or (width > 1 and out.strides[-1] != 1):
            return None
        if any(self.ir.tensors[walk.storage].dtype not in FLOATING for walk in walks if walk is not out):
            return None
        sizes, columns = _lead(lead, walks, shared=(1, 2))
        made = [
            Walk(
                walk.storage,
                walk.offset,
                (*steps, *walk.strides[-2:]),
                self.ir.tensors[walk.storage].dtype,
            )
            for walk, steps in zip(walks, columns, strict=True)
        ]
        attention = Attention(
            sizes,
            queries,
            keys,
            depth,
            width,
            query=made[0],
            key=made[1],
            value=made[2],
            out=made[3],
            mask=made[4] if hidden else None,
            scale=scale * operands.scale,
            safe=bool(softmax.anchor.attrs.get("safe")),
            causal=softmax.anchor.attrs.get("causal"),
            result_scale=math.prod(op.attrs["scale"] for op in values.after if op.op_type is T.QUANTIZE),
        )
        kernels = sorted(
            {*operands.taken, scores, softmax, values}, key=lambda kernel: self.place[kernel.name]
        )
        return Found(attention, tuple(kernels), copy) if kernels[-1] is values else None

    def _leads(self, lead: Shape, sides: Sequence[_Side]) -> list[Shape]:
        """Shapes of the leading dimensions: the scores' own, and finer ones in which keys and values are repeated."""
        found = {lead: None}
        for side in sides:
            for source in self._sources(side):
                shape = self.ir.tensors[source.tensor].shape[:-2]
                if len(shape) > len(lead) and math.prod(shape) == math.prod(lead):
                    found[shape] = None
        return list(found)

    def _operands(self, lead: Shape, sides: Sequence[_Side]) -> _Operands | None:
        """Walks along `lead`, each of the furthest tensor back that can be walked so."""
        walks, taken, scale = [], [], 1.0
        for side in sides:
            best, passed = None, []
            for source in self._sources(side):
                tail = side.shape[::-1] if source.is_turned else side.shape
                seen = self.access[source.tensor].viewed((*lead, *tail))
                passed += [source.kernel] if source.kernel else []
                if seen is not None:
                    best = seen.permuted([*range(len(lead)), -1, -2]) if source.is_turned else seen
                    factor, behind = source.factor, list(passed)
            if best is None:
                return None
            walks.append(best)
            scale *= factor
            taken += self._needless(behind, side.reader)
        return _Operands(lead, tuple(walks), scale, tuple(taken))

    def _needless(self, passed: Sequence[Kernel], reader: Kernel) -> list[Kernel]:
        """Those that nobody else reads from, one behind the other."""
        behind = [reader]
        for kernel in passed:
            storages = {self.access[each].storage for each in kernel.results}
            readers = [each for storage in storages for each in self.readers.get(storage, [])]
            if storages & self.kept or any(each not in behind for each in readers):
                break
            behind.append(kernel)
        return behind[1:]

    def _sources(self, side: _Side) -> Iterator[_Source]:
        """The tensor, and those of which it has the same elements times a factor, back to the first one."""
        source = _Source(side.name)
        yield source
        while (op := self.producer.get(source.tensor)) is not None:
            kernel, factor = self.kernel_of.get(op.name), factor_of(op)
            tail = side.shape[::-1] if source.is_turned else side.shape
            turns = (
                op.op_type is T.PERMUTE
                and _turns(op.attrs["dims"])
                and self.ir.tensors[op.outputs[0]].shape[-2:] == tail  # else a view between has other rows
            )
            if op.op_type not in (T.VIEW, T.COPY) and factor is None and not turns:
                return
            if factor is not None and not side.is_of_scores:
                return
            if kernel is not None and (kernel.driven or kernel.ops != (op,)):
                return
            factor = source.factor * (1.0 if factor is None else factor)
            source = _Source(op.inputs[0], factor, source.is_turned != turns, kernel)
            yield source

    def _out(self, values: Kernel, shape: Shape) -> tuple[Access | None, Kernel | None]:
        """Where the result goes, walked as `shape`: to where the only copy that reads it would bring it."""
        name = values.ops[-1].outputs[0]
        own = self.access[name].viewed(shape)
        readers = self.readers.get(self.access[name].storage, [])
        if len(readers) != 1 or self.access[name].storage in self.kept or len(readers[0].ops) != 1:
            return own, None
        if readers[0].driven:
            return own, None
        op = readers[0].anchor
        target: Access | None = self.access[op.outputs[0]]
        while target is not None and ROWS[op.op_type].movement:
            target = before_movement(op, target, self.ir.tensors[op.inputs[0]].shape)
            if target and name in viewed(op.inputs[0], self.producer) and (seen := target.viewed(shape)):
                return seen, readers[0]
            if op.inputs[0] not in self.producer:
                break
            op = self.producer[op.inputs[0]]
        return own, None

    def _mask(self, mask: tuple[str, Shape], space: Shape) -> Access | None:
        name, shape = mask
        return self.access[name].expanded(shape).viewed(space)


def _is_product(kernel: Kernel) -> bool:
    return kernel.device is not None and kernel.anchor.op_type in PRODUCTS and not kernel.before


def _turns(dims: Sequence[int]) -> bool:
    """Whether a permutation exchanges the last two dimensions and nothing else."""
    rank = len(dims)
    return [dim % rank for dim in dims] == [*range(rank - 2), rank - 1, rank - 2]


def _lead(
    lead: Shape, walks: Sequence[Access], shared: Collection[int]
) -> tuple[Shape, list[tuple[int, ...]]]:
    """(*outer, heads, group) with the strides of each walk, dimensions merged where all strides allow it.

    Along the group the walks that are `shared` stand still.
    """
    columns = [tuple(walk.strides[dim] for walk in walks) for dim in range(len(lead))]
    still = bool(lead) and lead[-1] > 1 and not any(columns[-1][number] for number in shared)
    outer = merged(lead[:-1], columns[:-1]) if still else merged(lead, columns)
    none = (1, (0,) * len(walks))
    dims = [*(outer or [none]), (lead[-1], columns[-1]) if still else none]
    return tuple(size for size, _ in dims), [
        tuple(steps[number] for _, steps in dims) for number in range(len(walks))
    ]
