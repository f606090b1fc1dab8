# SPDX-License-Identifier: Apache-2.0
"""Cases of each dtype that is computed as it is: functions of PyTorch that its ops have in common."""

import torch
import torch.nn.functional as F

SMALL_INTEGERS = (torch.uint8, torch.int8, torch.int16, torch.int32)
OTHERS = (torch.int8, torch.uint8, torch.int16, torch.int64, torch.float32)


def numbers(dtype, *shape, seed=0):
    """All of an integer's range, or normally distributed."""
    generator = torch.Generator().manual_seed(seed)
    if dtype.is_floating_point:
        return torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype)
    limits = torch.iinfo(dtype)
    drawn = torch.randint(max(limits.min, -(1 << 40)), min(limits.max, 1 << 40), shape, generator=generator)
    return drawn.to(dtype)


def nonzero(x):
    return torch.where(x == 0, torch.ones_like(x), x)


TWO = {
    "add": torch.add,
    "sub": lambda x, y: torch.sub(x, y, alpha=3),
    "mul": torch.mul,
    "div": torch.div,
    "div floor": lambda x, y: torch.div(x, y, rounding_mode="floor"),
    "div trunc": lambda x, y: torch.div(x, y, rounding_mode="trunc"),
    "remainder": torch.remainder,
    "fmod": torch.fmod,
    "maximum": torch.maximum,
    "fmin": torch.fmin,
    "less": torch.lt,
    "where": lambda x, y: torch.where(x > y, x, y),
    "cat": lambda x, y: torch.cat([x, y.expand_as(x)], 1),
}
ONE = {
    "signs": lambda x: (x.neg(), x.abs(), x.sign(), torch.signbit(x), x >= 0),
    "rounded": lambda x: (x.floor(), x.round()),
    "numbers": lambda x: (x + 7, x * 3, x % 5, x / 255, x // 4, x == 3, x.clamp(2, 90), x + 0.5),
    "sums": lambda x: (x.sum(), x.sum(1, dtype=torch.int32), x.sum(0, dtype=torch.float32)),
    "cumulated": lambda x: (x.cumsum(0), x.cumsum(1, dtype=torch.int32)),
    "extrema": lambda x: (*x.max(1), x.amin(0), x.argmin(1), x.any(1)),
    "sorted": lambda x: (*x.sort(stable=True, dim=1), x.topk(2)[0]),
    "moved": lambda x: (x.t(), F.pad(x, (1, 2), value=7), x.flip(1), x[[2, 0]], x.repeat(2, 1)),
    "scattered": lambda x: x.scatter_add(1, torch.tensor([[0, 0], [1, 1], [2, 3]]), x[:, :2]),
    "filled": lambda x: (x.masked_fill(x > 3, 9), torch.full_like(x, 5) + x),
    "cast": lambda x: tuple(x.to(dtype) for dtype in (*OTHERS, torch.float64, torch.bool)),
    "functions": lambda x: (torch.sin(x / 9), torch.sqrt(x.abs()), (x.float() / 9).exp()),
}
WHOLE = {
    "numbers that wrap around": lambda x: (x + 300, x * 300, x > 300, x // 300, x % -3, x**3),
    "a scalar that wraps around": lambda x: (x + torch.tensor(300), torch.maximum(x, torch.tensor(300))),
    "bits": lambda x: (~x, x & 29, x << 3, x >> 2, x << 9),
    "of floats": lambda x: (torch.tensor([300.7, -1.5, 1e10, torch.inf, torch.nan, 65537]) + x[0, 0] * 0).to(
        x.dtype
    ),
    "powers": lambda x: 2 ** (x % 7),
    "products": lambda x: (x.prod(1, dtype=x.dtype), (x % 3).cumprod(1)),
}


def integer_cases():
    """Of all integers narrower than int64; each function's inputs have all of its dtype's range."""
    for dtype in SMALL_INTEGERS:
        x, y = numbers(dtype, 3, 5), nonzero(numbers(dtype, 3, 5, seed=1))
        yield from ((f"{name} of {dtype}", function, (x,)) for name, function in {**ONE, **WHOLE}.items())
        for place, (name, function) in enumerate(TWO.items()):
            yield f"{name} of {dtype}", function, (x, y)
            other = OTHERS[place % len(OTHERS)]
            yield f"{name} of {dtype} and {other}", function, (x, nonzero(numbers(other, 5)))


REAL = {
    "functions": lambda x: (x.exp(), x.tanh(), x.sigmoid(), x.erf(), x.sin(), x.abs().log(), x.abs().sqrt()),
    "more functions": lambda x: (x.expm1(), x.atan(), x.cosh(), x.abs().rsqrt(), x.abs().log1p(), x.exp2()),
    "activations": lambda x: (F.gelu(x), F.gelu(x, approximate="tanh"), F.silu(x), F.elu(x), F.leaky_relu(x)),
    "numbers": lambda x: (x * 0.1 + 0.7, x.add(x, alpha=0.3), x.clamp(-0.3, 0.4), 10000.0**x, x.abs() ** 0.3),
    "rounded": lambda x: (x.floor(), x.round(), (x * 9).trunc(), x.frac(), (x * 1e9).int(), (x * 99).long()),
    "divisions": lambda x: (x % 0.3, x // 0.3, torch.fmod(x, 0.3), torch.div(x, 0.3, rounding_mode="trunc")),
    "sums": lambda x: (x.sum(), x.mean(1), x.prod(1), x.var(1), x.std(0), x.cumsum(1), x.norm(dim=1)),
    "widened sums": lambda x: (x.float().sum(1, dtype=torch.float64), x.float().double().cumsum(0) * 0.1),
    "extrema": lambda x: (*x.max(1), x.amin(0), x.argmin(1), *x.sort(1), *x.topk(2)),
    "norms": lambda x: (x.softmax(1), x.log_softmax(0), F.layer_norm(x, (5,)), F.rms_norm(x, (5,))),
    "group norm": lambda x: F.group_norm(x[None], 3),
    "products": lambda x: (x @ x.t(), F.linear(x, x, x[0, :3]), torch.addmm(x[0, :3], x, x.t(), alpha=0.5)),
    "attention": lambda x: F.scaled_dot_product_attention(x[None], x[None], x[None]),
    "convolutions": lambda x: (
        F.conv2d(x[None, None], x[:2, :2][None, None], x[0, :1], padding=1),
        F.conv_transpose2d(x[None, None], x[:2, :2][None, None], stride=2),
    ),
    "pooling": lambda x: (*F.max_pool2d(x[None], 2, return_indices=True), F.avg_pool2d(x[None], 2)),
    "moved": lambda x: (torch.cat([x, x.float()], 1), F.pad(x, (1, 1), value=0.1), x[[2, 0]], x.t().flip(1)),
    "chosen": lambda x: (torch.where(x > 0, x, 0.1), x.masked_fill(x > 0, -1e300), x.float(), x.bool()),
}


def double_cases():
    """Of float64, and where it meets float32 and integers."""
    x, y = numbers(torch.float64, 3, 5), numbers(torch.float64, 3, 5, seed=1)
    yield from ((f"{name} of float64", function, (x,)) for name, function in REAL.items())
    others = {"float64": y, "float32": y.float(), "int64": nonzero((y * 9).long())}
    for name, function in TWO.items():
        yield from (
            (f"{name} of float64 and {other}", function, (x, value)) for other, value in others.items()
        )
    scalar = torch.tensor(1.7, dtype=torch.float64)
    yield "a scalar of float64", lambda x: (x * scalar, torch.maximum(x, scalar)), (y.float(),)
