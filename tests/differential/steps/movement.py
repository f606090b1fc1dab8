# SPDX-License-Identifier: Apache-2.0
"""Steps that move elements: views, permutations, slices, concatenations, borders, repetitions."""


def permute(d):
    x = d.float(2, 3, 4, 5)
    dims = list(range(d.of(x).dim()))
    d.random.shuffle(dims)
    return d.add(d.one(f"{x}.permute({', '.join(map(str, dims))})", f"{x}.transpose({d.dim(x)}, {d.dim(x)})"))


def view(d):
    x = d.float()
    kind = d.random.randrange(5)
    if kind == 0 and d.of(x).dim() > 1:
        start = d.random.randrange(d.of(x).dim() - 1)
        return d.add(f"{x}.flatten({start}, {d.random.randrange(start, d.of(x).dim())})")
    if kind == 1:
        return d.add(f"{x}.unsqueeze({d.random.randint(0, d.of(x).dim())})")
    if kind == 2:
        return d.add(f"{x}.squeeze()")
    return d.reshaped(x, d.random.randint(1, 4))


def cut(d):
    """A slice of each dimension, some with steps; an index drops one."""
    x = d.float(1, 2, 3, 4)
    parts = []
    for size in d.of(x).shape:
        kind = d.random.random()
        if kind < 0.45:
            parts.append(":")
        elif kind < 0.6:
            parts.append(str(d.random.randrange(-size, size)))
        elif kind < 0.65:
            parts.append("None, :")
        else:
            start, step = d.random.randrange(size), d.one(1, 1, 2, 3)
            end = d.random.randint(start + 1, size)
            start, end = (d.one(each, each - size) if each < size else each for each in (start, end))
            parts.append(f"{start or ''}:{'' if end == size else end}{f':{step}' if step > 1 else ''}")
    return d.add(f"{x}[{', '.join(parts)}]")


def flip(d):
    x = d.float(1, 2, 3, 4)
    shift = d.random.randint(-5, 5)
    return d.add(
        d.one(
            f"{x}.flip({d.some_dims(x)})",
            f"{x}.flip({d.some_dims(x)})",
            f"torch.roll({x}, {shift}, {d.dim(x)})",
        )
    )


def together(d):
    """A concatenation or a stack of values that are there, parts of them, and new ones."""
    x = d.float(1, 2, 3, 4)
    shape, dim = list(d.of(x).shape), d.random.randrange(d.of(x).dim())
    parts = [x]
    for _ in range(d.random.randint(1, 3)):
        alike = [
            name
            for name in d.floats()
            if d.of(name).dim() == len(shape)
            and all(
                a == b or each == dim for each, (a, b) in enumerate(zip(d.of(name).shape, shape, strict=True))
            )
        ]
        kind = d.random.random()
        if kind < 0.6:
            parts.append(d.recent(alike))
        elif kind < 0.8:
            end = d.random.randint(1, shape[dim])
            parts.append(d.add(f"{x}.narrow({dim}, {d.random.randrange(end)}, 1)"))
        else:
            parts.append(d.tensor(*shape[:dim], d.size(9), *shape[dim + 1 :]))
    if d.chance(0.3):
        parts = [part for part in parts if d.of_code(part).shape == d.of(x).shape]
        return d.add(f"torch.stack([{', '.join(parts)}], {d.random.randint(0, len(shape))})")
    d.random.shuffle(parts)
    return d.add(f"torch.cat([{', '.join(parts)}], {dim})")


def apart(d):
    """Parts of a value, which meet again or go on alone."""
    x = d.float(1, 2, 3, 4)
    dim = d.dim(x)
    size, count = d.of(x).shape[dim], d.random.randint(2, 4)
    if size % count:
        first = d.random.randrange(size) + 1
        parts = (
            d.add(f"{x}.split([{first}, {size - first}], {dim})") if first < size else d.add(f"({x}, {x})")
        )
        count = 2
    else:
        parts = d.add(f"{x}.chunk({count}, {dim})")
    names = [d.add(f"{parts}[{place}]") for place in range(count)]
    if d.chance(0.4):
        return names[-1]
    d.random.shuffle(names)
    one, other = names[:2]
    if d.of(one).shape == d.of(other).shape and d.chance(0.6):
        return d.add(d.one(f"{one} * torch.sigmoid({other})", f"{one} - {other}", f"F.silu({one}) * {other}"))
    return d.add(f"torch.cat([{', '.join(names)}], {dim})")


