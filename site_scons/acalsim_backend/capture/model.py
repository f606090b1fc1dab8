# SPDX-License-Identifier: Apache-2.0
"""A model file through PyTorch: its reference outputs, and its one graph as IR."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import TYPE_CHECKING, Any

from ..ir.graph import ACALSimIR
from .lower import ACALSimCompiler
from .model_file import ModelFile
from .trace import prepare_torch, trace

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Captured:
    """All that capture knows of a model file; arrays are numpy, in the IR's order."""

    ir: ACALSimIR
    inputs: list[Any]
    references: list[Any]
    intermediates: Mapping[str, Any]
    """PyTorch's value of every tensor that an op of the graph computes; empty unless asked for."""


def capture_model(file: ModelFile, verbose: bool = False, keep_all: bool = False) -> Captured:
    """Run a model file through PyTorch and through `trace`; the model's state stays as it was built.

    With `keep_all` the intermediate tensors are kept as PyTorch computes them, op by op.
    """
    import torch

    model, inputs = file.build()
    root = file.resolved.parent.parent
    compiler = ACALSimCompiler(False, root, os.path.relpath(file.resolved, root))
    found: list[tuple[ACALSimIR, list, list]] = []
    intermediates: dict[str, Any] = {}

    def backend(gm, example_inputs):
        return trace(gm, example_inputs, finish)

    def finish(graph, constants):
        ir, arguments, names = compiler.lower(graph, constants)

        def run(values):
            examples = [values[position].clone() for position in arguments]
            results, kept = _interpreted(graph, values, names if keep_all else {})
            found.append((ir, examples, results))
            intermediates.update(kept)
            return list(results)

        return run

    def outputs(*values):
        return [tensor.clone() for tensor in tensors_of(model(*values))]

    with torch.no_grad():
        references = file.guard(
            "forward()", lambda: _unchanged([*model.buffers(), *inputs], lambda: outputs(*inputs))
        )
        if not references:
            raise file.fail("forward() returns no tensor")
        torch._dynamo.reset()
        prepare_torch()
        compiled = torch.compile(outputs, backend=backend, fullgraph=True, dynamic=False)
        returned = file.guard_dynamo(lambda: compiled(*inputs))
    ir, examples, results = found[-1]
    _keep_outputs(ir, [_position(results, tensor) for tensor in returned])
    if verbose:
        print(ir, end="")
    return Captured(
        ir, [_array(tensor) for tensor in examples], [_array(tensor) for tensor in references], intermediates
    )


def _interpreted(
    graph: Any, values: Sequence[torch.Tensor], names: Mapping[str, str]
) -> tuple[Any, dict[str, Any]]:
    """PyTorch's results of a graph, and the values of the nodes that `names` gives names to."""
    import torch

    kept = {}

    class Keeping(torch.fx.Interpreter):
        def run_node(self, node):
            value = super().run_node(node)
            if node.name in names and isinstance(value, torch.Tensor):
                kept[names[node.name]] = _array(value).copy()
            return value

    return Keeping(graph).run(*values), kept


def tensors_of(value: Any) -> list[torch.Tensor]:
    """The tensors in what a model returns, in order: tuples, dicts, dataclasses, whatever PyTorch can flatten."""
    import torch
    from torch.utils import _pytree as pytree

    found = []
    for leaf in pytree.tree_leaves(value):
        if isinstance(leaf, torch.Tensor):
            found.append(leaf)
        elif is_dataclass(leaf):
            found += tensors_of([getattr(leaf, field.name) for field in fields(leaf)])
        elif isinstance(leaf, Mapping):
            found += tensors_of(list(leaf.values()))
    return found


def _unchanged(tensors: Sequence[torch.Tensor], call: Callable[[], Any]) -> Any:
    """Call, and put back whatever the call wrote into `tensors`."""
    before = [(tensor, tensor._version, tensor.clone()) for tensor in tensors]
    result = call()
    for tensor, stamp, value in before:
        if tensor._version != stamp:
            tensor.copy_(value)
    return result


def _position(results: Sequence[torch.Tensor], output: torch.Tensor) -> int:
    return next(position for position, result in enumerate(results) if result is output)


def _keep_outputs(ir: ACALSimIR, positions: Sequence[int]) -> None:
    """Of a graph's results keep those that the model returned; the others update its buffers."""
    ir.outputs = [ir.outputs[position] for position in positions]
    for name, desc in ir.tensors.items():
        ir.tensors[name] = replace(desc, is_output=name in ir.outputs)


def _array(tensor: torch.Tensor) -> Any:
    return tensor.detach().resolve_conj().contiguous().numpy()
