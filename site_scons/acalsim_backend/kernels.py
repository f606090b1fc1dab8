# SPDX-License-Identifier: Apache-2.0
"""The statements of the kernels that are more than one expression an element: a Site in, lines of C out.

Every kernel hands the elements of its result to `Elements`, which goes on with the ops fused behind
it and stores what stays in memory. Names that begin with KERNEL are completed by the code generator.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from .access import Access
from .copies import destination, unsettled
from .emit import C_TYPES, Elements, Item, Rows, Site, index, literal, nest
from .shapes import Attrs, Shape, dimension, pads, pair, reduced_dims, slice_range, windows


def pointwise(site: Site) -> list[str]:
    """Every element of one index space."""
    elements = Elements(site, site.output.shape)
    elements.compute(site.kernel.ops)
    elements.store(site.kernel.results)
    return nest(elements.shape, elements.items)


def followed(site: Site, elements: Elements, value: str) -> Elements:
    """The ops behind the anchor, whose element is the C expression `value`, and their stores."""
    elements.give(site.output, value)
    elements.compute(site.kernel.after)
    elements.store(site.kernel.results)
    return elements


# --- copies ---------------------------------------------------------------------------------------


def copied(site: Site, source: Access, target: Access, dtype: str) -> list[str]:
    """target[i] = source[i]"""
    elements = Elements(site, source.shape)
    value = elements.load(source, dtype)
    elements.write(target, value)
    return nest(elements.shape, elements.items)


def moved(site: Site) -> list[str]:
    """A movement that must be carried out: from the source's accesses where they can be had, else to the result's."""
    source, result = site.access(site.op.inputs[0]), site.access(site.op.outputs[0])
    seen = site.kernel.row.movement(source, site.attrs, site.output.shape)
    if seen is not None:
        return copied(site, seen, result, site.output.dtype)
    return copied(site, source, result.viewed(source.shape), site.output.dtype)


def concatenated(site: Site) -> list[str]:
    lines = []
    for number in unsettled(site.schedule.ir, site.op, site.schedule.access):
        source, result = site.access(site.op.inputs[number]), site.access(site.op.outputs[0])
        lines += copied(
            site, source, destination(site.schedule.ir, site.op, number, result), site.output.dtype
        )
    return lines


def padded(site: Site) -> list[str]:
    """The border, and what lies in it unless it is there already; negative padding cuts off."""
    source, result = site.access(site.op.inputs[0]), site.access(site.op.outputs[0])
    value = site.attrs.get("value", 0)
    value, lines, inner = literal(value if site.output.dtype == "float32" else int(value)), [], result
    for dim, (before, after) in enumerate(pads(source.shape, site.attrs)):
        for start, count in ((0, before), (result.shape[dim] - after, after)):
            if count > 0:
                lines += filled(site, inner.sliced(dim, start, 1, count), value)
        size = result.shape[dim] - max(before, 0) - max(after, 0)
        inner = inner.sliced(dim, max(before, 0), 1, size)
        source = source.sliced(dim, max(-before, 0), 1, size)
    if unsettled(site.schedule.ir, site.op, site.schedule.access):
        lines += copied(site, source, inner, site.output.dtype)
    return lines


def filled(site: Site, target: Access, value: str) -> list[str]:
    elements = Elements(site, target.shape)
    elements.write(target, value)
    return nest(elements.shape, elements.items)


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
    return [*copied(site, base, result, dtype), *copied(site, source, part, dtype)]


def index_put(site: Site) -> list[str]:
    """The values over what the index tensors together point to; added where attr accumulate is set."""
    base, values, *indices = (site.access(name) for name in site.op.inputs)
    result, dims = site.access(site.op.outputs[0]), site.attrs["dims"]
    from .movement import indexed
    from .shapes import indexed as indexed_shape

    shape = indexed_shape([base.shape, *(access.shape for access in indices)], site.attrs)
    place, *walks = indexed([result, *indices], [], shape, site.attrs)
    elements = Elements(site, shape)
    value = elements.load(values.expanded(shape), site.output.dtype)
    numbers = [elements.load(walk, desc.dtype) for walk, desc in zip(walks, site.inputs[2:], strict=True)]
    steps = [(name, base.shape[dim], result.strides[dim]) for name, dim in zip(numbers, dims, strict=True)]
    elements.write_indexed(place, steps, value, UPDATES["sum" if site.attrs.get("accumulate") else None])
    return [*copied(site, base, result, site.output.dtype), *nest(shape, elements.items)]


UPDATES = {
    None: "{at} = {v};",
    "sum": "{at} += {v};",
    "prod": "{at} *= {v};",
    "amax": "if ({v} > {at} || {v} != {v}) {at} = {v};",
    "amin": "if ({v} < {at} || {v} != {v}) {at} = {v};",
}
"""What becomes of an element {at} that a value {v} is written to."""


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
        value = literal(site.attrs["value"])
    walk = tuple(0 if each == dim else step for each, step in enumerate(result.strides))
    size, step = (base.shape[dim], result.strides[dim]) if base.shape else (1, 0)
    reduce = site.attrs.get("reduce", "sum" if site.op.op_type.name == "SCATTER_ADD" else None)
    elements.write_indexed(
        Access(result.storage, shape, walk, result.offset), [(number, size, step)], value, UPDATES[reduce]
    )
    return [*copied(site, base, result, site.output.dtype), *nest(shape, elements.items)]


# --- products -------------------------------------------------------------------------------------


def matrix_space(shape: Shape) -> Shape:
    """(batches, rows, columns)"""
    return (math.prod(shape[:-2]), *shape[-2:])


def reads_matrix(index: int, access: Access, attrs: Attrs) -> bool:
    """Any two strides will do, and one for all batches together."""
    return index > 1 or access.viewed(matrix_space(access.shape)) is not None


def product(site: Site) -> list[str]:
    """matmul_f32 on whatever strides the operands have; a bias is the first thing behind it."""
    space = matrix_space(site.output.shape)
    (batches, m, k), n = matrix_space(site.inputs[0].shape), space[2]
    a, b = (
        site.access(name).viewed(matrix_space(desc.shape))
        for name, desc in zip(site.op.inputs[:2], site.inputs, strict=False)
    )
    operands = [text for access in (a, b) for text in (site.pointer(access), *map(str, access.strides))]
    elements = Elements(site, space)
    value = "sums[j]"
    is_int8 = site.inputs[0].dtype == "int8"
    if is_int8:
        value = scaled(
            site, elements, [site.access(name).expanded(site.output.shape) for name in site.op.inputs[2:]]
        )
    elif len(site.inputs) > 2:
        value = gemm_value(site, elements, value)
    followed(site, elements, value)
    call = ", ".join([*operands, *map(str, (batches, m, n, k)), "KERNEL_end", "&pointers"])
    site.functions += ending(
        site,
        elements,
        ("batch", "row", "column + j"),
        "long batch, long row, long column, int count, const float *sums",
    )
    return [pointers(site), f"matmul_{'i8' if is_int8 else 'f32'}({call});"]


def scaled(site: Site, elements: Elements, vectors: Sequence[Access]) -> str:
    """The sum of an int8 product times its scale, plus its bias if it has one."""
    return " ".join(
        [
            "sums[j]",
            *(
                f"{sign} {elements.load(access, 'float32')}"
                for sign, access in zip("*+", vectors, strict=False)
            ),
        ]
    )


def gemm_value(site: Site, elements: Elements, value: str) -> str:
    """alpha * sum + beta * bias; as in PyTorch, a bias that counts nothing may be anything, NaN included."""
    alpha, beta = (float(site.attrs.get(name, 1)) for name in ("alpha", "beta"))
    text = value if alpha == 1 else f"{literal(alpha)} * {value}"
    if not beta:
        return text
    bias = elements.load(site.access(site.op.inputs[2]).expanded(site.output.shape), "float32")
    return f"{text} + {bias if beta == 1 else f'{literal(beta)} * {bias}'}"


def pointers(site: Site) -> str:
    return f"const struct KERNEL_pointers pointers = {{{', '.join(site.pointers.values())}}};"


def ending(site: Site, elements: Elements, variables: Sequence[str], parameters: str) -> list[str]:
    """The function that takes sums: what varies along the last variable is done for each of them."""
    sizes = elements.shape
    names = [f"({name})" if "+" in name else name for name in variables]

    def text(item: Item) -> str:
        steps = [0 if size == 1 else step for size, step in zip(sizes, item.strides, strict=True)]
        return item.text.format(walk=index(steps, names))

    def varies(item: Item) -> bool:
        return item.innermost or bool(item.strides[-1] and sizes[-1] > 1) or any(map(varies, item.needs))

    once = [f"    {text(item)}" for item in elements.items if not varies(item)]
    each = [f"        {text(item)}" for item in elements.items if varies(item)]
    body = [*once, "    UNROLL_SUMS", "    for (int j = 0; j < count; j++) {", *each, "    }"]
    words = set(re.findall(r"\w+", "\n".join(body)))
    taken = [
        f"    {text} = pointers->{name};"
        for text, name in zip(site.parameters(), site.pointers.values(), strict=True)
        if name in words
    ]
    unused = [f"    (void){name};" for name in re.findall(r"(\w+)(?:,|$)", parameters) if name not in words]
    return [
        f"INLINE void KERNEL_end(const void *context, {parameters})",
        "{",
        "    const struct KERNEL_pointers *pointers = context;",
        *taken,
        *unused,
        *body,
        "}",
        "",
    ]


def image_space(shape: Shape) -> Shape:
    """(images, channels, rows, columns); one row where there is one dimension."""
    return (
        shape
        if len(shape) == 4
        else (*((1,) * (3 - len(shape))), *shape[:-1], 1, shape[-1])
        if len(shape) == 3
        else shape
    )


def plane_space(shape: Shape) -> Shape:
    """(images, channels, rows, columns) of one image, or of several."""
    return (1,) * (4 - len(shape)) + tuple(shape)


def adjacent(access: Access) -> bool:
    """Whether the elements of a row are next to each other."""
    return access.shape[-1] == 1 or access.strides[-1] == 1


def reads_image(index: int, access: Access, attrs: Attrs) -> bool:
    """Operand 0 by rows whose elements are next to each other, a weight as it is stored, a bias anyhow."""
    return adjacent(access) if index == 0 else index > 1 or access.is_dense


def convolution(site: Site) -> list[str]:
    attrs, (x, w) = site.attrs, site.inputs[:2]
    rank = len(w.shape) - 2
    window = [
        (1,) * (2 - rank) + pair(attrs.get(key), rank, least)
        if key not in ("padding", "output_padding")
        else (0,) * (2 - rank) + pair(attrs.get(key), rank)
        for key, least in (("stride", 1), ("dilation", 1), ("padding", 0), ("output_padding", 0))
    ]
    stride, dilation, padding, _ = window
    kernel = (1,) * (2 - rank) + tuple(w.shape[2:])
    source, space = site.access(x.name).viewed(image_space(x.shape)), image_space(site.output.shape)
    groups = attrs.get("groups", 1)
    given = {
        "images": space[0],
        "groups": groups,
        "channels_in": source.shape[1] // groups,
        "channels_out": space[1] // groups,
        "rows": space[2],
        "columns": space[3],
        "kernel_rows": kernel[0],
        "kernel_columns": kernel[1],
        "stride_rows": stride[0],
        "stride_columns": stride[1],
        "dilation_rows": dilation[0],
        "dilation_columns": dilation[1],
    }
    if attrs.get("transposed"):
        for dim, (before, after) in enumerate(attrs.get("border", ()), 4 - rank):
            source = source.sliced(dim, before, 1, source.shape[dim] - before - after)
    call = [
        site.pointer(source),
        *map(str, source.strides[:3]),
        *(map(str, padding) if attrs.get("transposed") else ()),
    ]
    call += [site.pointer(site.access(w.name)), "conv", "KERNEL_end", "&pointers"]
    elements = Elements(site, space)
    value = "sums[j]"
    is_int8 = x.dtype == "int8"
    if is_int8:
        value = scaled(
            site,
            elements,
            [site.access(name).viewed((space[1], 1, 1)).expanded(space) for name in site.op.inputs[2:]],
        )
    elif len(site.inputs) > 2:
        bias = site.access(site.op.inputs[2])
        value += " + " + elements.load(bias.viewed((bias.shape[0], 1, 1)).expanded(space), "float32")
    followed(site, elements, value)
    site.functions += ending(
        site,
        elements,
        ("image", "channel", "row", "column + j * step"),
        "long image, long channel, long row, long column, long step, int count, const float *sums",
    )
    fields = ", ".join(f".{name} = {value}" for name, value in given.items())
    name = "conv2d_i8" if is_int8 else "conv_transpose2d_f32" if attrs.get("transposed") else "conv2d_f32"
    return [pointers(site), f"const struct conv conv = {{{fields}}};", f"{name}({', '.join(call)});"]


def pooled(site: Site) -> list[str]:
    """max_pool2d and its relatives; a row of each function's arguments."""
    kind = site.op.op_type.name
    source = site.access(site.op.inputs[0]).viewed(plane_space(site.inputs[0].shape))
    result = site.access(site.op.outputs[0]).viewed(plane_space(site.output.shape))
    places = [
        text
        for access, writes in ((source, False), (result, True))
        for text in (site.pointer(access, writes), *map(str, access.strides[:3]))
    ]
    given = dict(
        zip(
            ("images", "channels", "rows", "columns", "out_rows", "out_columns"),
            (*source.shape, *result.shape[2:]),
            strict=True,
        )
    )
    name = {
        "MAX_POOL": "max_pool2d_f32",
        "MAX_POOL_INDICES": "max_pool2d_indices_i64",
        "AVG_POOL": "avg_pool2d_f32",
        "ADAPTIVE_AVG_POOL": "adaptive_avg_pool2d_f32",
        "ADAPTIVE_MAX_POOL": "adaptive_max_pool2d_f32",
        "ADAPTIVE_MAX_POOL_INDICES": "adaptive_max_pool2d_indices_i64",
    }[kind]
    if not kind.startswith("ADAPTIVE"):
        for which, (size, stride, padding, dilation, _) in zip(
            ("rows", "columns"), windows(site.attrs), strict=True
        ):
            given |= {
                f"kernel_{which}": size,
                f"stride_{which}": stride,
                f"padding_{which}": padding,
                f"dilation_{which}": dilation,
            }
    more = (
        [str(int(site.attrs.get("count_include_pad", True))), str(site.attrs.get("divisor_override") or 0)]
        if kind == "AVG_POOL"
        else []
    )
    fields = ", ".join(f".{key} = {value}" for key, value in given.items())
    return [f"const struct pool pool = {{{fields}}};", f"{name}({', '.join([*places, 'pool', *more])});"]


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


