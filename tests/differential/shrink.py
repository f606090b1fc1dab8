# SPDX-License-Identifier: Apache-2.0
"""Makes a case that fails as small as it fails: fewer graphs, outputs and steps, then fewer lines of the machine file."""

import time
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import nn

from .batch import verdict_on
from .generate import allowed_errors
from .graph import Graph, module_of


def failures(case, judge=verdict_on):
    """The parts of a case that do not pass, each as few graphs as fail together, with the verdict on it; and how many
    graphs passed."""
    verdict = judge(case)
    count = len(case.graphs)
    if verdict.kind == "passed":
        return [], count
    if count == 1:
        return [(case, verdict)], 0
    found, passed = [], 0
    for numbers in (range(count // 2), range(count // 2, count)):
        part, good = failures(case.only(*numbers), judge)
        found, passed = found + part, passed + good
    return found or [(case, verdict)], passed if found else 0


def shrunk(case, verdict, seconds, judge=verdict_on):
    """The smallest case that is found in so much time for which the verdict is of the same kind."""
    end = time.monotonic() + seconds

    def fails(other):
        return time.monotonic() < end and judge(other).kind == verdict.kind

    lines = case.machine.splitlines()
    for line in [line for line in lines if "=" in line and not line.startswith(("model", "base", "count"))]:
        fewer = replace(
            case, machine="\n".join(each for each in case.machine.splitlines() if each != line) + "\n"
        )
        case = fewer if fails(fewer) else case
    smaller = True
    while smaller:
        smaller = next((each for each in _smaller(case) if fails(each)), None)
        case = smaller or case
    return case


def _smaller(case):
    """Cases with less, those with much less first."""
    if len(case.graphs) > 1:
        yield from (
            case.only(*(n for n in range(len(case.graphs)) if n != gone)) for gone in range(len(case.graphs))
        )
        return
    (graph,) = case.graphs
    for smaller in _fewer_steps(graph):
        try:
            allowed = allowed_errors(smaller, case.precision)
        except (RuntimeError, ValueError, IndexError):
            continue
        if len(allowed) == len(smaller.outputs):
            yield replace(case, graphs=(smaller,), allowed=(tuple(allowed.values()),))


def _fewer_steps(graph):
    if len(graph.outputs) > 1:
        yield from (replace(graph, outputs=(name,)).needed() for name in graph.outputs)
        return
    values = values_of(graph)
    (output,) = graph.outputs
    operands = [
        name for name in Graph.names(graph.steps[output]) if name in graph.steps and _is_float(values[name])
    ]
    yield from (replace(graph, outputs=(name,)).needed() for name in operands)
    for name in graph.steps:
        value = values[name]
        if name == output or not isinstance(value, torch.Tensor):
            continue
        steps = {each: code for each, code in graph.steps.items() if each != name}
        yield replace(
            graph, inputs={**graph.inputs, name: f"1, lambda: {_like(value)}"}, steps=steps
        ).needed()


def _is_float(value):
    return isinstance(value, torch.Tensor) and value.dtype == torch.float32


def _like(value):
    """The expression of a random tensor of the same kind."""
    shape = tuple(value.shape)
    if value.dtype == torch.bool:
        return f"torch.rand({shape}) > 0.5"
    if value.dtype == torch.float32:
        return f"torch.randn({shape})"
    return f"torch.randint({int(value.min())}, {int(value.max()) + 1}, {shape}, dtype={value.dtype})"


def values_of(graph):
    """PyTorch's value of every input and step."""
    module, inputs = module_of(graph)
    values = dict(zip(graph.inputs, inputs, strict=True))
    with torch.no_grad():
        for name, code in graph.steps.items():
            values[name] = eval(code, {"torch": torch, "F": F, "nn": nn, "self": module, **values})
    return values
