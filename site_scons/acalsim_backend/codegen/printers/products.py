# SPDX-License-Identifier: Apache-2.0
"""Matrix products and convolutions: a call of the C kernel, and what becomes of each sum."""

from __future__ import annotations

from collections.abc import Sequence

from ...ir.graph import HALVES, ACALSimOpType
from ...ir.literals import SUFFIXES, literal
from ...ir.shapes import pair
from ...ir.strides import Access
from ...ir.walks import image_space, matrix_space
from ..elements import Elements
from ..loops import Item, index
from ..site import Site
from .pointwise import followed
from .registry import prints

T = ACALSimOpType


@prints(T.MATMUL, T.BMM, T.GEMM, T.GEMM_INT8)
def product(site: Site) -> list[str]:
    """matmul_f32 on whatever strides the operands have; a bias is the first thing behind it."""
    space = matrix_space(site.output.shape)
    (batches, m, k), n = matrix_space(site.inputs[0].shape), space[2]
    a, b = (
        site.access(name).seen_as(matrix_space(desc.shape))
        for name, desc in zip(site.op.inputs[:2], site.inputs, strict=False)
    )
    operands = [text for access in (a, b) for text in (site.pointer(access), *map(str, access.strides))]
    elements = Elements(site, space)
    value = "sums[j]"
    kind = _kind(site)
    if kind == "i8":
        value = scaled(
            site, elements, [site.access(name).expanded(site.output.shape) for name in site.op.inputs[2:]]
        )
    elif len(site.inputs) > 2:
        value = gemm_value(site, elements, value)
    followed(site, elements, value)
    call = ", ".join([*operands, *map(str, (batches, m, n, k)), "KERNEL_end", "&pointers"])
    site.functions += ending(site, elements, (("batch",), ("row",), ("column",)))
    return [pointers(site), f"matmul_{kind}({call});"]


def _kind(site: Site) -> str:
    """Which of the kernels for products it is, by the type of the factors."""
    dtype = site.inputs[0].dtype
    site.headers.update([f"{dtype}_products.h"] if dtype in (*HALVES, "float64") else [])
    return SUFFIXES[dtype]


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
    dtype = site.output.dtype
    text = value if alpha == 1 else f"{literal(alpha, dtype)} * {value}"
    if not beta:
        return text
    bias = elements.load(site.access(site.op.inputs[2]).expanded(site.output.shape), dtype)
    return f"{text} + {bias if beta == 1 else f'{literal(beta, dtype)} * {bias}'}"


def pointers(site: Site) -> str:
    return f"const struct KERNEL_pointers pointers = {{{', '.join(site.pointers.values())}}};"


def ending(site: Site, elements: Elements, variables: Sequence[tuple[str, ...]]) -> list[str]:
    """The function that takes sums: what varies along the last variable is done for each of them.

    `variables` are the C parameters that say which sums these are, for each dimension of the index space;
    the last dimension's are its first element and, where it has two, its step.
    """
    sizes = elements.shape
    column, *step = variables[-1]
    names = [*(name for (name,) in variables[:-1]), f"({column} + j{f' * {step[0]}' if step else ''})"]

    def steps(item: Item) -> list[int]:
        return [0 if size == 1 else step for size, step in zip(sizes, item.strides, strict=True)]

    def text(item: Item) -> str:
        return item.text.format(walk=index(steps(item), names))

    def varies(item: Item) -> bool:
        return item.innermost or bool(steps(item)[-1]) or any(map(varies, item.needs))

    once = [f"    {text(item)}" for item in elements.items if not varies(item)]
    each = [f"        {text(item)}" for item in elements.items if varies(item)]
    walked = {dim for item in elements.items for dim, step in enumerate(steps(item)) if step}
    used = {item.pointer for item in elements.items}
    sums = f"const {'double' if site.output.dtype == 'float64' else 'float'} *sums"
    parameters = [f"long {name}" for group in variables for name in group]
    return [
        f"INLINE void KERNEL_end(const void *context, {', '.join(parameters)}, int count, {sums})",
        "{",
        "    const struct KERNEL_pointers *pointers = context;",
        *(
            f"    {text} = pointers->{name};"
            for text, name in zip(site.parameters(), site.pointers.values(), strict=True)
            if name in used
        ),
        *(f"    (void){name};" for dim, group in enumerate(variables) if dim not in walked for name in group),
        *once,
        "    UNROLL_SUMS",
        "    for (int j = 0; j < count; j++) {",
        *each,
        "    }",
        "}",
        "",
    ]


@prints(T.CONV, T.CONV_INT8)
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
    source, space = site.access(x.name).seen_as(image_space(x.shape)), image_space(site.output.shape)
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
    kind = _kind(site)
    if kind == "i8":
        value = scaled(
            site,
            elements,
            [site.access(name).seen_as((space[1], 1, 1)).expanded(space) for name in site.op.inputs[2:]],
        )
    elif len(site.inputs) > 2:
        bias = site.access(site.op.inputs[2])
        value += " + " + elements.load(bias.seen_as((bias.shape[0], 1, 1)).expanded(space), site.output.dtype)
    followed(site, elements, value)
    site.functions += ending(site, elements, (("image",), ("channel",), ("row",), ("column", "step")))
    fields = ", ".join(f".{name} = {value}" for name, value in given.items())
    name = "conv_transpose2d_f32" if attrs.get("transposed") else f"conv2d_{kind}"
    return [pointers(site), f"const struct conv conv = {{{fields}}};", f"{name}({', '.join(call)});"]
