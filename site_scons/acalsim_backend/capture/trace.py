# SPDX-License-Identifier: Apache-2.0
"""From Dynamo's graph to core ATen ops, through AOTAutograd: for model files and torch.compile alike."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from .control import plain
from .decompositions.table import decompositions
from .fast_paths import follow_fast_paths
from .known import with_known_shapes
from .packed import follow_packed_sequences

if TYPE_CHECKING:
    import torch
    from torch import fx


def trace(gm: fx.GraphModule, example_inputs: Sequence[torch.Tensor], finish: Callable) -> Callable:
    """Decompose Dynamo's `gm` to core ATen and give it to `finish(graph_module, constants)`.

    `constants` maps the positions of parameters and buffers to their tensors. `finish` returns the
    function that then runs in the graph's place, on all arguments. Inference only: no gradients.
    """
    import torch
    from torch._functorch.aot_autograd import aot_module_simplified
    from torch._subclasses.fake_tensor import unset_fake_temporarily

    def compile_graph(graph: fx.GraphModule, _fake_inputs) -> Callable:
        constants = _static_arguments(gm, graph, example_inputs)
        with unset_fake_temporarily():
            run = finish(graph, constants)

        def boxed(arguments):
            values = list(arguments)
            arguments.clear()
            return run(values)

        vars(boxed)["_boxed_call"] = True
        return boxed

    with torch.no_grad(), _without_onednn(), _with_numbers(), _without_checks():
        return aot_module_simplified(
            plain(with_known_shapes(gm, example_inputs)),
            list(example_inputs),
            fw_compiler=compile_graph,
            inference_compiler=compile_graph,
            decompositions=decompositions(),
        )


def is_from_dynamo(gm: fx.GraphModule) -> bool:
    """Whether Dynamo made the graph: it notes a value with every node."""
    return all("example_value" in node.meta for node in gm.graph.nodes if node.op != "output")


def trace_module(module: torch.nn.Module, example_inputs: Sequence[torch.Tensor], finish: Callable) -> None:
    """Have Dynamo make the graph of a module that has its parameters itself, and trace that."""
    import torch

    prepare_torch()

    def backend(gm: fx.GraphModule, values: Sequence[torch.Tensor]) -> Callable:
        return trace(gm, values, finish)

    def call(*inputs: torch.Tensor) -> Any:
        return module(*inputs)

    with torch.no_grad():
        torch.compile(call, backend=backend, fullgraph=True, dynamic=False)(*example_inputs)


def prepare_torch() -> None:
    """Let Dynamo into recurrent layers, over packed sequences too, and into attention as PyTorch runs it."""
    import torch
    import torch._dynamo

    torch._dynamo.config.allow_rnn = True
    follow_fast_paths()
    follow_packed_sequences()


@contextmanager
def _without_onednn() -> Iterator[None]:
    """With oneDNN torch would make one opaque op of a recurrent layer."""
    import torch

    before = torch._C._get_mkldnn_enabled()
    torch._C._set_mkldnn_enabled(False)
    try:
        yield
    finally:
        torch._C._set_mkldnn_enabled(before)


@contextmanager
def _with_numbers() -> Iterator[None]:
    """PyTorch would make float64 tensors of the floats that a model takes out of tensors."""
    name = "TENSORIFY_PYTHON_SCALARS"
    before = os.environ.get(name)
    os.environ[name] = "0"
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


@contextmanager
def _without_checks() -> Iterator[None]:
    """torch.linalg.solve checks that the matrix was not singular; PyTorch would thread that check through the graph."""
    from torch._higher_order_ops.effects import EffectType, _register_effectful_op

    _register_effectful_op("aten::_linalg_check_errors", None)
    try:
        yield
    finally:
        _register_effectful_op("aten::_linalg_check_errors", EffectType.ORDERED)


def _static_arguments(
    gm: fx.GraphModule, graph: fx.GraphModule, example_inputs: Sequence[torch.Tensor]
) -> dict[int, torch.Tensor]:
    """The arguments that are parameters or buffers, unless the graph writes to them.

    `graph` is what AOTAutograd made of `gm`. Tensors that are made of others, as quantised ones are, are these in its
    place. Where it merged arguments that share memory, positions mean nothing any more, and all arguments stay inputs.
    """
    from torch._guards import TracingContext

    given, kept = ([node for node in each.graph.nodes if node.op == "placeholder"] for each in (gm, graph))
    plain = [(number, part) for number, each in enumerate(example_inputs) for part in _parts(each)]
    if len(plain) != len(kept):
        return {}
    context = TracingContext.try_get()
    written = context.fw_metadata.mutated_inp_runtime_indices if context and context.fw_metadata else ()
    static = {
        number
        for number, node in enumerate(given)
        if (node.meta.get("tensor_dict") or {}).get("_dynamo_static_input_type") and number not in written
    }
    return {position: part for position, (number, part) in enumerate(plain) if number in static}


def _parts(value: Any) -> Iterator[Any]:
    """The tensors that a tensor is made of, in PyTorch's order; of a plain one itself."""
    from torch.utils._python_dispatch import is_traceable_wrapper_subclass

    if not is_traceable_wrapper_subclass(value):
        yield value
        return
    for name in value.__tensor_flatten__()[0]:
        yield from _parts(getattr(value, name))
