# SPDX-License-Identifier: Apache-2.0
"""Steps whose elements follow from those at their place: functions, arithmetic with broadcasting, comparisons, casts."""

from ..draw import Rejected

UNARY = (
    *("torch.relu({})", "F.relu6({})", "F.gelu({})", "F.gelu({}, approximate='tanh')", "F.silu({})"),
    *("torch.sigmoid({})", "torch.tanh({})", "F.elu({})", "F.selu({})", "F.celu({}, 0.7)", "F.mish({})"),
    *("F.leaky_relu({}, 0.1)", "F.hardtanh({}, -0.5, 1.5)", "F.hardswish({})", "F.hardsigmoid({})"),
    *("F.softplus({})", "F.softsign({})", "F.logsigmoid({})", "F.tanhshrink({})", "F.softshrink({}, 0.3)"),
    *("torch.exp({}.clamp(-4, 2))", "torch.log({}.abs() + 0.5)", "torch.log1p({}.abs())", "torch.expm1({}.clamp(-3, 1))"),
    *("torch.sqrt({}.abs() + 0.1)", "torch.rsqrt({}.abs() + 0.5)", "1 / ({}.abs() + 0.7)", "{} ** 2", "{}.abs() ** 1.5"),
    *("torch.sin({})", "torch.cos({})", "torch.atan({})", "torch.erf({})", "-{}", "{}.abs()", "{} * 0.5", "{} + 1.25"),
    *("1 - {}", "{} / 3", "{}.clamp(-0.5, 0.7)", "{}.clamp(min=0.1)", "{} * 0.25 - 0.5", "0.5 / (1 + {} * {})"),
)  # fmt: skip
BINARY = (
    *("{} + {}", "{} + {}", "{} - {}", "{} * {}", "{} * {}", "torch.maximum({}, {})", "torch.minimum({}, {})"),
    *("{} / ({}.abs() + 1)", "torch.atan2({}, {}.abs() + 0.5)", "torch.lerp({}, {}, 0.3)", "torch.hypot({}, {})"),
    *("torch.add({}, {}, alpha=0.5)", "torch.sub({}, {}, alpha=2)", "{} * torch.sigmoid({})"),
    *("torch.logaddexp({}, {})", "torch.tanh({}) * {}"),
)  # fmt: skip


def unary(d):
    x = d.float()
    return d.add(d.one(*UNARY).replace("{}", x))


def binary(d):
    x = d.float()
    both = [x, d.broadcastable(x)]
    d.random.shuffle(both)
    return d.add(d.one(*BINARY).format(*both))


def ternary(d):
    x = d.float()
    y, z = d.broadcastable(x), d.broadcastable(x)
    return d.add(
        d.one(
            "torch.addcmul({}, {}, {}, value=0.5)", "torch.lerp({}, {}, torch.sigmoid({}))", "{} * {} + {}"
        ).format(x, y, z)
    )


def prelu(d):
    x = d.float(2, 3, 4)
    return d.add(f"F.prelu({x}, {d.parameter(d.one(1, d.of(x).shape[1]))})")


def choose(d):
    """where and masked_fill by a mask, or by a comparison of what no rounding turns over."""
    x = d.float()
    shape = [size if d.chance(0.7) else 1 for size in d.of(x).shape]
    mask = d.mask(*shape)
    if d.chance(0.4):
        y = d.float()
        mask = d.add(f"{y} {d.one('>', '<', '>=', '<=')} {d.threshold(y)}")
    if d.chance(0.3):
        return d.add(f"{x}.masked_fill({mask}, {d.one(0.0, -1.5, 2)})")
    y = d.broadcastable(x)
    return d.add(d.one(f"torch.where({mask}, {x}, {y})", f"torch.where({mask}, {y}, 0.5)", f"{x} * {mask}"))


