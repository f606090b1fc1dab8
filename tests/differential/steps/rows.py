# SPDX-License-Identifier: Apache-2.0
"""Steps over whole rows: reductions, norms, softmax, sorts, pooling, lookups."""

from ..draw import Rejected


def _spread_out(d, name, dims):
    """Raises Rejected where rows of a value hardly vary: a norm would make much of their rounding."""
    value = d.of(name)
    if (value.var(dims, unbiased=False) < 1e-2 * value.abs().max() ** 2).any():
        raise Rejected("rows that hardly vary")


def reduce(d):
    x = d.float(1, 2, 3, 4)
    dims, keep = d.some_dims(x), d.one(True, False)
    count = 1
    for dim in dims:
        count *= d.of(x).shape[dim]
    function = d.one("mean", "mean", "sum", "amax", "amin", "logsumexp", "var", "norm", "std")
    if function == "sum":
        return d.add(f"{x}.sum({dims}, keepdim={keep}) * {count**-0.5:.4g}")
    if function in ("var", "std"):
        if count == 1:
            raise Rejected("one element")
        if function == "std":
            _spread_out(d, x, dims)
        return d.add(f"{x}.{function}({dims}, unbiased={d.one(True, False)}, keepdim={keep})")
    if function == "norm":
        return d.add(f"torch.linalg.vector_norm({x}, {d.one(1, 2, 3)}, {dims}, {keep}) / {count}")
    return d.add(f"{x}.{function}({dims}, keepdim={keep})")


def reduce_all(d):
    x = d.float()
    return d.add(f"{x}.{d.one('mean', 'amax', 'amin')}()")


def along(d):
    x = d.float(1, 2, 3, 4)
    dim = d.dim(x)
    size = d.of(x).shape[dim]
    return d.add(
        d.one(
            f"torch.softmax({x}, {dim})",
            f"torch.softmax({x}, {dim})",
            f"torch.softmax({x} * 2, -1)",
            f"F.log_softmax({x}, {dim})",
            f"torch.cumsum({x}, {dim}) * {size**-0.5:.4g}",
            f"torch.cumprod({x}.clamp(-1, 1), {dim})",
            f"F.normalize({x} + 0.1, dim={dim})",
            f"F.softmin({x}, {dim})",
            f"F.glu({x}, {dim})",
        )
    )


def norm(d):
    x = d.float(2, 3, 4)
    shape = d.of(x).shape
    kind = d.one("layer", "layer", "rms", "group", "batch", "instance", "response")
    if kind in ("layer", "rms"):
        normed = tuple(shape[d.random.randrange(len(shape)) :])
        if kind == "layer":
            _spread_out(d, x, tuple(range(-len(normed), 0)))
        given = [
            d.parameter(*normed) if d.chance(0.7) else "None",
            d.parameter(*normed) if d.chance(0.5) else "None",
        ]
        return d.add(f"F.{kind}_norm({x}, {normed}, {', '.join(given if kind == 'layer' else given[:1])})")
    channels = shape[1]
    weights = [
        d.parameter(channels) if d.chance(0.7) else "None",
        d.parameter(channels) if d.chance(0.7) else "None",
    ]
    if kind == "batch":
        variance = d.weight(f"torch.rand({channels}) + 0.5")
        return d.add(
            f"F.batch_norm({x}, {d.parameter(channels, scale=0.3)}, {variance}, {', '.join(weights)})"
        )
    if kind == "response":
        return d.add(f"F.local_response_norm({x}, {d.random.randint(1, 5)}, alpha=0.1)")
    if kind == "instance":
        if len(shape) < 3:
            raise Rejected("no image")
        _spread_out(d, x, tuple(range(2, len(shape))))
        return d.add(f"F.instance_norm({x}, None, None, {', '.join(weights)})")
    groups = d.one(*(each for each in (1, 2, 3, 4, channels) if channels % each == 0))
    grouped = d.of(x).reshape(shape[0], groups, -1)
    if (grouped.var(-1, unbiased=False) < 1e-2 * grouped.abs().max() ** 2).any():
        raise Rejected("rows that hardly vary")
    return d.add(f"F.group_norm({x}, {groups}, {', '.join(weights)})")


def order(d):
    """Sorted values; places only where no rounding changes them."""
    x = d.float(1, 2, 3, most=5000)
    dim = d.dim(x)
    size = d.of(x).shape[dim]
    k, way = d.random.randint(1, min(size, 20)), d.one(True, False)
    if d.chance(0.6):
        return d.add(
            d.one(
                f"{x}.sort({dim}, {way})[0]",
                f"{x}.topk({k}, {dim}, {way})[0]",
                f"torch.sort({x}, dim={dim}, stable=True)[0]",
            )
        )
    d.apart(x, dim)
    code = d.one(
        f"{x}.argmax({dim})",
        f"{x}.argmin({dim}, keepdim=True)",
        f"{x}.argsort({dim}, {way})",
        f"{x}.topk({k}, {dim})[1]",
        f"{x}.max({dim})[1]",
    )
    return d.add(f"{code}.float() / {size}")


