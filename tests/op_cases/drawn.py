# SPDX-License-Identifier: Apache-2.0
"""Cases of ops with shapes and arguments that hypothesis draws."""

import torch
import torch.nn.functional as F
from hypothesis import strategies as st

from op_cases.values import BOOL, INT32, T, Values, aten

values = Values(1)
b, f, n, nonzero = values.b, values.f, values.n, values.nonzero


@st.composite
def shapes(draw, least=0, most=4, low=0, high=5):
    return tuple(draw(st.lists(st.integers(low, high), min_size=least, max_size=most)))


def laid_out(draw, function, *inputs):
    """The function, on an operand that is not dense."""
    x, kind = inputs[0], draw(st.sampled_from(["dense", "permuted", "sliced", "computed"]))
    if kind == "permuted" and x.dim():
        order = draw(st.permutations(range(x.dim())))
        back = [order.index(dim) for dim in range(x.dim())]
        return (lambda x, *more: function(x.permute(back), *more)), (
            x.permute(order).contiguous(),
            *inputs[1:],
        )
    if kind == "sliced" and x.dim():
        wide = torch.stack([x, x], -1).flatten(-2)
        return (lambda x, *more: function(x[..., ::2], *more)), (wide, *inputs[1:])
    if kind == "computed" and x.is_floating_point():
        return (lambda x, *more: function(x * 2 - 1, *more)), inputs
    return function, inputs


def a_dim(draw, x):
    return draw(st.integers(-max(x.dim(), 1), max(x.dim(), 1) - 1))


def draw_unary(type):
    function = getattr(torch, type.name.lower())

    def draw_case(draw):
        x = f(*draw(shapes())) if type is not T.BITWISE_NOT else n(*draw(shapes()))
        return laid_out(draw, function, x)

    return draw_case


def draw_binary(type):
    function = {T.DIV_ROUNDED: lambda x, y: torch.div(x, y, rounding_mode="floor")}.get(type) or getattr(
        torch, type.name.lower()
    )
    whole = type in (T.BITWISE_AND, T.BITWISE_OR, T.BITWISE_XOR, T.BITWISE_LEFT_SHIFT, T.BITWISE_RIGHT_SHIFT)

    def draw_case(draw):
        full = draw(shapes())
        one, other = (
            [draw(st.sampled_from([1, size])) for size in full[draw(st.integers(0, len(full))) :]]
            for _ in range(2)
        )
        make = (
            nonzero
            if whole or draw(st.booleans()) and type not in (T.DIV, T.ATAN2, T.HYPOT, T.POW)
            else lambda *shape: f(*shape).abs() + 0.5
        )
        return laid_out(draw, function, make(*one), make(*other))

    return draw_case


def draw_reduction(type):
    name = type.name.lower()
    function, single = getattr(torch, name), type in (T.PROD, T.ARGMAX, T.ARGMIN)

    def draw_case(draw):
        x = f(*draw(shapes(1, 4, 1)))
        keep = draw(st.booleans())
        dims = draw(st.lists(st.integers(0, x.dim() - 1), min_size=1, unique=True))
        dim = a_dim(draw, x) if single else tuple(each - draw(st.sampled_from([0, x.dim()])) for each in dims)
        return laid_out(draw, lambda x: function(x, dim=dim, keepdim=keep), x)

    return draw_case


def draw_along(function):
    def draw_case(draw):
        x = f(*draw(shapes(0, 4, 0)))
        dim = a_dim(draw, x)
        return laid_out(draw, lambda x: function(x, dim), x)

    return draw_case


def draw_product(draw):
    m, k, p = (draw(st.integers(0, 20)) for _ in range(3))
    batch = draw(shapes(0, 2))
    return laid_out(draw, torch.matmul, f(*batch, m, k), f(*batch, k, p))


