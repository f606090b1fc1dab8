# SPDX-License-Identifier: Apache-2.0
"""Draws a graph step by step. Each step is computed by PyTorch as it is drawn, so that shapes and values are known:
what PyTorch refuses, what is too large and what a rounding could turn over is drawn anew.
"""

import math
import random

import torch
import torch.nn.functional as F
from torch import nn

from .graph import Graph

SIZES = (1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 13, 16, 17, 24, 31, 32, 33, 48, 64, 65, 100, 127, 257, 1000, 1031)
MOST_ELEMENTS = 20_000
LARGEST = 100.0
"""Of a value's elements."""
MARGIN = 2e-3
"""Of a value's largest element: so far is any element from where a step is not continuous."""


class Rejected(Exception):
    """A step that is to be drawn anew."""


class Draw:
    def __init__(self, generator: random.Random, precision: str):
        self.random, self.precision = generator, precision
        self.sharp = precision == "float32"
        """Whether there may be steps of floats that are not continuous, such as comparisons."""
        self.graph = Graph()
        self.values, self.self = {}, nn.Module()

    def forget(self, graph):
        """Goes back to an earlier graph."""
        self.graph = graph
        self.values = {
            name: value for name, value in self.values.items() if name in graph.inputs or name in graph.steps
        }

    # --- names ------------------------------------------------------------------------------------

    def _new(self, kind):
        return f"{kind}{len(self.graph.inputs) + len(self.graph.constants) + len(self.graph.steps)}"

    def _made(self, make):
        seed = self.random.randrange(1 << 16)
        torch.manual_seed(seed)
        return f"{seed}, lambda: {make}", eval(make)

    def input(self, make):
        """The name of a new input that the expression makes."""
        name = self._new("v")
        self.graph.inputs[name], self.values[name] = self._made(make)
        return name

    def weight(self, make):
        """How a step reads a new constant that the expression makes."""
        name = self._new("w")
        self.graph.constants[name], value = self._made(make)
        setattr(self.self, name, value.eval() if isinstance(value, nn.Module) else value)
        return f"self.{name}"

    def parameter(self, *shape, scale=1.0):
        """A weight whose product with values of the size of 1 stays so, if `scale` says so."""
        return self.weight(normal(shape) + (f" * {scale:.3g}" if scale != 1 else ""))

    def tensor(self, *shape):
        """A weight or an input of float32."""
        if self.random.random() < 0.6:
            return self.parameter(*shape)
        return self.input(normal(shape))

    def add(self, code):
        """The name of a new step. Raises Rejected where PyTorch refuses it or its values are no use."""
        try:
            with torch.no_grad():
                value = eval(code, {"torch": torch, "F": F, "nn": nn, "self": self.self, **self.values})
        except (RuntimeError, ValueError, IndexError) as error:
            raise Rejected(f"{code}: {error}") from None
        for tensor in value if isinstance(value, tuple | list) else [value]:
            self._refuse_useless(tensor)
        name = self._new("v")
        self.graph.steps[name], self.values[name] = code, value
        return name

    def _refuse_useless(self, value):
        if not 0 < value.numel() <= MOST_ELEMENTS or value.dim() > 5 or value.dtype == torch.float64:
            raise Rejected("size")
        if value.is_floating_point() and not value.abs().max() <= LARGEST:
            raise Rejected("values")
        if value.dtype in (torch.int64, torch.int32) and value.abs().max() > 1 << 20:
            raise Rejected("values")

    # --- choices ----------------------------------------------------------------------------------

    def one(self, *choices):
        return self.random.choice(choices)

    def chance(self, probability):
        return self.random.random() < probability

    def size(self, most=1031):
        return self.random.choice([size for size in SIZES if size <= most])

    def shape(self, rank, most=MOST_ELEMENTS // 4):
        """Sizes of a new tensor; large ones are rare beside others."""
        sizes = []
        for _ in range(rank):
            left = most // math.prod(sizes)
            sizes.append(self.size(min(left, 1031 if self.chance(0.15) else 33)))
        self.random.shuffle(sizes)
        return tuple(sizes)

    def of(self, name):
        return self.values[name]

    def of_code(self, code):
        """The value of a name, or of `self.` a constant."""
        return (
            getattr(self.self, code.removeprefix("self.")) if code.startswith("self.") else self.values[code]
        )

    def floats(self):
        return [
            name
            for name, value in self.values.items()
            if isinstance(value, torch.Tensor) and value.dtype == torch.float32
        ]

    def recent(self, names):
        """One of the names, of the later ones more often."""
        return self.random.choices(names, [(place + 1) ** 2 for place in range(len(names))])[0]

    def float(self, *ranks, most=MOST_ELEMENTS):
        """The name of a float32 value, of one of these ranks if any are given: one that is there, a view of one, or
        a new input."""
        names = [name for name in self.floats() if self.of(name).numel() <= most]
        fitting = [name for name in names if not ranks or self.of(name).dim() in ranks]
        kind = self.random.random()
        if fitting and kind < 0.75:
            return self.recent(fitting)
        if names and ranks and kind < 0.93:
            return self.reshaped(self.recent(names), self.one(*ranks))
        return self.input(normal(self.shape(self.one(*(ranks or (1, 2, 2, 3, 3, 4))), most // 4)))

    def reshaped(self, name, rank):
        """A view with so many dimensions, into which the value's prime factors fall at random."""
        sizes = [1] * rank
        for factor in prime_factors(self.of(name).numel()):
            sizes[self.random.randrange(rank)] *= factor
        return self.add(f"{name}.reshape({tuple(sizes)})")

    def dim(self, name):
        """A dimension of a value, from either end."""
        rank = self.of(name).dim()
        if not rank:
            raise Rejected("a scalar")
        return self.random.randrange(-rank, rank)

    def some_dims(self, name):
        rank = self.of(name).dim()
        if not rank:
            raise Rejected("a scalar")
        return tuple(sorted(self.random.sample(range(rank), self.random.randint(1, rank))))

    def mask(self, *shape):
        """A tensor of bool: what a comparison left, an input or a constant."""
        make = f"torch.rand({tuple(shape)}) > {self.one(0.2, 0.5, 0.8)}"
        return self.weight(make) if self.chance(0.3) else self.input(make)

    def indices(self, size, *shape):
        """Places below a size: an input or a constant, of int64."""
        make = f"torch.randint(0, {size}, {tuple(shape)})"
        return self.weight(make) if self.chance(0.4) else self.input(make)

    def broadcastable(self, name):
        """What broadcasts with a value, in either direction: another value, or one made for it."""
        shape = tuple(self.of(name).shape)
        others = [each for each in self.floats() if each != name and broadcast(self.of(each).shape, shape)]
        if others and self.chance(0.6):
            return self.recent(others)
        sizes = [size if self.chance(0.6) else 1 for size in shape]
        if self.chance(0.2):
            sizes = [self.one(2, 3, 5) if size == 1 and self.chance(0.5) else size for size in sizes]
            if not broadcast(sizes, shape):
                sizes = list(shape)
        return self.tensor(*sizes[self.random.choice([0, 0, self.random.randint(0, len(sizes))]) :])

    def far_from(self, name, number):
        """Raises Rejected where an element of a value is so near to a number that a rounding decides."""
        value = self.of(name)
        if not self.sharp or (value - number).abs().min() < MARGIN * value.abs().max():
            raise Rejected("a rounding decides")

    def apart(self, name, dim):
        """Raises Rejected where two elements along a dimension are so near to each other that a rounding decides."""
        value = self.of(name)
        gaps = value.sort(dim).values.diff(dim=dim)
        if not self.sharp or gaps.numel() and gaps.min() < MARGIN * value.abs().max():
            raise Rejected("a rounding decides")

    def threshold(self, name):
        """A number with no element of a value near it."""
        ordered = self.of(name).flatten().sort().values
        place = self.random.randrange(len(ordered))
        number = round(float(ordered[place : place + 2].mean()), 3)
        self.far_from(name, number)
        return number


def normal(shape):
    """The expression of a tensor of random numbers."""
    return f"torch.randn({', '.join(map(str, shape)) or '()'})"


def prime_factors(number):
    factor = 2
    while number > 1:
        if number % factor:
            factor += 1
        else:
            yield factor
            number //= factor


def broadcast(one, other):
    try:
        return math.prod(torch.broadcast_shapes(one, other)) <= MOST_ELEMENTS
    except RuntimeError:
        return False
