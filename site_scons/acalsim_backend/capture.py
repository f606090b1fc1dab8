# SPDX-License-Identifier: Apache-2.0
"""PyTorch in, IR out: the only room that imports torch.

`ACALSimCompiler.compile` turns a graph of core ATen ops into IR; `trace` is the one way to such a
graph, through Dynamo and AOTAutograd, for model files and for torch.compile alike.

    python -m acalsim_backend.capture MODEL.py OUTDIR

writes graph_0.ir, the parameters (graph_0_weights.bin), example inputs (inputs.bin), PyTorch's own
outputs (outputs.bin), what lies where (capture.json) and what the model read (read.txt).
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import CaptureError, IRError, run_room
from .files import sha256, write_atomic, write_json
from .ir import ITEM_BYTES, ACALSimIR, ACALSimOp, TensorDesc
from .modelfile import ModelFile
from .ops import ATEN, Row

if TYPE_CHECKING:
    import torch
    from torch import fx

ALIGNMENT = 64
"""Bytes to which every tensor is aligned in the files, as it will be in guest memory."""
FOLDED_BYTES = 1 << 20
"""A constant expression whose result is larger than its operands is folded up to this size."""


@dataclass
class Graph:
    """A captured graph: `ir`, and which of the traced function's arguments its inputs are."""

    ir: ACALSimIR
    arguments: list[int]
    constants: dict[int, torch.Tensor]
    run: Callable[[Sequence[torch.Tensor]], list[torch.Tensor]] | None = None

    def is_stale(self) -> bool:
        """Whether a baked parameter was changed since (its version counter or its storage)."""
        return self.stamps != self._stamps()

    def __post_init__(self):
        self.stamps = self._stamps()

    def _stamps(self) -> list[tuple[int, int]]:
        return [(tensor._version, tensor.data_ptr()) for tensor in self.constants.values()]


def trace(gm: fx.GraphModule, example_inputs: Sequence[torch.Tensor], finish: Callable) -> Callable:
    """Decompose Dynamo's `gm` to core ATen and give it to `finish(graph_module, constants)`.

    `constants` maps the positions of parameters and buffers to their tensors. `finish` returns the
    function that then runs in the graph's place, on all arguments.
    """
    from torch._decomp import core_aten_decompositions
    from torch._functorch.aot_autograd import aot_module_simplified
    from torch._subclasses.fake_tensor import unset_fake_temporarily

    constants = _static_arguments(gm, example_inputs)

    def compile_graph(graph: fx.GraphModule, _fake_inputs) -> Callable:
        with unset_fake_temporarily():
            run = finish(graph, constants)
        run._boxed_call = False

        def boxed(arguments):
            values = list(arguments)
            arguments.clear()
            return run(values)

        boxed._boxed_call = True
        return boxed

    table = core_aten_decompositions()
    return aot_module_simplified(
        gm, list(example_inputs), fw_compiler=compile_graph, inference_compiler=compile_graph, decompositions=table
    )


def _static_arguments(gm: fx.GraphModule, example_inputs: Sequence[torch.Tensor]) -> dict[int, torch.Tensor]:
    """The arguments that are parameters or buffers, unless the graph writes to them."""
    placeholders = [node for node in gm.graph.nodes if node.op == "placeholder"]
    return {
        position: example_inputs[position]
        for position, node in enumerate(placeholders)
        if (node.meta.get("tensor_dict") or {}).get("_dynamo_static_input_type") is not None
    }


class ACALSimCompiler:
    """Turns graphs of core ATen ops into IR."""

    def __init__(self, verbose: bool = False, root: Path | None = None):
        self.verbose = verbose
        self.root = root or Path.cwd()

    def compile(
        self, gm: fx.GraphModule, constants: dict[int, torch.Tensor], graph_name: str = "graph_0"
    ) -> tuple[ACALSimIR, list[int]]:
        """IR of `gm`, and the positions of the arguments that are the IR's inputs.

        Ops whose operands are all constants are computed here. Raises CaptureError with one line for
        every op, dtype or shape that is not supported, each with the user's source line.
        """
        builder = _Builder(ACALSimIR(graph_name), constants, self.root)
        for node in gm.graph.nodes:
            builder.add(node)
        if builder.complaints:
            raise CaptureError("\n".join(builder.complaints))
        try:
            ir = builder.ir.verify()
        except IRError as error:
            raise CaptureError(str(error)) from None
        if self.verbose:
            print(ir, end="")
        return ir, builder.arguments


