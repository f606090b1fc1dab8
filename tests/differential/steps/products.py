# SPDX-License-Identifier: Apache-2.0
"""Products of every kind: of a value with weights, and of two values."""

from ..draw import Rejected

MOST_MACS = 3_000_000


def limited(macs):
    if macs > MOST_MACS:
        raise Rejected("a large product")


def linear(d):
    x = d.float(1, 2, 3, 4)
    features, out = d.of(x).shape[-1], d.size(300)
    limited(d.of(x).numel() * out)
    weight = d.parameter(out, features, scale=features**-0.5)
    bias = f", {d.parameter(out)}" if d.chance(0.6) else ""
    y = d.add(f"F.linear({x}, {weight}{bias})")
    return (
        d.add(d.one("torch.relu({})", "F.gelu({})", "torch.tanh({})", "F.silu({}) * {}").replace("{}", y))
        if d.chance(0.3)
        else y
    )


def tower(d):
    """A layer in a normed residual, as transformers have it."""
    x = d.float(2, 3)
    features, out = d.of(x).shape[-1], d.size(130)
    limited(2 * d.of(x).numel() * out)
    normed = (
        d.add(f"F.{d.one('layer_norm', 'rms_norm')}({x}, ({features},), {d.parameter(features)})")
        if features > 1
        else x
    )
    y = d.add(
        f"F.gelu(F.linear({normed}, {d.parameter(out, features, scale=features**-0.5)}, {d.parameter(out)}))"
    )
    return d.add(f"{x} + F.linear({y}, {d.parameter(features, out, scale=out**-0.5)})")


def matmul(d):
    """Of a value with another one that fits, with batches that broadcast."""
    x = d.float(2, 3, 4)
    shape = d.of(x).shape
    k, p = shape[-1], d.size(130)
    limited(d.of(x).numel() * p)
    fitting = [name for name in d.floats() if d.of(name).dim() >= 2 and d.of(name).shape[-2] == k]
    if fitting and d.chance(0.4):
        y = d.recent(fitting)
    else:
        batch = [size if d.chance(0.6) else 1 for size in shape[:-2]]
        y = d.tensor(*batch[d.random.randint(0, len(batch)) :], *d.one((k, p), (p, k)))
        y = y if d.of_code(y).shape[-2] == k else f"{y}.mT"
    kind = d.random.random()
    if kind < 0.15:
        y, x = x, f"{x}.mT"
    return d.add(f"{d.one('{0} @ {1}', 'torch.matmul({0}, {1})').format(x, y)} * {k**-0.5:.4g}")


def bmm(d):
    x = d.float(3)
    b, m, k = d.of(x).shape
    p = d.size(65)
    limited(b * m * k * p)
    y = d.tensor(b, k, p)
    return d.add(
        d.one(
            f"torch.bmm({x}, {y}) * {k**-0.5:.4g}",
            f"torch.baddbmm({d.tensor(*d.one((b, m, p), (p,), (1, m, 1)))}, {x}, {y}, alpha={k**-0.5:.4g})",
        )
    )


def small(d):
    """Products of vectors, and with a summand."""
    x = d.float(2)
    m, k = d.of(x).shape
    p = d.size(100)
    limited(m * k * p)
    return d.add(
        d.one(
            f"torch.addmm({d.tensor(*d.one((p,), (m, p), (m, 1), (1, p)))}, {x}, {d.tensor(k, p)}, beta=0.5, alpha={k**-0.5:.4g})",
            f"torch.mv({x}, {d.tensor(k)}) * {k**-0.5:.4g}",
            f"{d.tensor(m)} @ {x} * {m**-0.5:.4g}",
            f"torch.outer({d.tensor(m)}, {d.tensor(p)})",
            f"torch.kron({x}, {d.tensor(2, 3)})",
        )
    )