def reduced(site: Site) -> list[str]:
    shape = site.inputs[0].shape
    dims = reduced_dims(shape, site.attrs)
    elements, value = taken_in(site)
    elements.store(name for name in site.kernel.results if name in elements.values)
    is_float = site.inputs[0].dtype == "float32" and site.op.op_type.name not in ("ANY", "ALL")
    first, whole, step = REDUCTIONS[site.op.op_type.name]
    result = "total"
    if site.op.op_type.name == "MEAN":
        count = math.prod(shape[dim] for dim in dims)
        result = (
            f"total * {literal(1 / count)}"
            if count and count & (count - 1) == 0
            else f"total / {literal(float(count))}"
        )
    items = row_elements(site, dims, result)
    rows = Rows(shape, dims, elements.items, items)
    start = f"{'float' if is_float else 'int64_t'} total = {first if is_float else whole};"
    return rows.around(
        [start, *rows.each(elements.items, [step.format(a="total", v=value)]), *rows.once(items)]
    )


def arg_reduced(site: Site) -> list[str]:
    """The place of the first largest (smallest) element; NaN is beyond all."""
    shape = site.inputs[0].shape
    dims = reduced_dims(shape, site.attrs)
    elements, value = taken_in(site)
    elements.store(name for name in site.kernel.results if name in elements.values)
    items = row_elements(site, dims, "found")
    rows = Rows(shape, dims, elements.items, items)
    sign = ">" if site.op.op_type.name == "ARGMAX" else "<"
    kind = C_TYPES[site.inputs[0].dtype]
    step = f"if (at == 0 || {value} {sign} best || ({value} != {value} && best == best)) {{ best = {value}; found = at; }}"
    return rows.around(
        [
            f"{kind} best = 0;",
            "int64_t found = 0, at = 0;",
            *rows.each(elements.items, [step, "at++;"], unroll=False),
            *rows.once(items),
        ]
    )