def pad(d):
    x = d.float(2, 3, 4)
    rank = d.of(x).dim()
    if rank > 2 and d.chance(0.4):
        border = [
            d.random.randint(0, min(2, size - 1))
            for size in d.of(x).shape[: -rank + 1 : -1]
            for _ in range(2)
        ]
        return d.add(f"F.pad({x}, {tuple(border)}, mode='{d.one('reflect', 'replicate')}')")
    border = [d.random.randint(-1, 3) for _ in range(2 * d.random.randint(1, rank))]
    return d.add(f"F.pad({x}, {tuple(border)}, value={d.one(0.0, 0.0, 1.5, -2.0)})")


def repeat(d):
    x = d.float(1, 2, 3, most=4000)
    shape = d.of(x).shape
    return d.add(
        d.one(
            f"{x}.expand({d.random.randint(2, 5)}, {', '.join(['-1'] * len(shape))})",
            f"{x}.repeat({', '.join(str(d.random.randint(1, 3)) for _ in shape)})",
            f"{x}.repeat_interleave({d.random.randint(2, 3)}, {d.dim(x)})",
            f"{x}.unsqueeze(1).expand({shape[0]}, {d.random.randint(2, 5)}, {', '.join(['-1'] * len(shape[1:]))})"
            if len(shape) > 1
            else f"{x}[:, None].expand(-1, 3)",
        )
    )


def spread_add(d):
    """What is expanded, beside what is as large."""
    x = d.float(2, 3, 4)
    shape = d.of(x).shape
    sizes = [size if d.chance(0.5) else 1 for size in shape]
    y = d.tensor(*sizes)
    if d.chance(0.5):
        y = d.add(f"torch.tanh({y})")
    y = d.add(
        f"{y}.expand({', '.join(map(str, shape))})"
        if d.chance(0.6)
        else f"{y}.broadcast_to({tuple(shape)}).contiguous()"
    )
    return d.add(d.one(f"{x} + {y}", f"{y} * {x}", f"torch.cat([{y}, {x}], {d.dim(x)})"))


def odd(d):
    """Diagonals, windows, triangles, blocks of pixels."""
    x = d.float(2, 3, 4)
    shape = d.of(x).shape
    size = d.random.randint(1, min(shape[-1], 5))
    return d.add(
        d.one(
            f"{x}.diagonal({d.random.randint(-1, 1)}, -2, -1)",
            f"{x}.unfold(-1, {size}, {d.random.randint(1, 3)})",
            f"torch.tril({x}, {d.random.randint(-1, 1)})",
            f"torch.triu({x})",
            f"{x}.movedim(0, -1)",
            f"{x}.unflatten({d.dim(x)}, (1, -1))",
            f"F.interpolate({x}, scale_factor=2, mode='nearest')",
            f"F.interpolate({x}, size={tuple(d.random.randint(1, 9) for _ in shape[2:])}, mode='{'bilinear' if len(shape) == 4 else 'linear'}', align_corners={d.one(True, False)})",
            f"F.pixel_shuffle({x}, 2)",
            f"F.pixel_unshuffle({x}, 2)",
            f"F.unfold({x}, {d.one(2, 3)}, padding=1, stride={d.one(1, 2)})",
            f"{x}.T if {x}.dim() == 2 else {x}.mT",
            f"torch.channel_shuffle({x}, {d.one(2, 3)})",
        )
    )


STEPS = {
    permute: 4,
    view: 5,
    cut: 4,
    flip: 2,
    together: 4,
    apart: 3,
    pad: 2,
    repeat: 2,
    spread_add: 3,
    odd: 3,
}
