# SPDX-License-Identifier: Apache-2.0
"""Graphs from a seed and a number, whose outputs a rounding changes little."""

import random
from dataclasses import replace

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map_only

from .draw import Draw, Rejected
from .graph import Graph, module_of
from .steps import STEPS

MOST_OUTPUTS = 4
AGREE = 1e-5
"""Outputs of which PyTorch's float32 is further from its float64, of their largest element, are not compared."""
VAGUE = 0.2
"""Likewise those of which a narrow precision's roundings are further from float32."""


def random_graph(seed, case, precision="float32"):
    """A graph and, for each of its outputs, how far roundings of the precision may bring it from float32."""
    generator = random.Random(f"{seed} {case}")
    while True:
        graph = _drawn(generator, precision)
        allowed = allowed_errors(graph, precision)
        outputs = [name for name in graph.outputs if name in allowed]
        if outputs:
            graph = replace(graph, outputs=tuple(outputs)).needed()
            return graph, [allowed[name] for name in graph.outputs]


def _drawn(generator, precision):
    draw = Draw(generator, precision)
    length = round(3 * 10 ** generator.random())
    while len(draw.graph.steps) < length:
        step = generator.choices(list(STEPS), STEPS.values())[0]
        before = draw.graph
        draw.graph = Graph(dict(before.inputs), dict(before.constants), dict(before.steps))
        try:
            step(draw)
        except Rejected:
            draw.forget(before)
    graph = draw.graph
    names = [name for name in draw.floats() if name in graph.steps]
    if not names:
        return _drawn(generator, precision)
    read = {name for code in graph.steps.values() for name in draw.graph.names(code)}
    ends = [name for name in names if name not in read] or names[-1:]
    ends.sort(key=lambda name: -len(replace(graph, outputs=(name,)).needed().steps))
    if generator.random() < 0.3:
        ends.insert(1, generator.choice(names))
    return replace(graph, outputs=tuple(dict.fromkeys(ends[:MOST_OUTPUTS]))).needed()


def allowed_errors(graph, precision):
    """The largest error of each output that roundings explain, of its largest element; without those not to be
    compared."""
    module, inputs = module_of(graph)
    exact, wide = module_of(graph, torch.float64)
    with torch.no_grad():
        found, wanted = module(*inputs), _in_float64(exact, wide)
        rounded = found
        if precision != "float32":
            with ROUNDINGS[precision]():
                rounded = module(*inputs)
    allowed = {}
    for name, one, other, narrow in zip(graph.outputs, found, wanted, rounded, strict=True):
        largest = float(other.abs().max())
        if float((one - other).abs().max()) <= AGREE * largest:
            error = float((narrow - one).abs().max()) / (largest or 1.0)
            if error <= VAGUE:
                allowed[name] = max(LEAST[precision], 4 * error)
    return allowed


def _in_float64(module, inputs):
    """Also what a number alone makes a tensor of."""
    torch.set_default_dtype(torch.float64)
    try:
        return module.double()(*(_wide(each) for each in inputs))
    finally:
        torch.set_default_dtype(torch.float32)


def _wide(tensor):
    return tensor.double() if tensor.is_floating_point() else tensor


class Bfloat16(TorchDispatchMode):
    """Rounds what each op leaves to bfloat16."""

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        return tree_map_only(torch.Tensor, lambda each: _bfloat16(each), result)


def _bfloat16(tensor):
    return tensor.bfloat16().float() if tensor.dtype == torch.float32 else tensor


class Int8(TorchDispatchMode):
    """Rounds the operands of every product to whole steps of 1/127 of their largest element."""

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        if function.overloadpacket.__name__ in ("mm", "addmm", "convolution", "bmm"):
            args = [
                _int8(each) if isinstance(each, torch.Tensor) and each.dim() > 1 else each for each in args
            ]
        return function(*args, **(kwargs or {}))


def _int8(tensor):
    step = tensor.abs().max() / 127
    return (tensor / step).round() * step if tensor.dtype == torch.float32 and step else tensor


ROUNDINGS = {"bfloat16": Bfloat16, "int8": Int8}
LEAST = {"float32": 1e-4, "bfloat16": 0.02, "int8": 0.05}
"""Of an output's largest element, what is allowed in any case: 1e-4 is what the project promises of float32; elsewhere
the roundings of the compiler lie at other places than PyTorch's."""
