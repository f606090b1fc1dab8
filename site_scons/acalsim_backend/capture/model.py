# SPDX-License-Identifier: Apache-2.0
"""A model file through PyTorch: its reference outputs, and its one graph as IR."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field, fields, is_dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import CaptureError
from ..ir.graph import ACALSimIR
from .arrays import array_of
from .builder import Builder
from .capture_file import Quantised
from .complex.rewrite import as_real, without_complex
from .given_int8.adopt import adopt
from .lower import ACALSimCompiler
from .memory import read_as_they_lie
from .model_file import ModelFile
from .trace import prepare_torch, trace

if TYPE_CHECKING:
    import torch
    from torch import fx


@dataclass(frozen=True)
class Sample:
    """Inputs and what PyTorch makes of them; arrays are numpy, in the IR's order."""

    inputs: list[Any]
    references: list[Any]


@dataclass(frozen=True)
class Captured:
    """All that capture knows of a model file; arrays are numpy, in the IR's order."""

    ir: ACALSimIR
    inputs: list[Any]
    references: list[Any]
    intermediates: Mapping[str, Any]
    """PyTorch's value of every tensor that an op of the graph computes; empty unless asked for."""
    others: Sequence[Sample] = ()
    """The samples behind the first one."""
    ranges: Mapping[str, Any] = field(default_factory=dict)
    """(least, most) over all samples of each of the intermediates."""
    given_int8: Quantised | None = None
    """What is int8 in a model that was quantised before."""


def capture_model(file: ModelFile, keep_all: bool = False) -> Captured:
    """Run a model file through PyTorch and through `trace`; the model's state stays as it was built.

    References are what the model computes without torch.compile. With `keep_all` the intermediate tensors are
    kept as PyTorch computes them, op by op.
    """
    import torch

    model, inputs = file.build()
    samples = [inputs, *file.further]
    given = [value for sample in samples for value in sample]
    refuse_elsewhere(file, "the model has", [*given, *model.parameters(), *model.buffers()])
    root = file.resolved.parent.parent
    compiler = ACALSimCompiler(False, root, os.path.relpath(file.resolved, root))
    tracing = Tracing(compiler, compiler.builder(), keep_all)

    def outputs(*values: torch.Tensor) -> list[torch.Tensor]:
        return [tensor.clone() for tensor in tensors_of(model(*values))]

    with torch.no_grad():
        with torch.compiler.set_stance("force_eager"):
            eager = partial(_unchanged, model.buffers, outputs)
            computed: list[list[torch.Tensor]] = [
                file.guard("forward()", partial(eager, sample)) for sample in samples
            ]
        references, *others = computed
        if not references:
            raise file.fail("forward() returns no tensor")
        refuse_elsewhere(file, "forward() returns", references)
        for number, other in enumerate(others, 1):
            _refuse_other_shapes(file, other, references, f"for sample {number}", "for the first")
        torch._dynamo.reset()
        prepare_torch()
        compiled = torch.compile(outputs, backend=tracing, fullgraph=True, dynamic=False)
        returned: list[torch.Tensor] = file.guard_dynamo(lambda: compiled(*inputs))
        first = copy(tracing)  # which has what the first sample gave
        given_to = partial(_given_to, file, tracing, compiled, inputs)
        further = [given_to(sample) for sample in file.further]
    if tracing.lies_otherwise or (tracing.is_strided and not _agree(returned, references)):
        raise file.fail(
            "a tensor that as_strided is called on lies otherwise in memory under torch.compile than without; "
            "call .contiguous() before as_strided"
        )
    _refuse_other_shapes(file, returned, references, "under torch.compile", "without")
    ir = finished(file, tracing)
    ir.set_outputs([first.tensor_of(tensor) for tensor in returned])
    int8 = adopt(ir, tracing.builder.given_int8.params)
    return Captured(
        ir,
        list(map(array_of, first.inputs)),
        list(map(array_of, references)),
        known(ir, first.intermediates),
        [Sample(each, list(map(array_of, other))) for (each, _), other in zip(further, others, strict=True)],
        ranges([first.intermediates, *(values for _, values in further)]),
        int8,
    )


def finished(file: ModelFile, tracing: Tracing) -> ACALSimIR:
    """The IR of what was traced. Raises CaptureError with a line for all that is not supported."""
    try:
        return tracing.compiler.finish(tracing.builder)
    except CaptureError as error:
        raise file.told(error) from None


def known(ir: ACALSimIR, *traced: Mapping[str, Any]) -> dict[str, Any]:
    """The intermediate tensors that are still there."""
    return {name: array for values in traced for name, array in values.items() if name in ir.tensors}


def _given_to(
    file: ModelFile,
    tracing: Tracing,
    compiled: Callable[..., Any],
    first: Sequence[torch.Tensor],
    sample: Sequence[torch.Tensor],
) -> tuple[list[Any], Mapping[str, Any]]:
    """What one more sample gives to the inputs of the graph, and (least, most) of its intermediate tensors."""
    import torch

    laid = file.guard("inputs()", lambda: list(map(_laid_like, first, sample)))
    tracing.intermediates = {}
    with torch.compiler.set_stance("fail_on_recompile"):
        file.guard_dynamo(lambda: compiled(*laid))
    return list(map(array_of, tracing.inputs)), ranges([tracing.intermediates])