class _Builder:
    """Walks one graph and collects tensors, ops and complaints."""

    def __init__(self, ir: ACALSimIR, constants: dict[int, torch.Tensor], root: Path):
        self.ir, self.root = ir, root
        self.arguments: list[int] = []
        self.complaints: list[str] = []
        self._given = constants
        self._constants: dict[fx.Node, torch.Tensor] = {}
        self._names: dict[fx.Node, str] = {}
        self._position = 0

    def add(self, node: fx.Node) -> None:
        {
            "placeholder": self._placeholder,
            "get_attr": self._get_attr,
            "call_function": self._call,
            "output": self._output,
        }[node.op](node)

    def _new(self, node: fx.Node, prefix: str, value: torch.Tensor, **roles) -> str:
        """Declare the tensor of a node under the next free number."""
        dtype = str(value.dtype).removeprefix("torch.")
        if dtype not in ITEM_BYTES:
            self._complain(node, f"dtype {dtype} is not supported; known are {', '.join(ITEM_BYTES)}")
            dtype = "float32"
        name = f"{prefix}_{len(self.ir.tensors)}"
        self.ir.add_tensor(TensorDesc(name, tuple(value.shape), dtype, **roles))
        self._names[node] = name
        return name

    def _placeholder(self, node: fx.Node) -> None:
        position, self._position = self._position, self._position + 1
        if position in self._given:
            self._constants[node] = self._given[position].detach()
        else:
            self.arguments.append(position)
            self._new(node, "input", node.meta["val"], is_input=True)

    def _get_attr(self, node: fx.Node) -> None:
        value = node.graph.owning_module
        for part in node.target.split("."):
            value = getattr(value, part)
        self._constants[node] = value.detach()

    def _call(self, node: fx.Node) -> None:
        if self._fold(node):
            return
        row = ATEN.get(str(node.target))
        if row is None:
            shapes = ", ".join(str(tuple(operand.meta["val"].shape)) for operand in _tensor_operands(node))
            self._complain(node, f"op {node.target} on {shapes or 'no tensors'} is not supported")
            self._names[node] = self._new(node, "t", _first_value(node))
            return
        operands, attrs = self._bind(node, row)
        output = self._new(node, "t", node.meta["val"])
        name = f"{row.type.name.lower()}_{len(self.ir.ops)}"
        op = ACALSimOp(row.type, name, operands, (output,), attrs, source=self._source(node))
        self.ir.add_op(replace(op, compute_cycles=self._work(row, op)))

    def _work(self, row: Row, op: ACALSimOp) -> int:
        try:
            return row.work(self.ir, op)
        except (IndexError, ValueError):
            return 0

    def _fold(self, node: fx.Node) -> bool:
        """Compute a node of constants now; True when done."""
        operands = _tensor_operands(node)
        if not operands or not all(operand in self._constants for operand in operands):
            return False
        if not hasattr(node.meta.get("val"), "shape"):
            return False
        grown = node.meta["val"].numel() > max(self._constants[operand].numel() for operand in operands)
        if grown and node.meta["val"].numel() * node.meta["val"].element_size() > FOLDED_BYTES:
            return False
        from torch.fx.node import map_arg

        arguments, options = map_arg((node.args, node.kwargs), lambda operand: self._constants[operand])
        self._constants[node] = node.target(*arguments, **options)
        return True

    def _bind(self, node: fx.Node, row: Row) -> tuple[tuple[str, ...], dict[str, Any]]:
        """Operand tensors in the row's order, and the attrs that differ from the schema's defaults."""
        from torch.fx import Node

        schema = {argument.name: argument for argument in node.target._schema.arguments}
        given = {**dict(zip(schema, node.args, strict=False)), **node.kwargs}
        operands, attrs = [], {}
        for name in row.operands:
            value = given.get(name)
            if isinstance(value, Node):
                operands.append(self._name(value))
            else:
                attrs[name] = value
        for name in row.attrs:
            default = schema[name].default_value if name in schema else None
            if name in given and given[name] != default:
                attrs[name] = list(given[name]) if isinstance(given[name], list | tuple) else given[name]
        if "shape" in row.attrs:
            attrs["shape"] = list(node.meta["val"].shape)
        return tuple(operands), attrs

    def _name(self, node: fx.Node) -> str:
        """The tensor of a node; a constant becomes a parameter at its first use."""
        if node not in self._names:
            value = self._constants[node]
            name = self._new(node, "param", value, is_param=True)
            self.ir.constants[name] = value.contiguous().numpy()
        return self._names[node]

    def _output(self, node: fx.Node) -> None:
        for result in node.args[0]:
            if result is None:
                continue
            name = self._name(result)
            self.ir.outputs.append(name)
            self.ir.tensors[name] = replace(self.ir.tensors[name], is_output=True)

    def _source(self, node: fx.Node) -> str:
        """The user's line, `models/mlp.py:17`, relative to the root where it lies below it."""
        frames = [line.strip() for line in (node.meta.get("stack_trace") or "").splitlines() if '", line ' in line]
        if not frames:
            return ""
        path, _, rest = frames[-1].removeprefix('File "').partition('", line ')
        relative = os.path.relpath(path, self.root)
        return f"{os.path.basename(path) if relative.startswith('..') else relative}:{rest.split(',')[0]}"

    def _complain(self, node: fx.Node, what: str) -> None:
        self.complaints.append(f"{what} (at {self._source(node) or 'an unknown line'})")


def _tensor_operands(node: fx.Node) -> list[fx.Node]:
    return [operand for operand in node.all_input_nodes if hasattr(operand.meta.get("val"), "shape")]