def of_masks(d):
    """Logic of masks, which become floats in the end."""
    x = d.float()
    one = d.add(f"{x} > {d.threshold(x)}")
    other = d.mask(*[size if d.chance(0.7) else 1 for size in d.of(x).shape])
    both = d.add(d.one("{} & {}", "{} | {}", "{} ^ {}", "torch.logical_and({}, ~{})").format(one, other))
    return d.add(
        d.one(f"{both}.float()", f"{both}.to(torch.float32) * 2 - 1", f"torch.where({both}, {x}, -{x})")
    )


def integers(d):
    """Whole numbers: made, computed with, and turned to floats."""
    shape = d.shape(d.one(1, 2, 3))
    x = d.input(f"torch.randint(-9, 10, {shape})")
    for _ in range(d.random.randint(1, 3)):
        code = d.one(
            "{} * 3 - 1",
            "{} // 2",
            "{} % 5",
            "{}.abs()",
            "{}.clamp(-4, 6)",
            "{} & 7",
            "-{}",
            "{} << 1",
            "{}.to(torch.int32)",
        )
        x = d.add(code.format(x))
    return d.add(
        d.one(
            "{}.float() / 8",
            "{}.to(torch.float32) * 0.25",
            "({} > 1).float()",
            "torch.where({} == 2, 1.0, -0.5)",
        ).format(x)
    )


def cast(d):
    """To a whole number and back, of what no rounding turns over."""
    x = d.float()
    scaled = d.add(f"{x} * 2 + 0.37")
    value = d.of(scaled)
    if not d.sharp or (value - value.round()).abs().min() < 2e-3:
        raise Rejected("a rounding decides")
    return d.add(f"{scaled}.to({d.one('torch.int64', 'torch.int32', 'torch.int8')}).float() / 4")


def halves(d):
    """A few steps in 16 bits, of a graph in which all is rounded to as many."""
    if d.precision != "bfloat16":
        raise Rejected("exact")
    x = d.float(1, 2, 3)
    features, kind = d.of(x).shape[-1], "bfloat16"
    y = d.add(f"{x}.to(torch.{kind})")
    for _ in range(d.random.randint(1, 2)):
        weight = d.parameter(d.size(40), features, scale=features**-0.5)
        y = d.add(
            d.one(
                f"torch.tanh({y})",
                f"{y} * 0.5 + {y}",
                f"F.linear({y}, {weight}.to(torch.{kind}))[..., :{features}]",
            )
        )
        if d.of(y).shape[-1] != features:
            break
    return d.add(f"{y}.float()")


def residual(d):
    """A value beside what a few steps make of it."""
    x = d.float()
    y = x
    for _ in range(d.random.randint(1, 3)):
        y = d.add(d.one(*UNARY).replace("{}", y))
    return d.add(d.one(f"{x} + {y}", f"{y} + {x}", f"{y} - {x}", f"{x} * 0.5 + {y}"))


def spread(d):
    """What a few numbers say, added to or multiplied with all places of an image or a sequence."""
    x = d.float(3, 4)
    shape = d.of(x).shape
    e = d.float(2)
    if d.of(e).shape[0] not in (1, shape[0]):
        e = d.input(f"torch.randn({shape[0]}, {d.size(33)})")
    features = d.of(e).shape[1]
    weight = d.parameter(shape[1], features, scale=features**-0.5)
    y = d.add(f"F.linear({e}, {weight}{d.one('', f', {d.parameter(shape[1])}')})")
    if d.chance(0.3):
        y = d.add(f"torch.{d.one('tanh', 'sigmoid', 'relu')}({y})")
    y = f"{y}[:, :, {', '.join(['None'] * (len(shape) - 2))}]"
    if d.chance(0.3):
        y = f"{y}.expand{(-1, -1, *shape[2:])}"
    return d.add(d.one("{} + {}", "{} * {}", "{} - {}").format(*d.random.sample([x, y], 2)))


STEPS = {
    unary: 5,
    binary: 6,
    ternary: 2,
    prelu: 1,
    choose: 3,
    of_masks: 1,
    integers: 1,
    cast: 1,
    residual: 3,
    spread: 3,
}
