# SPDX-License-Identifier: Apache-2.0
"""Kernels that bring elements elsewhere: copies, concatenations, paddings, scatters."""

from __future__ import annotations

from ...ir import movement, shapes
from ...ir.graph import REALS, ACALSimOpType
from ...ir.literals import literal
from ...ir.ops import ROWS
from ...ir.shapes import dimension, pads, slice_range
from ...ir.strides import Access
from ...schedule.elide import destination, left_to_copy
from ..elements import ASSIGN, Elements
from ..loops import nest
from ..site import Site
from .registry import prints

T = ACALSimOpType
MOVEMENTS = tuple(row.type for row in ROWS.values() if row.movement)

# --- copies ---------------------------------------------------------------------------------------


def copied(site: Site, source: Access, target: Access, dtype: str) -> list[str]:
    """target[i] = source[i]"""
    elements = Elements(site, source.shape)
    value = elements.load(source, dtype)
    elements.write(target, value)
    lines = nest(elements.shape, elements.items, site.hint)
    is_one_loaded_before = bool(lines) and lines[0] != "{" and elements.items[0].level == 0
    return ["{", *(f"    {line}" for line in lines), "}"] if is_one_loaded_before else lines


@prints(*MOVEMENTS)
def moved(site: Site) -> list[str]:
    """A movement that is carried out as a copy.

    It walks the source as the result sees it, where strides can do that; else the result as the source does.
    """
    source, result = site.access(site.op.inputs[0]), site.access(site.op.outputs[0])
    movement = site.kernel.row.movement
    seen = movement and movement(source, site.attrs, site.output.shape)
    if seen is not None:
        return copied(site, seen, result, site.output.dtype)
    return copied(site, source, result.seen_as(source.shape), site.output.dtype)


@prints(T.CAT)
def concatenated(site: Site) -> list[str]:
    lines = []
    for number in left_to_copy(site.plan.ir, site.op, site.plan.access):
        source, result = site.access(site.op.inputs[number]), site.access(site.op.outputs[0])
        target = destination(site.plan.ir, site.op, number, result)
        assert target is not None, "every operand of a concatenation has its part of the result"
        lines += copied(site, source, target, site.output.dtype)
    return lines


@prints(T.PAD)
def padded(site: Site) -> list[str]:
    """The border, and what lies in it unless it is there already; negative padding cuts off."""
    source, result = site.access(site.op.inputs[0]), site.access(site.op.outputs[0])
    value = site.attrs.get("value", 0)
    dtype = site.output.dtype
    value, lines, inner = literal(value if dtype in REALS else int(value), dtype), [], result
    for dim, (before, after) in enumerate(pads(source.shape, site.attrs)):
        for start, count in ((0, before), (result.shape[dim] - after, after)):
            if count > 0:
                lines += filled(site, inner.sliced(dim, start, 1, count), value)
        size = result.shape[dim] - max(before, 0) - max(after, 0)
        inner = inner.sliced(dim, max(before, 0), 1, size)
        source = source.sliced(dim, max(-before, 0), 1, size)
    if left_to_copy(site.plan.ir, site.op, site.plan.access):
        lines += copied(site, source, inner, site.output.dtype)
    return lines


def filled(site: Site, target: Access, value: str) -> list[str]:
    elements = Elements(site, target.shape)
    elements.write(target, value)
    return nest(elements.shape, elements.items, site.hint)


@prints(T.SLICE_SCATTER, T.SELECT_SCATTER)
def overwritten(site: Site) -> list[str]:
    """slice_scatter and select_scatter: a copy of the first operand, the second one over a part of it."""
    base, source, result = *(site.access(name) for name in site.op.inputs), site.access(site.op.outputs[0])
    dim = dimension(base.shape, site.attrs.get("dim", 0))
    if "index" in site.attrs:
        part = result.sliced(dim, site.attrs["index"] % base.shape[dim], 1, 1).without(dim)
    else:
        start, step, count = slice_range(base.shape[dim], site.attrs)
        part = result.sliced(dim, start, step, count)
    dtype = site.output.dtype
    return [*_base(site, base, result), *copied(site, source, part, dtype)]


@prints(T.INDEX_PUT)
def index_put(site: Site) -> list[str]:
    """The values over what the index tensors together point to; added where attr accumulate is set."""
    base, values, *indices = (site.access(name) for name in site.op.inputs)
    result, dims = site.access(site.op.outputs[0]), site.attrs["dims"]
    shape = shapes.indexed([base.shape, *(access.shape for access in indices)], site.attrs)
    place, *walks = movement.indexed([result, *indices], [], shape, site.attrs)
    elements = Elements(site, shape)
    value = elements.load(values.expanded(shape), site.output.dtype)
    numbers = [elements.load(walk, desc.dtype) for walk, desc in zip(walks, site.inputs[2:], strict=True)]
    steps = [(name, base.shape[dim], result.strides[dim]) for name, dim in zip(numbers, dims, strict=True)]
    elements.write_indexed(place, steps, value, UPDATES["sum" if site.attrs.get("accumulate") else None])
    return [*_base(site, base, result), *nest(shape, elements.items, site.hint)]


def _base(site: Site, base: Access, result: Access) -> list[str]:
    """The elements that stay, unless they are there already."""
    one, other = site.places[base.storage], site.places[result.storage]
    lies_there = (one.symbol, one.offset) == (other.symbol, other.offset) and base.shape == result.shape
    if lies_there and (base.strides, base.offset) == (result.strides, result.offset):
        return []
    return copied(site, base, result, site.output.dtype)


UPDATES = {
    None: ASSIGN,
    "sum": "{at} += {v};",
    "prod": "{at} *= {v};",
    "amax": "if ({v} > {at} || {v} != {v}) {at} = {v};",
    "amin": "if ({v} < {at} || {v} != {v}) {at} = {v};",
}
"""What becomes of an element {at} that a value {v} is written to."""


@prints(T.SCATTER, T.SCATTER_ADD, T.SCATTER_REDUCE)
def scattered(site: Site) -> list[str]:
    """self with src over what index points to along dim; the last one written stays, or all are reduced."""
    base, at, result = (
        site.access(site.op.inputs[0]),
        site.access(site.op.inputs[1]),
        site.access(site.op.outputs[0]),
    )
    dim, shape = dimension(base.shape, site.attrs["dim"]), at.shape
    elements = Elements(site, shape)
    number = elements.load(at, site.inputs[1].dtype)
    if len(site.op.inputs) > 2:
        source = site.access(site.op.inputs[2])
        value = elements.load(Access(source.storage, shape, source.strides, source.offset), site.output.dtype)
    else:
        value = literal(site.attrs["value"], site.output.dtype)
    walk = tuple(0 if each == dim else step for each, step in enumerate(result.strides))
    size, step = (base.shape[dim], result.strides[dim]) if base.shape else (1, 0)
    reduce = site.attrs.get("reduce", "sum" if site.op.op_type.name == "SCATTER_ADD" else None)
    elements.write_indexed(
        Access(result.storage, shape, walk, result.offset), [(number, size, step)], value, UPDATES[reduce]
    )
    return [*_base(site, base, result), *nest(shape, elements.items, site.hint)]