def variance(site: Site) -> list[str]:
    shape = site.inputs[0].shape
    dims = reduced_dims(shape, site.attrs)
    count = math.prod(shape[dim] for dim in dims)
    correction = site.attrs.get("correction")
    divisor = max(count - (1 if correction is None else correction), 0)
    first, value = taken_in(site)
    items = row_elements(site, dims, f"squares / {literal(float(divisor))}")
    again, value_again = taken_in(site)
    first.store(name for name in site.kernel.results if name in first.values)
    rows = Rows(shape, dims, first.items, again.items, items)
    return rows.around(
        [
            "float total = 0, squares = 0;",
            *rows.each(first.items, [f"total += {value};"]),
            f"const float mean = total / {literal(float(count))};",
            *rows.each(again.items, [f"squares += ({value_again} - mean) * ({value_again} - mean);"]),
            *rows.once(items),
        ]
    )


def cumulated(site: Site) -> list[str]:
    shape = site.inputs[0].shape
    dims = [dimension(shape, site.attrs["dim"])] if shape else []
    elements = Elements(site, shape)
    value = elements.load(site.access(site.op.inputs[0]), site.inputs[0].dtype)
    sign, first = ("+=", 0) if site.op.op_type.name == "CUMSUM" else ("*=", 1)
    step = Item(f"total {sign} {value};", (0,) * len(shape), innermost=True)
    elements.items.append(step)
    elements.write(site.access(site.op.outputs[0]), "total")
    rows = Rows(shape, dims, elements.items)
    return rows.around(
        [f"{C_TYPES[site.output.dtype]} total = {first};", *rows.each(elements.items, [], unroll=False)]
    )


