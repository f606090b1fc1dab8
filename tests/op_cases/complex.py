# SPDX-License-Identifier: Apache-2.0
"""Cases of complex tensors: functions of PyTorch of one or two of them, and of real ones."""

import torch
import torch.nn.functional as F

from op_cases.dtypes import numbers


def drawn(*shape, seed=0):
    return torch.view_as_complex(numbers(torch.float32, *shape, 2, seed=seed))


X, Y, REAL, WEIGHT = drawn(3, 4), drawn(3, 4, seed=1), numbers(torch.float32, 3, 4), drawn(4, 5)
ANGLES = torch.polar(torch.ones(3, 4), torch.arange(12.0).view(3, 4))
PLACES = torch.tensor([[0], [2], [1]])
TWO = (torch.add, torch.sub, torch.mul, torch.div, torch.eq, torch.ne)
ONE = {
    "sizes": lambda x: (x.abs(), x.angle(), x.norm(), torch.linalg.vector_norm(x, dim=-1), x.sgn()),
    "parts": lambda x: (x.real, x.imag, torch.view_as_real(x), x.view(torch.float32), x.real + x.imag),
    "conjugates": lambda x: (x.conj(), x.conj() * x, x.mH, torch.conj_physical(x), torch.vdot(x[0], x[1])),
    "functions": lambda x: (x.exp(), x.log(), x.sqrt(), x.sin(), x.cos(), x.sinh(), x.cosh(), x.tanh()),
    "powers": lambda x: (x**2, x**3, x**-1, x**0.5, x.reciprocal(), torch.sigmoid(x)),
    "numbers": lambda x: (x * 1j + (2 - 1j), 1 - x, 1 / x, x / 3, torch.add(x, x, alpha=2), -x),
    "made": lambda x: (torch.polar(x.abs(), x.angle()), torch.complex(x.real, x.imag * 2), x.real * 1j),
    "views": lambda x: (
        x.t(),
        x.view(3, 2, 2).permute(2, 0, 1),
        x.t().reshape(-1),
        x[None].squeeze(),
        x[:, -1],
    ),
    "moved": lambda x: (x[1:, ::2], x.flip(-1), x.roll(1, -1), x.repeat(2, 1), F.pad(x, (1, 2)), x.tril()),
    "joined": lambda x: (torch.cat([x, x.conj()], -1), torch.stack([x, x * 2], -1), *x.split(3, -1)),
    "lookups": lambda x: (x[[2, 0]], x[:, [1, 1]], x.gather(1, PLACES), F.embedding(PLACES, x)),
    "sums": lambda x: (x.sum(), x.sum(-1), x.mean(0, keepdim=True), x.cumsum(-1), x.prod(-1)),
    "products": lambda x: (x @ WEIGHT, torch.addmm(WEIGHT[0], x, WEIGHT), torch.outer(x[0], x[1])),
    "einsum": lambda x: torch.einsum("ij,jk->ik", x, WEIGHT),
    "convolution": lambda x: F.conv1d(x[None], WEIGHT[:3, :3].reshape(1, 3, 3).contiguous()),
    "choices": lambda x: (torch.where(x.real > 0, x, 0), x.masked_fill(x.abs() > 1, 0), x.isnan()),
    "filled": lambda x: (torch.full_like(x, 1 + 2j) + x, torch.zeros_like(x) + x, x.clone().copy_(x * 2)),
    "an input": lambda x: x,
    "a constant": lambda x: x * ANGLES,
    "rotary positions": lambda x: torch.view_as_real(torch.view_as_complex(torch.view_as_real(x)) * ANGLES),
}


def cases():
    for function in TWO:
        for name, inputs in {"": (X, Y), " and real": (X, REAL), " of a row": (X, Y[0])}.items():
            yield f"{function.__name__}{name}", function, inputs
        yield f"{function.__name__} of real", function, (REAL, X)
    yield from ((name, function, (X,)) for name, function in ONE.items())