def _laid_like(like: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    """The same values with the strides of the tensor that the graph was captured with."""
    import torch

    if value.stride() == like.stride():
        return value
    return torch.empty_strided(like.shape, like.stride(), dtype=like.dtype).copy_(value)


def ranges(samples: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The least and the most of each tensor in all samples, as an array; of an empty one nothing."""
    return {
        name: np.array([bound(values[name]) for bound in (np.min, np.max) for values in samples])
        for name, array in samples[0].items()
        if array.size
    }


class Tracing:
    """A backend of torch.compile that lowers the one graph that it is given, and runs it in PyTorch."""

    inputs: list[torch.Tensor]
    """What the graph's inputs were when it ran last, and by `arguments` where among its arguments they are."""
    places: list[int]
    """Where these lie."""
    results: list[Any]

    def __init__(self, compiler: ACALSimCompiler, builder: Builder, keep_all: bool):
        self.compiler, self.builder, self.keep_all = compiler, builder, keep_all
        self.is_strided, self.lies_otherwise = False, False
        """Whether there is an as_strided, and whether one reads what does not lie as PyTorch said in tracing."""
        self.intermediates: dict[str, Any] = {}
        self.given: list[str] = []
        """The tensors of the graph's inputs."""
        self.first_output = 0
        """Which of the IR's outputs is the graph's first result."""

    def __call__(self, gm: fx.GraphModule, example_inputs: Sequence[torch.Tensor]) -> Callable[..., Any]:
        return trace(gm, example_inputs, self._lower)

    def tensor_of(self, result: torch.Tensor) -> str:
        """Of what the compiled function returned, as the finished IR has it."""
        return self.builder.ir.outputs[self.first_output + _position(self.results, result)]

    def _lower(self, graph: fx.GraphModule, constants: dict[int, torch.Tensor]) -> Callable[..., Any]:
        builder, real = self.builder, without_complex(graph)
        before, self.first_output = len(builder.arguments), len(builder.ir.outputs)
        self.compiler.walk(builder, real, constants)
        arguments, self.given = builder.arguments[before:], builder.ir.inputs[before:]
        names = {node.name: builder.names[node] for node in real.graph.nodes if node in builder.names}
        strided = read_as_they_lie(graph.graph)
        self.is_strided = bool(strided)

        def keep(node: fx.Node, value: Any) -> None:
            if self.keep_all and hasattr(value, "stride") and node.name in names:
                self.intermediates[names[node.name]] = array_of(value).copy()

        def watch(node: fx.Node, value: Any) -> None:
            if node in strided and value.stride() != node.meta["val"].stride():
                self.lies_otherwise = True
            if real is graph:
                keep(node, value)

        def run(values: Sequence[torch.Tensor]) -> list[Any]:
            self.places = [values[position].data_ptr() for position in arguments]
            self.inputs = [values[position].clone() for position in arguments]
            self.results = _interpreted(graph, values, watch)
            if self.keep_all and real is not graph:
                _interpreted(real, list(map(as_real, values)), keep)
            return list(self.results)

        return run


def refuse_elsewhere(file: ModelFile, what: str, tensors: Sequence[torch.Tensor]) -> None:
    """Refuse tensors that are not in this machine's memory as dense arrays."""
    for tensor in tensors:
        if tensor.device.type != "cpu":
            raise file.fail(f"{what} a tensor on device '{tensor.device}'; it would be on 'cpu'")
        if tensor.is_nested or str(tensor.layout) != "torch.strided":
            layout = "nested" if tensor.is_nested else str(tensor.layout).removeprefix("torch.")
            raise file.fail(f"{what} a {layout} tensor; it would be a dense one")


def _refuse_other_shapes(
    file: ModelFile, ones: Sequence[torch.Tensor], others: Sequence[torch.Tensor], of_one: str, of_other: str
) -> None:
    """Refuse outputs whose shapes depend on values, so that they are others under torch.compile or of other samples."""
    if len(ones) != len(others):
        raise file.fail(
            f"forward() returns {len(ones)} tensors {of_one} and {len(others)} {of_other}; it returns as many always"
        )
    for number, (one, other) in enumerate(zip(ones, others, strict=True)):
        if one.shape != other.shape:
            raise file.fail(
                f"output {number} is {tuple(one.shape)} {of_one} and {tuple(other.shape)} {of_other}; a shape "
                "would not depend on values. pad_packed_sequence takes total_length= for this"
            )


def _agree(results: Sequence[torch.Tensor], references: Sequence[torch.Tensor]) -> bool:
    """Whether PyTorch computes the same with and without torch.compile, up to how it rounds."""
    import torch

    return all(
        torch.allclose(result, reference, 1e-3, 1e-5 * _largest(reference), equal_nan=True)
        for result, reference in zip(results, references, strict=True)
        if reference.numel() and reference.is_floating_point()
    )


def _largest(tensor: torch.Tensor) -> float:
    """The largest size of a finite element; 0 where there is none."""
    return float(tensor.nan_to_num(0, 0, 0).abs().max())


def _interpreted(
    graph: fx.GraphModule, values: Sequence[torch.Tensor], watch: Callable[[fx.Node, Any], None]
) -> Any:
    """PyTorch's results of a graph; `watch` is shown every node with its value."""
    import torch

    class Watched(torch.fx.Interpreter):
        def run_node(self, node: fx.Node) -> Any:
            value = super().run_node(node)
            watch(node, value)
            return value

    return Watched(graph).run(*values)


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


def _unchanged(
    buffers: Callable[[], Iterable[torch.Tensor]],
    function: Callable[..., Any],
    sample: Sequence[torch.Tensor],
) -> Any:
    """Call with a sample, and put back whatever the call wrote into that and into the model's buffers."""
    before = [(tensor, tensor._version, tensor.clone()) for tensor in [*buffers(), *sample]]
    result = function(*sample)
    for tensor, stamp, value in before:
        if tensor._version != stamp:
            tensor.copy_(value)
    return result


def _position(results: Sequence[torch.Tensor], output: torch.Tensor) -> int:
    return next(position for position, result in enumerate(results) if result is output)