# --- normalisation --------------------------------------------------------------------------------


class _Normalised:
    """Several passes over each row of the operand. Computed operands are kept in the result's memory meanwhile."""

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
        return Rows(self.shape, self.dims, *self.passes)


def kept_result(site: Site) -> Access:
    """The memory of the kernel's last float32 result."""
    behind = [op.outputs[0] for op in (site.op, *site.kernel.after)]
    return site.access(
        [name for name in site.kernel.results if name in behind and site.desc(name).dtype == "float32"][-1]
    )


def softmax(site: Site) -> list[str]:
    """exp(x - largest) / sum along dim, and its logarithm; the safe form makes rows of -inf zeros."""
    shape = site.inputs[0].shape
    dims = [dimension(shape, site.attrs["dim"])] if shape else []
    passes = _Normalised(site, shape, dims)
    logarithm = site.op.op_type.name == "LOG_SOFTMAX"
    first, x = passes.operand(True)
    second, y = passes.operand(False)
    if logarithm:
        last, z = passes.operand(False)
        followed(site, last, f"{z} - shift")
        steps = [f"sum += exp_negative({y} - largest);"]
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
        steps = ["sum += power;"]
        scale = (
            "const float scale = largest == -INFINITY ? 0 : 1 / sum;"
            if site.attrs.get("safe")
            else "const float scale = 1 / sum;"
        )
    if not logarithm and site.attrs.get("safe"):
        second.items[-2].text = f"const float power = largest == -INFINITY ? 0 : exp_negative({y} - largest);"
    rows = passes.rows()
    return rows.around(
        [
            "maximum most = maximum_of(-INFINITY);",
            *rows.each(first.items, [f"most = maximum_with(most, {x});"]),
            "const float largest = maximum_value(most);",
            "float sum = 0;",
            *rows.each(second.items, steps),
            scale,
            *rows.each(last.items, []),
        ]
    )