def _first_value(node: fx.Node) -> torch.Tensor:
    value = node.meta["val"]
    return value[0] if isinstance(value, list | tuple) else value


# --- the model-file door ------------------------------------------------------------------------


@dataclass(frozen=True)
class Captured:
    """All that capture knows of a model file; arrays are numpy, in the IR's order."""

    ir: ACALSimIR
    inputs: list[Any]
    references: list[Any]


def capture_model(file: ModelFile, verbose: bool = False) -> Captured:
    """Run a model file through PyTorch and through `trace`."""
    import torch
    from torch.utils import _pytree as pytree

    model, inputs = file.build()
    with torch.no_grad():
        references = file.guard("forward()", lambda: model(*inputs))
        graphs: list[Graph] = []
        results: list[torch.Tensor] = []

        def backend(gm, example_inputs):
            def finish(graph, constants):
                compiler = ACALSimCompiler(verbose, file.path.resolve().parent.parent)
                ir, arguments = compiler.compile(graph, constants)
                graphs.append(Graph(ir, arguments, constants))

                def run(values):
                    results[:] = torch.fx.Interpreter(graph).run(*values)
                    graphs[-1].example = [values[position] for position in arguments]
                    return list(results)

                return run

            return trace(gm, example_inputs, finish)

        torch._dynamo.reset()
        compiled = torch.compile(model, backend=backend, fullgraph=True, dynamic=False)
        outputs = file.guard_dynamo(lambda: compiled(*inputs))
    if not graphs:
        raise CaptureError(f"{file.path}: the model computes nothing")
    flat, expected = (pytree.tree_leaves(tree) for tree in (outputs, references))
    return _matched(file, graphs[-1], results, flat, expected)


def _matched(file: ModelFile, graph: Graph, results: list, outputs: list, references: list) -> Captured:
    """Pair what the model returned with the graph's outputs; what merely passes through is left out."""
    import torch

    names, arrays = [], []
    for output, reference in zip(outputs, references, strict=True):
        if not isinstance(output, torch.Tensor):
            continue
        position = next((i for i, result in enumerate(results) if _is_same(result, output)), None)
        if position is not None:
            names.append(graph.ir.outputs[position])
            arrays.append(reference.detach().contiguous().numpy())
    if not names:
        raise CaptureError(f"{file.path}: the model returns no tensor that it computed")
    graph.ir.outputs = names
    return Captured(graph.ir, [value.detach().contiguous().numpy() for value in graph.example], arrays)


def _is_same(result: torch.Tensor, output: torch.Tensor) -> bool:
    if result is output:
        return True
    return (result.data_ptr(), result.shape, result.stride()) == (output.data_ptr(), output.shape, output.stride())


def write_capture(captured: Captured, file: ModelFile, folder: Path) -> None:
    """Write the files of one model, capture.json last: it says that the others are whole."""
    ir = captured.ir
    folder.mkdir(parents=True, exist_ok=True)
    weights, weight_rows = pack(ir.params, [ir.constants[name] for name in ir.params])
    inputs, input_rows = pack(ir.inputs, captured.inputs)
    outputs, output_rows = pack(ir.outputs, captured.references)
    write_atomic(folder / "graph_0.ir", str(ir))
    write_atomic(folder / "graph_0_weights.bin", weights)
    write_atomic(folder / "inputs.bin", inputs)
    write_atomic(folder / "outputs.bin", outputs)
    write_atomic(folder / "read.txt", readings(file.read - {file.path.resolve()}))
    write_json(
        folder / "capture.json",
        {
            "model_sha256": hashlib.sha256(file.path.read_bytes()).hexdigest(),
            "weights_sha256": hashlib.sha256(weights).hexdigest(),
            "torch": version("torch"),
            "tolerance": file.tolerance,
            "weights": weight_rows,
            "inputs": input_rows,
            "outputs": output_rows,
        },
    )


def pack(names: Sequence[str], arrays: Sequence[Any]) -> tuple[bytes, list[dict]]:
    """The arrays' bytes one behind the other, each aligned, and a row for each that says where."""
    block, rows = bytearray(), []
    for name, array in zip(names, arrays, strict=True):
        block.extend(b"\0" * (-len(block) % ALIGNMENT))
        data = array.tobytes()
        rows.append({"name": name, "dtype": str(array.dtype), "shape": list(array.shape), "offset": len(block),
                     "size_bytes": len(data)})
        block.extend(data)
    return bytes(block), rows


def readings(paths: Iterable[Path]) -> str:
    """What the model read beside its own file, a line each: digest and path. The build looks for changes."""
    return "".join(f"{sha256(path)}  {path}\n" for path in sorted(paths))


def main(arguments: list[str]) -> int:
    if len(arguments) != 2:
        raise CaptureError("usage: capture MODEL.py OUTDIR")
    file = ModelFile(Path(arguments[0]))
    file.load()
    write_capture(capture_model(file), file, Path(arguments[1]))
    return 0


if __name__ == "__main__":
    run_room(main)