def draw_gemm(draw):
    m, k, p = (draw(st.integers(0, 20)) for _ in range(3))
    return laid_out(
        draw,
        lambda x, w, c: torch.addmm(c, x, w),
        f(m, k),
        f(k, p),
        f(*draw(st.sampled_from([(p,), (1, p), (m, 1), (m, p), (1,), ()]))),
    )


def draw_system(draw):
    size, batch = draw(st.integers(1, 6)), draw(shapes(0, 2, 1, 3))
    a = f(*batch, size, size) + 3 * torch.eye(size)[torch.arange(size).roll(draw(st.integers(0, size)))]
    return laid_out(draw, torch.linalg.solve, a, f(*batch, size, draw(st.integers(1, 4))))


def draw_conv(draw):
    rank, groups, transposed = draw(st.sampled_from([1, 2, 2])), draw(st.integers(1, 3)), draw(st.booleans())
    channels, out = groups * draw(st.integers(1, 3)), groups * draw(st.integers(1, 3))
    kernel, stride, dilation = ([draw(st.integers(1, 3)) for _ in range(rank)] for _ in range(3))
    padding = [draw(st.integers(0, 1)) for _ in range(rank)]
    size = [d * (k - 1) + 1 + draw(st.integers(0, 6)) for k, d in zip(kernel, dilation, strict=True)]
    weight = (channels, out // groups, *kernel) if transposed else (out, channels // groups, *kernel)
    function = getattr(F, f"conv{'_transpose' * transposed}{rank}d")
    if transposed:
        padding = [0] * rank
    return laid_out(
        draw,
        lambda x, w, c: function(x, w, c, stride=stride, padding=padding, groups=groups, dilation=dilation),
        f(draw(st.integers(1, 2)), channels, *size),
        f(*weight),
        f(out),
    )


def draw_pool(type):
    def draw_case(draw):
        kernel, stride = ([draw(st.integers(1, 3)) for _ in range(2)] for _ in range(2))
        x = f(*draw(st.sampled_from([(2, 3), (1,), (1, 2)])), *(k + draw(st.integers(0, 6)) for k in kernel))
        padding = [draw(st.integers(0, k // 2)) for k in kernel]
        options = dict(kernel_size=kernel, stride=stride, padding=padding, ceil_mode=draw(st.booleans()))
        if type is T.AVG_POOL:
            count = draw(st.booleans())
            return laid_out(draw, lambda x: F.avg_pool2d(x, count_include_pad=count, **options), x)
        if type in (T.MAX_POOL, T.MAX_POOL_INDICES):
            return laid_out(
                draw, lambda x: F.max_pool2d(x, return_indices=True, **options)[type is T.MAX_POOL_INDICES], x
            )
        size = [draw(st.integers(2, 5)) for _ in range(2)]
        if type is T.ADAPTIVE_AVG_POOL:
            return laid_out(draw, lambda x: F.adaptive_avg_pool2d(x, size), x)
        return laid_out(
            draw,
            lambda x: F.adaptive_max_pool2d(x, size, return_indices=True)[
                type is T.ADAPTIVE_MAX_POOL_INDICES
            ],
            x,
        )

    return draw_case


def draw_layer_norm(draw):
    x = f(*draw(shapes(1, 4, 1)))
    normed = x.shape[draw(st.integers(0, x.dim() - 1)) :]
    return laid_out(draw, lambda x, w, c: F.layer_norm(x, normed, w, c), x, f(*normed), f(*normed))


def draw_group_norm(draw):
    groups, each = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    x = f(draw(st.integers(1, 3)), groups * each, *draw(shapes(1, 2, 2)))
    return laid_out(
        draw, lambda x, w, c: F.group_norm(x, groups, w, c), x, f(groups * each), f(groups * each)
    )


def draw_view(draw):
    x = f(*draw(shapes(low=1)))
    sizes, left = [], x.numel()
    while left > 1:
        sizes.append(draw(st.sampled_from([d for d in range(2, left + 1) if left % d == 0])))
        left //= sizes[-1]
    return laid_out(draw, lambda x: x.reshape(sizes) + 1, x)


def draw_permute(draw):
    x = f(*draw(shapes()))
    order = draw(st.permutations(range(x.dim())))
    return laid_out(draw, lambda x: x.permute(order), x)


def draw_expand(draw):
    full = draw(shapes())
    shape = [draw(st.sampled_from([1, size])) for size in full[draw(st.integers(0, len(full))) :]]
    return laid_out(draw, lambda x: x.expand(full), f(*shape))


def draw_slice(draw):
    x = f(*draw(shapes(1)))
    dim, start, end, step = (
        a_dim(draw, x),
        draw(st.integers(-6, 6)),
        draw(st.integers(-6, 9)),
        draw(st.integers(1, 3)),
    )
    return laid_out(draw, lambda x: aten.slice(x, dim, start, end, step) * 2, x)


def draw_select(draw):
    x = f(*draw(shapes(1, low=1)))
    dim = a_dim(draw, x)
    place = draw(st.integers(-x.shape[dim], x.shape[dim] - 1))
    return laid_out(draw, lambda x: x.select(dim, place), x)


def draw_flip(draw):
    x = f(*draw(shapes(1)))
    dims = draw(st.lists(st.integers(0, x.dim() - 1), unique=True, min_size=1))
    return laid_out(draw, lambda x: x.flip(dims), x)


def draw_diagonal(draw):
    x = f(*draw(shapes(2, low=1)))
    first, second = draw(st.permutations(range(x.dim())))[:2]
    offset = draw(st.integers(-x.shape[first], x.shape[second]))
    return laid_out(draw, lambda x: x.diagonal(offset, first, second), x)


def draw_unfold(draw):
    x = f(*draw(shapes(1, 3, 1)))
    dim = a_dim(draw, x)
    size, step = draw(st.integers(1, x.shape[dim])), draw(st.integers(1, 3))
    return laid_out(draw, lambda x: x.unfold(dim, size, step), x)


def draw_as_strided(draw):
    size, stride = draw(shapes(0, 3)), draw(st.lists(st.integers(0, 5), min_size=3, max_size=3))
    offset = draw(st.integers(0, 4))
    return laid_out(
        draw, lambda x: (x * 2).contiguous().as_strided(size, stride[: len(size)], offset), f(9, 9)
    )


def draw_cat(draw):
    shape = list(draw(shapes(1)))
    dim = draw(st.integers(0, len(shape) - 1))
    sizes = draw(st.lists(st.integers(0, 4), min_size=2, max_size=4))
    return laid_out(
        draw,
        lambda *values: torch.cat(values, dim),
        *(f(*shape[:dim], size, *shape[dim + 1 :]) for size in sizes),
    )


def draw_pad(draw):
    x = f(*draw(shapes(1, 3, 2)))
    pad = [draw(st.integers(-1, 2)) for _ in range(2 * draw(st.integers(1, x.dim())))]
    return laid_out(draw, lambda x: F.pad(x, pad, value=1.5), x)


def places(draw, size, *shape):
    return n(*shape, low=0, high=size, dtype=draw(st.sampled_from([torch.int64])))


def draw_gather(draw):
    x = f(*draw(shapes(1, 3, 1)))
    dim = a_dim(draw, x)
    shape = [draw(st.integers(0, size)) for size in x.shape]
    shape[dim] = draw(st.integers(0, 6))
    return laid_out(draw, lambda x, i: x.gather(dim, i), x, places(draw, x.shape[dim], *shape))


def draw_embedding(draw):
    return lambda w, i: F.embedding(i, w) + 1, (
        f(draw(st.integers(1, 5)), draw(st.integers(0, 5))),
        torch.zeros(draw(shapes(0, 3)), dtype=torch.int64),
    )


def draw_index_select(draw):
    x = f(*draw(shapes(1, 4, 1)))
    dim = a_dim(draw, x)
    return laid_out(
        draw, lambda x, i: x.index_select(dim, i), x, places(draw, x.shape[dim], draw(st.integers(0, 6)))
    )


def drawn_places(draw, x):
    """None or an index tensor for each dimension; the shapes of those broadcast."""
    chosen = draw(st.lists(st.booleans(), min_size=x.dim(), max_size=x.dim()).filter(any))
    full = draw(shapes(1, 2, 1))
    made = []
    for size, is_chosen in zip(x.shape, chosen, strict=True):
        shape = [draw(st.sampled_from([1, each])) for each in full[draw(st.integers(0, len(full) - 1)) :]]
        made.append(n(*shape, low=-size, high=size) if is_chosen else None)
    return made


def spread(places, values):
    """The values where there is a place, None elsewhere."""
    left = iter(values)
    return [None if each is None else next(left) for each in places]


def draw_index(draw):
    x = f(*draw(shapes(1, 4, 1)))
    indices = drawn_places(draw, x)
    return laid_out(
        draw,
        lambda x, *i: aten.index(x, spread(indices, i)),
        x,
        *(each for each in indices if each is not None),
    )


def draw_index_put(draw):
    x = f(*draw(shapes(1, 4, 1)))
    indices = drawn_places(draw, x)
    shape = x[tuple(slice(None) if each is None else each for each in indices)].shape

    return laid_out(
        draw,
        lambda x, v, *i: aten.index_put(x, spread(indices, i), v, True),
        x,
        f(*shape),
        *(each for each in indices if each is not None),
    )


def draw_slice_scatter(draw):
    x = f(*draw(shapes(1)))
    dim, start, end, step = (
        a_dim(draw, x),
        draw(st.integers(0, 6)),
        draw(st.integers(0, 9)),
        draw(st.integers(1, 3)),
    )
    part = aten.slice(x, dim, start, end, step)
    return laid_out(draw, lambda x, v: torch.slice_scatter(x, v, dim, start, end, step), x, f(*part.shape))


def draw_select_scatter(draw):
    x = f(*draw(shapes(1, low=1)))
    dim = a_dim(draw, x)
    place = draw(st.integers(-x.shape[dim], x.shape[dim] - 1))
    return laid_out(
        draw, lambda x, v: torch.select_scatter(x, v, dim, place), x, f(*x.select(dim, place).shape)
    )


def draw_scatter(function):
    def draw_case(draw):
        x = f(*draw(shapes(1, 3, 1)))
        dim = a_dim(draw, x)
        shape = [draw(st.integers(1, size)) for size in x.shape]
        order = torch.rand(x.shape, generator=torch.Generator().manual_seed(1)).argsort(dim)
        where = order[tuple(slice(size) for size in shape)].contiguous()
        return laid_out(draw, lambda x, i, v: function(x, dim, i, v), x, where, f(*shape))

    return draw_case


def draw_topk(part):
    def draw_case(draw):
        x = f(*draw(shapes(1, 3, 1)))
        dim, largest = a_dim(draw, x), draw(st.booleans())
        k = draw(st.integers(0, x.shape[dim]))
        return laid_out(draw, lambda x: x.topk(k, dim, largest)[part], x)

    return draw_case


def draw_sort(part):
    def draw_case(draw):
        x = n(*draw(shapes(1, 3)), low=-2, high=3).float() + 0.0
        dim, descending = a_dim(draw, x), draw(st.booleans())
        return laid_out(draw, lambda x: torch.sort(x, dim=dim, descending=descending, stable=True)[part], x)

    return draw_case


def draw_cast(draw):
    dtype = draw(st.sampled_from([torch.int64, INT32, BOOL, torch.float32]))
    return laid_out(draw, lambda x: x.to(dtype), n(*draw(shapes())))


def draw_where(draw):
    full = draw(shapes())
    one, two, three = ([draw(st.sampled_from([1, size])) for size in full] for _ in range(3))
    return laid_out(draw, lambda x, c, y: torch.where(c, x, y), f(*one), b(*two), f(*three))


def drawing(function, dense=False):
    return lambda draw: laid_out(draw, function, f(*draw(shapes())))