def layer_norm(site: Site) -> list[str]:
    shape = site.inputs[0].shape
    dims = list(range(len(shape) - len(site.attrs["normalized_shape"]), len(shape)))
    places = [site.access(name).expanded(shape) for name in site.op.inputs[1:]]
    return normalised(site, shape, dims, places)


def group_norm(site: Site) -> list[str]:
    n, channels, *rest = site.inputs[0].shape
    groups = site.attrs["group"]
    shape = (n, groups, channels // groups, *rest)
    places = [
        site.access(name).viewed((groups, channels // groups, *(1,) * len(rest))).expanded(shape)
        for name in site.op.inputs[1:]
    ]
    return normalised(site, shape, list(range(2, len(shape))), places)


def normalised(site: Site, shape: Shape, dims: Sequence[int], affine: Sequence[Access]) -> list[str]:
    """(x - mean) / sqrt(var + eps) * weight + bias over `dims`; the variance is of the distances from the mean."""
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
            *rows.each(first.items, [f"total += {x};"]),
            f"const float mean = total / {count};",
            *rows.each(second.items, [f"squares += ({y} - mean) * ({y} - mean);"]),
            f"const float scale = 1 / sqrtf(squares / {count} + {literal(float(site.attrs['eps']))});",
            *rows.each(last.items, []),
        ]
    )


# --- order ----------------------------------------------------------------------------------------


def ordered(site: Site) -> list[str]:
    """topk and sort: along dim the first k in descending or ascending order, or their places."""
    attrs, x, out = site.attrs, site.inputs[0], site.output
    dim = dimension(x.shape, attrs.get("dim", -1))
    size, inner = (x.shape[dim], math.prod(x.shape[dim + 1 :])) if x.shape else (1, 1)
    kind = {"float32": "f32", "int64": "i64", "int32": "i32", "int8": "i8", "bool": "u8"}[x.dtype]
    what = "places" if site.op.op_type.name.endswith("INDICES") else "values"
    descending = int(attrs.get("largest", True) if "k" in attrs else attrs.get("descending", False))
    sizes = (math.prod(x.shape[:dim]), size, inner, out.shape[dim] if out.shape else 1, descending)
    source, result = site.pointer(site.access(x.name)), site.pointer(site.access(out.name), True)
    return [f"sorted_{what}_{kind}({source}, {result}, {', '.join(map(str, sizes))});"]
