# SPDX-License-Identifier: Apache-2.0
"""Kernels that reduce or accumulate over some dimensions."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ...ir.graph import REALS, ACALSimOpType
from ...ir.literals import C_TYPES, literal
from ...ir.shapes import dimension, reduced_dims
from ..elements import Elements
from ..loops import Item, Rows
from ..site import Site
from .pointwise import followed
from .registry import prints

T = ACALSimOpType

# --- reductions -----------------------------------------------------------------------------------


REDUCTIONS = {
    # type: first value for floats, for integers; the step from {a} with element {v}
    "SUM": ("0", "0", "{a} += {v};"),
    "MEAN": ("0", "0", "{a} += {v};"),
    "PROD": ("1", "1", "{a} *= {v};"),
    "AMAX": ("-INFINITY", "INT64_MIN", "if ({v} > {a} || {v} != {v}) {a} = {v};"),
    "AMIN": ("INFINITY", "INT64_MAX", "if ({v} < {a} || {v} != {v}) {a} = {v};"),
    "ANY": ("0", "0", "{a} |= {v} != 0;"),
    "ALL": ("1", "1", "{a} &= {v} != 0;"),
}


def taken_in(site: Site) -> tuple[Elements, str]:
    """The elements of the anchor's first operand, computed by the ops in front of it or loaded."""
    desc = site.inputs[0]
    elements = Elements(site, desc.shape)
    elements.compute(site.kernel.before)
    return elements, elements.value(desc.name) or elements.load(site.access(desc.name), desc.dtype)


def row_elements(site: Site, dims: Sequence[int], value: str) -> list[Item]:
    """What becomes of a reduction's result, as items that walk the operand's index space."""
    shape = site.inputs[0].shape
    kept = [dim for dim in range(len(shape)) if dim not in dims]
    elements = followed(site, Elements(site, site.output.shape, prefix="r"), value)
    places = range(len(shape)) if len(site.output.shape) == len(shape) else kept
    for item in elements.items:
        strides = [0] * len(shape)
        for place, step in zip(places, item.strides, strict=True):
            strides[place] = 0 if place in dims else step
        item.strides = tuple(strides)
    return elements.items


@prints(T.SUM, T.MEAN, T.PROD, T.AMAX, T.AMIN, T.ANY, T.ALL)
def reduced(site: Site) -> list[str]:
    shape = site.inputs[0].shape
    dims = reduced_dims(shape, site.attrs)
    elements, value = taken_in(site)
    elements.store(name for name in site.kernel.results if name in elements.values)
    dtype = site.inputs[0].dtype
    is_float = dtype in REALS and site.op.op_type.name not in ("ANY", "ALL")
    first, whole, step = REDUCTIONS[site.op.op_type.name]
    result = "total"
    if site.op.op_type.name == "MEAN":
        count = math.prod(shape[dim] for dim in dims)
        result = (
            f"total * {literal(1 / count, dtype)}"
            if count and count & (count - 1) == 0
            else f"total / {literal(float(count), dtype)}"
        )
    items = row_elements(site, dims, result)
    rows = Rows(site.hint, shape, dims, elements.items, items)
    start = f"{C_TYPES[dtype] if is_float else 'int64_t'} total = {first if is_float else whole};"
    if is_float and site.op.op_type in (T.SUM, T.MEAN):
        body = rows.summed(elements.items, "total", value, C_TYPES[dtype])
    else:
        body = rows.each(elements.items, [step.format(a="total", v=value)])
    return rows.around([start, *body, *rows.once(items)])


@prints(T.ARGMAX, T.ARGMIN)
def arg_reduced(site: Site) -> list[str]:
    """The place of the first largest (smallest) element; NaN is beyond all."""
    shape = site.inputs[0].shape
    dims = reduced_dims(shape, site.attrs)
    elements, value = taken_in(site)
    elements.store(name for name in site.kernel.results if name in elements.values)
    items = row_elements(site, dims, "found")
    rows = Rows(site.hint, shape, dims, elements.items, items)
    sign = ">" if site.op.op_type.name == "ARGMAX" else "<"
    kind = C_TYPES[site.inputs[0].dtype]
    is_better = f"at == 0 || {value} {sign} best || ({value} != {value} && best == best)"
    step = f"if ({is_better}) {{ best = {value}; found = at; }}"
    return rows.around(
        [
            f"{kind} best = 0;",
            "int64_t found = 0, at = 0;",
            *rows.each(elements.items, [step, "at++;"], unroll=False),
            *rows.once(items),
        ]
    )


@prints(T.VAR)
def variance(site: Site) -> list[str]:
    shape = site.inputs[0].shape
    dims = reduced_dims(shape, site.attrs)
    count = math.prod(shape[dim] for dim in dims)
    correction = site.attrs.get("correction")
    divisor = max(count - (1 if correction is None else correction), 0)
    first, value = taken_in(site)
    dtype = site.inputs[0].dtype
    kind = C_TYPES[dtype]
    items = row_elements(site, dims, f"squares / {literal(float(divisor), dtype)}")
    again, value_again = taken_in(site)
    first.store(name for name in site.kernel.results if name in first.values)
    rows = Rows(site.hint, shape, dims, first.items, again.items, items)
    return rows.around(
        [
            f"{kind} total = 0, squares = 0;",
            *rows.summed(first.items, "total", value, kind),
            f"const {kind} mean = total / {literal(float(count), dtype)};",
            *rows.summed(again.items, "squares", f"({value_again} - mean) * ({value_again} - mean)", kind),
            *rows.once(items),
        ]
    )


BETTER = "at == 0 || {v} != {v} || (best == best && {v} %s best)"
"""Of equal elements a running extreme is the last; from the first NaN on it is NaN."""
EXTREMES = {"CUMMAX": ">=", "CUMMIN": "<="}
CUMULATED = {
    "CUMSUM": ("{result} total = 0;", "total += {v};", "total"),
    "CUMPROD": ("{result} total = 1;", "total *= {v};", "total"),
    "LOGCUMSUMEXP": ("float total = -INFINITY;", "total = log_add_exp_f32(total, {v});", "total"),
    **{
        f"{name}{part}": (
            f"{{element}} best = 0; int64_t at = 0{', found = 0' * (what == 'found')};",
            f"if ({BETTER % sign}) {{{{ best = {{v}};{' found = at;' * (what == 'found')} }}}} at++;",
            what,
        )
        for name, sign in EXTREMES.items()
        for part, what in (("", "best"), ("_INDICES", "found"))
    },
}
"""By type: what begins a row, the step with element {v}, and what is the result's element behind that step."""


@prints(*map(T.__getitem__, CUMULATED))
def cumulated(site: Site) -> list[str]:
    shape = site.inputs[0].shape
    dims = [dimension(shape, site.attrs["dim"])] if shape else []
    elements = Elements(site, shape)
    value = elements.load(site.access(site.op.inputs[0]), site.inputs[0].dtype)
    first, step, result = CUMULATED[site.op.op_type.name]
    text = step.format(v=value).replace("{", "{{").replace("}", "}}")
    elements.items.append(Item(text, (0,) * len(shape), innermost=True))
    elements.write(site.access(site.op.outputs[0]), result)
    rows = Rows(site.hint, shape, dims, elements.items)
    types = {"result": C_TYPES[site.output.dtype], "element": C_TYPES[site.inputs[0].dtype]}
    return rows.around([first.format(**types), *rows.each(elements.items, [], unroll=False)])
