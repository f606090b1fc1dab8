# SPDX-License-Identifier: Apache-2.0
"""Softmax and normalisations: several passes over each row."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ...ir.graph import ACALSimOpType
from ...ir.literals import literal
from ...ir.shapes import Shape, dimension
from ...ir.strides import Access
from ..elements import Elements
from ..loops import Item, Rows
from ..site import Site
from .pointwise import followed
from .registry import prints

T = ACALSimOpType

# --- normalisation --------------------------------------------------------------------------------


class _Normalised:
    """Several passes over each row of the operand; a computed operand is kept in the result's memory."""

    def __init__(self, site: Site, shape: Shape, dims: Sequence[int]):
        self.site, self.shape, self.dims = site, shape, dims
        self.passes: list[list[Item]] = []
        self.kept = kept_result(site) if site.kernel.before else None

    def operand(self, first: bool) -> tuple[Elements, str]:
        site = self.site
        elements = Elements(site, self.shape, prefix=f"x{len(self.passes)}_")
        if first or self.kept is None:
            if site.kernel.before:
                elements.compute(site.kernel.before)
                elements.store(site.kernel.results)
            name = site.op.inputs[0]
            value = elements.value(name) or elements.load(site.access(name), "float32")
            if self.kept is not None:
                elements.write(self.kept, value)
        else:
            value = elements.load(self.kept, "float32")
        self.passes.append(elements.items)
        return elements, value

    def rows(self) -> Rows:
        return Rows(self.site.hint, self.shape, self.dims, *self.passes)


def kept_result(site: Site) -> Access:
    """The memory of the kernel's last float32 result."""
    behind = [op.outputs[0] for op in (site.op, *site.kernel.after)]
    return site.access(
        [name for name in site.kernel.results if name in behind and site.desc(name).dtype == "float32"][-1]
    )


@prints(T.SOFTMAX, T.LOG_SOFTMAX)
def softmax(site: Site) -> list[str]:
    """exp(x - largest) / sum along dim, and its logarithm; the safe form makes rows of -inf zeros."""
    shape = site.inputs[0].shape
    dims = [dimension(shape, site.attrs["dim"])] if shape else []
    passes = _Normalised(site, shape, dims)
    logarithm = site.op.op_type.name == "LOG_SOFTMAX"
    is_safe = not logarithm and site.attrs.get("safe")
    # The powers of a row of -inf are zeros where a number is subtracted from it.
    largest = "larger(maximum_value(most), -FLT_MAX)" if is_safe else "maximum_value(most)"
    first, x = passes.operand(True)
    second, y = passes.operand(False)
    if logarithm:
        last, z = passes.operand(False)
        followed(site, last, f"{z} - shift")
        summand = f"exp_negative({y} - largest)"
        scale = "const float shift = largest + log_f32(sum);"
    else:
        kept = passes.kept or kept_result(site)
        last = Elements(site, shape, prefix="y")
        passes.passes.append(last.items)
        second.items.append(
            Item(f"const float power = exp_negative({y} - largest);", (0,) * len(shape), innermost=True)
        )
        second.write(kept, "power")
        followed(site, last, f"{last.load(kept, 'float32')} * scale")
        summand = "power"
        scale = f"const float scale = {'sum == 0 ? 0 : ' if is_safe else ''}1 / sum;"
    rows = passes.rows()
    return rows.around(
        [
            "maximum most = maximum_of(-INFINITY);",
            *rows.each(first.items, [f"most = maximum_with(most, {x});"]),
            f"const float largest = {largest};",
            "float sum = 0;",
            *rows.summed(second.items, "sum", summand),
            scale,
            *rows.each(last.items, []),
        ]
    )


@prints(T.LAYER_NORM)
def layer_norm(site: Site) -> list[str]:
    shape = site.inputs[0].shape
    dims = list(range(len(shape) - len(site.attrs["normalized_shape"]), len(shape)))
    places = [site.access(name).expanded(shape) for name in site.op.inputs[1:]]
    return normalised(site, shape, dims, places)


@prints(T.GROUP_NORM)
def group_norm(site: Site) -> list[str]:
    n, channels, *rest = site.inputs[0].shape
    groups = site.attrs["group"]
    shape = (n, groups, channels // groups, *rest)
    places = [
        site.access(name).seen_as((groups, channels // groups, *(1,) * len(rest))).expanded(shape)
        for name in site.op.inputs[1:]
    ]
    return normalised(site, shape, list(range(2, len(shape))), places)


def normalised(site: Site, shape: Shape, dims: Sequence[int], affine: Sequence[Access]) -> list[str]:
    """(x - mean) / sqrt(variance + eps) * weight + bias over `dims`.

    The variance is the mean of the squared distances from the mean.
    """
    passes = _Normalised(site, shape, dims)
    count = literal(float(math.prod(shape[dim] for dim in dims)))
    (first, x), (second, y), (last, z) = passes.operand(True), passes.operand(False), passes.operand(False)
    value = f"({z} - mean) * scale"
    for access, sign in zip(affine, ("*", "+"), strict=False):
        value = f"{value} {sign} {last.load(access, 'float32')}"
    followed(site, last, value)
    rows = passes.rows()
    return rows.around(
        [
            "float total = 0, squares = 0;",
            *rows.summed(first.items, "total", x),
            f"const float mean = total / {count};",
            *rows.summed(second.items, "squares", f"({y} - mean) * ({y} - mean)"),
            f"const float scale = 1 / sqrtf(squares / {count} + {literal(float(site.attrs['eps']))});",
            *rows.each(last.items, []),
        ]
    )
