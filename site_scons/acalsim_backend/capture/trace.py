# SPDX-License-Identifier: Apache-2.0
"""From Dynamo's graph to core ATen ops, through AOTAutograd: for model files and torch.compile alike."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

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

        boxed._boxed_call = True
        return boxed

    with torch.no_grad(), _without_onednn():
        return aot_module_simplified(
            gm, list(example_inputs), fw_compiler=compile_graph, inference_compiler=compile_graph, decompositions=decompositions()
        )


DECOMPOSED = (
    "upsample_nearest1d", "upsample_nearest2d", "upsample_bilinear2d", "upsample_bicubic2d",
    "grid_sampler_2d", "linalg_vector_norm", "var_mean", "std_mean", "addmv", "erfc", "aminmax", "lstm", "gru", "rnn_tanh", "rnn_relu",
)
"""Ops beside those that core ATen decomposes itself, for which torch has decompositions."""
WHOLE = ("_safe_softmax",)
"""Ops that core ATen would decompose and that are one row here."""


@functools.cache
def decompositions() -> dict:
    """ATen overload -> what replaces it."""
    import torch
    from torch._decomp import core_aten_decompositions, decomposition_table

    table = core_aten_decompositions()
    packets = [getattr(torch.ops.aten, name) for name in DECOMPOSED]
    overloads = [getattr(packet, name) for packet in packets for name in packet.overloads()]
    table.update({overload: decomposition_table[overload] for overload in overloads if overload in decomposition_table})
    table[torch.ops.aten._native_batch_norm_legit_no_training.default] = _batch_norm
    for name in WHOLE:
        table.pop(getattr(torch.ops.aten, name).default, None)
    return table


def prepare_torch() -> None:
    """Let Dynamo into recurrent layers, and keep nn.TransformerEncoderLayer from its one opaque op."""
    import torch
    import torch._dynamo

    torch._dynamo.config.allow_rnn = True
    torch.backends.mha.set_fastpath_enabled(False)


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


def _batch_norm(x, weight, bias, mean, variance, momentum, eps):
    """Batch normalisation in inference is one factor and one summand a channel."""
    shape = [1, -1, *[1] * (x.dim() - 2)]
    scale = (variance + eps).rsqrt()
    scale = scale if weight is None else scale * weight
    shift = -mean * scale if bias is None else bias - mean * scale
    return x * scale.view(shape) + shift.view(shape), mean.new_empty(0), mean.new_empty(0)


def _static_arguments(
    gm: fx.GraphModule, graph: fx.GraphModule, example_inputs: Sequence[torch.Tensor]
) -> dict[int, torch.Tensor]:
    """The arguments that are parameters or buffers, unless the graph writes to them.

    `graph` is what AOTAutograd made of `gm`. Where it merged arguments that share memory, positions
    mean nothing any more, and all arguments stay inputs.
    """
    from torch._guards import TracingContext

    given, kept = ([node for node in each.graph.nodes if node.op == "placeholder"] for each in (gm, graph))
    if len(given) != len(kept):
        return {}
    context = TracingContext.try_get()
    written = context.fw_metadata.mutated_inp_runtime_indices if context and context.fw_metadata else ()
    return {
        position: example_inputs[position]
        for position, node in enumerate(given)
        if (node.meta.get("tensor_dict") or {}).get("_dynamo_static_input_type") and position not in written
    }