def einsum(d):
    x = d.float(2, 3, 4)
    letters = "abcd"[: d.of(x).dim()]
    sizes = dict(zip(letters, d.of(x).shape, strict=True)) | {"e": d.size(24), "f": d.size(9)}
    summed = d.random.sample(letters, d.random.randint(1, len(letters) - 1))
    shared = [each for each in letters if each in summed or d.chance(0.3)]
    other = [*shared, *d.random.sample("ef", d.random.randint(0, 2))]
    d.random.shuffle(other)
    out = [each for each in dict.fromkeys([*letters, *other]) if each not in summed]
    d.random.shuffle(out)
    macs, k = 1, 1
    for each in {*letters, *other}:
        macs *= sizes[each]
    for each in summed:
        k *= sizes[each]
    limited(macs)
    y = d.tensor(*(sizes[each] for each in other))
    return d.add(f"torch.einsum('{letters},{''.join(other)}->{''.join(out)}', {x}, {y}) * {k**-0.5:.4g}")


def _channels(d, inputs, groups):
    """Output channels that the groups divide; now and then of a depthwise convolution."""
    return groups * d.one(1, 1, 2) if groups == inputs else groups * max(d.size(48) // groups, 1)


def conv(d):
    rank = d.one(1, 2, 2, 2)
    x = d.float(rank + 2, rank + 2, rank + 1) if d.chance(0.95) else d.float(rank + 1)
    shape = d.of(x).shape
    channels, sizes = shape[-rank - 1], shape[-rank:]
    groups = d.one(1, 1, channels, *(each for each in (2, 3, 4) if channels % each == 0))
    out = _channels(d, channels, groups)
    kernel = [d.one(1, 2, 3, 3, 5, 7) for _ in sizes]
    padding = [d.random.randint(0, size // 2 + 1) for size in kernel]
    stride, dilation = ([d.one(1, 1, 1, 2, 3) for _ in sizes] for _ in range(2))
    limited(d.of(x).numel() // groups * out * kernel[0] * kernel[-1])
    fan = channels // groups
    for each in kernel:
        fan *= each
    weight = d.parameter(out, channels // groups, *kernel, scale=fan**-0.5)
    bias = d.parameter(out) if d.chance(0.6) else "None"
    code = f"F.conv{rank}d({x}, {weight}, {bias}, {tuple(stride)}, {tuple(padding)}, {tuple(dilation)}, {groups})"
    if d.chance(0.15):
        code = f"F.conv{rank}d({x}, {weight}, {bias}, padding='same')" if groups == 1 else code
    y = d.add(code)
    if d.chance(0.25):
        norm = ", ".join(
            [
                d.parameter(out, scale=0.3),
                d.weight(f"torch.rand({out}) + 0.5"),
                d.parameter(out),
                d.parameter(out),
            ]
        )
        y = d.add(f"F.batch_norm({y}, {norm})") if d.of(y).dim() == rank + 2 else y
    return (
        d.add(
            d.one("torch.relu({})", "F.silu({})", "F.hardswish({})", "torch.relu({}) + {}").replace("{}", y)
        )
        if d.chance(0.3)
        else y
    )


def transposed(d):
    rank = d.one(1, 2, 2)
    x = d.float(rank + 2)
    shape = d.of(x).shape
    channels = shape[1]
    groups = d.one(1, 1, 1, channels, *(each for each in (2, 3) if channels % each == 0))
    out = d.size(17) if groups == 1 else d.random.randint(1, 2)
    kernel, stride = ([d.one(1, 2, 3, 4) for _ in range(rank)] for _ in range(2))
    dilation = [d.one(1, 1, 2) for _ in range(rank)]
    more = [d.random.randrange(max(s, t)) for s, t in zip(stride, dilation, strict=True)]
    padding = [d.random.randint(0, 1) for _ in range(rank)]
    limited(d.of(x).numel() * out * kernel[0] * kernel[-1])
    weight = d.parameter(channels, out, *kernel, scale=(channels // groups) ** -0.5)
    bias = d.parameter(out * groups) if d.chance(0.5) else "None"
    return d.add(
        f"F.conv_transpose{rank}d({x}, {weight}, {bias}, {tuple(stride)}, {tuple(padding)}, {tuple(more)}, {groups}, {tuple(dilation)})"
    )


def attention(d):
    """scaled_dot_product_attention of projected values, with masks of all kinds."""
    x = d.float(3)
    b, n, features = d.of(x).shape
    heads, size = d.one(1, 2, 3, 4), d.one(1, 4, 8, 16, 5)
    limited(b * n * features * heads * size * 3 + 2 * b * heads * n * n * size)
    m, key = n, x
    if d.chance(0.3):
        m = d.size(65)
        key = d.input(f"torch.randn({b}, {m}, {features})")

    def projected(of, length, count=heads):
        weight = d.parameter(count * size, features, scale=features**-0.5)
        return d.add(f"F.linear({of}, {weight}).view({b}, {length}, {count}, {size}).transpose(1, 2)")

    shared = heads if heads in (1, 3) or d.chance(0.8) else heads // 2
    q, k, v = projected(x, n), projected(key, m, shared), projected(key, m, shared)
    options = ["", "", ", is_causal=True"]
    options.append(f", attn_mask={d.tensor(*d.one((n, m), (b, 1, n, m), (1, heads, n, m), (b, 1, 1, m)))}")
    lower = d.weight(f"torch.ones({n}, {m}, dtype=torch.bool).tril()") if n and m else ""
    options.append(f", attn_mask={lower}")
    options.append(f", attn_mask=torch.cat([{d.mask(n, m)}[:, 1:], {lower}[:, :1] | True], 1)")
    option = d.one(*options) + d.one("", "", ", scale=0.2") + (", enable_gqa=True" if shared != heads else "")
    y = d.add(f"F.scaled_dot_product_attention({q}, {k}, {v}{option})")
    y = d.add(d.one(f"{y}.transpose(1, 2).flatten(2)", f"{y}.transpose(1, 2).reshape({b}, {n}, -1)"))
    return (
        d.add(f"{x} + F.linear({y}, {d.parameter(features, heads * size, scale=(heads * size) ** -0.5)})")
        if d.chance(0.5)
        else y
    )


def scores(d):
    """Attention written out."""
    x = d.float(2, 3)
    features = d.of(x).shape[-1]
    limited(d.of(x).numel() * (d.of(x).shape[-2] * 2 + features))
    y = d.add(f"{x} @ {d.parameter(features, features, scale=features**-0.5)}")
    s = d.add(
        f"torch.softmax({x} @ {y}.mT * {features**-0.5:.4g}{d.one('', f' + {d.tensor(1, d.of(x).shape[-2])}')}, -1)"
    )
    return d.add(f"{s} @ {d.one(x, y)}")


def recurrent(d):
    x = d.float(2)
    rows, features = d.of(x).shape
    hidden, kind = d.size(33), d.one("LSTM", "GRU", "RNN")
    limited(rows * 4 * (features + hidden) * hidden)
    if d.chance(0.5):
        cell = d.weight(f"nn.{kind}Cell({features}, {hidden})")
        states = [d.tensor(rows, hidden) for _ in range(2 if kind == "LSTM" else 1)]
        given = f"({states[0]}, {states[1]})" if kind == "LSTM" else states[0]
        y = d.add(f"{cell}({x}, {given})")
        return d.add(f"{y}[{d.one(0, 1)}]") if kind == "LSTM" else y
    if rows > 8:
        x = d.add(f"{x}[:{d.random.randint(1, 6)}]")
    layer = d.weight(f"nn.{kind}({features}, {hidden}, bidirectional={d.chance(0.3)})")
    return d.add(f"{layer}({x})[0]")


def bilinear(d):
    x = d.float(2)
    n, a = d.of(x).shape
    b, out = d.size(9), d.size(9)
    limited(n * a * b * out)
    return d.add(
        f"F.bilinear({x}, {d.tensor(n, b)}, {d.parameter(out, a, b, scale=(a * b) ** -0.5)}, {d.parameter(out)})"
    )


STEPS = {
    linear: 5, tower: 2, matmul: 4, bmm: 2, small: 2, einsum: 3, conv: 7, transposed: 2, attention: 3, scores: 2,
    recurrent: 1, bilinear: 1,
}  # fmt: skip