def truth(d):
    x = d.float(1, 2, 3)
    compared = d.add(f"{x} > {d.threshold(x)}")
    return d.add(f"{compared}.{d.one('any', 'all', 'sum')}({d.dim(x)}).float() / 4")


def pool(d):
    rank = d.one(1, 2, 2, 2)
    x = d.float(rank + 2)
    sizes = d.of(x).shape[2:]
    if d.chance(0.25):
        size = tuple(d.random.randint(1, 6) for _ in sizes)
        return d.add(f"F.adaptive_{d.one('avg', 'avg', 'max')}_pool{rank}d({x}, {size})")
    kernel = tuple(d.one(1, 2, 2, 3, 5) for _ in sizes)
    stride = tuple(d.one(1, 2, 2, 3) for _ in sizes)
    padding = tuple(d.random.randint(0, size // 2) for size in kernel)
    ceil = f"ceil_mode={d.one(True, False)}"
    if d.chance(0.5):
        dilation = ", ".join(str(d.one(1, 1, 1, 2)) for _ in sizes)
        return d.add(f"F.max_pool{rank}d({x}, {kernel}, {stride}, {padding}, ({dilation},), {ceil})")
    return d.add(
        f"F.avg_pool{rank}d({x}, {kernel}, {stride}, {padding}, {ceil}, count_include_pad={d.one(True, False)})"
    )


def lookup(d):
    """Elements by indices, which are inputs or constants."""
    x = d.float(1, 2, 3, 4)
    shape = list(d.of(x).shape)
    dim = d.random.randrange(len(shape))
    size, count = shape[dim], d.size(24)
    kind = d.random.randrange(7)
    if kind == 0:
        x = d.float(2)
        rows = d.of(x).shape[0]
        return d.add(f"F.embedding({d.indices(rows, *d.shape(d.one(1, 2), 200))}, {x})")
    if kind == 1:
        return d.add(f"{x}.index_select({dim}, {d.indices(size, count)})")
    picked = [d.random.randint(1, each) for each in shape]
    picked[dim] = count
    if kind == 2:
        return d.add(f"{x}.gather({dim}, {d.indices(size, *picked)})")
    if kind == 3:
        at = [":"] * dim + [d.indices(size, *d.shape(d.one(1, 2), 60))]
        return d.add(f"{x}[{', '.join(at)}]")
    if kind == 4 and len(shape) > 1:
        return d.add(f"{x}[{d.indices(shape[0], count)}, {d.indices(shape[1], *d.one((count,), (1,)))}]")
    table = d.parameter(d.size(100), d.size(33))
    index = d.indices(d.of_code(table).shape[0], *d.shape(d.one(1, 2), 300))
    return d.add(f"F.embedding({index}, {table})")


def scatter(d):
    """Elements to indices; where several meet they are added, or each index is there once."""
    x = d.float(1, 2, 3)
    shape = list(d.of(x).shape)
    dim = d.random.randrange(len(shape))
    size = shape[dim]
    kind = d.random.randrange(5)
    if kind == 0:
        index = d.indices(size, *shape)
        return d.add(f"{x}.{d.one('scatter_add', 'scatter_add')}({dim}, {index}, {d.tensor(*shape)})")
    count = d.random.randint(1, size)
    other = d.tensor(*shape[:dim], count, *shape[dim + 1 :])
    places = d.weight(f"torch.randperm({size})[:{count}]")
    if kind == 1:
        return d.add(f"{x}.index_add({dim}, {places}, {other})")
    if kind == 2:
        return d.add(f"{x}.index_copy({dim}, {places}, {other})")
    if kind == 3:
        return d.add(f"{x}.slice_scatter({other}, {dim}, {size - count}, {size})")
    if kind == 4 and dim == 0:
        return d.add(f"{x}.index_put(({places},), {other}, accumulate={d.one(True, False)})")
    index = d.indices(size, *shape)
    return d.add(f"{x}.scatter_reduce({dim}, {index}, {d.tensor(*shape)}, '{d.one('amax', 'amin', 'sum')}')")


STEPS = {reduce: 5, reduce_all: 1, along: 5, norm: 6, order: 2, truth: 1, pool: 4, lookup: 4, scatter: 2}
