# SPDX-License-Identifier: Apache-2.0
"""The door for torch.compile: Dynamo's graphs in, callables that run in their place out.

    backend = ACALSimBackend(mode="simulate")
    compiled = torch.compile(model, backend=backend)
    y = compiled(x)                  # computed by the simulated machine
    backend.reports[-1]              # what it cost

Whatever a room refuses is raised by the call, as that room's AcalsimError; nothing runs elsewhere instead.
"""

from __future__ import annotations

import functools
import hashlib
import tempfile
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import doors
from .capture.arrays import array_of
from .capture.complex.rewrite import as_real
from .capture.lower import ACALSimCompiler
from .capture.model_file import DEFAULT_TOLERANCE
from .capture.narrow import narrow
from .capture.trace import prepare_torch, trace
from .errors import AcalsimError, CaptureError
from .halves import HALF
from .ir.graph import ACALSimIR
from .machine.file import load_machine
from .pipeline import Program, build_graph, plan_graph, run_program, write_code
from .report.report import difference
from .report.report_file import Report
from .report.show import print_report

if TYPE_CHECKING:
    import numpy as np
    import torch
    from torch import fx

DEFAULT_FOLDER = "output"


class ACALSimBackend:
    """A backend for torch.compile. What a call of the compiled model does, by `mode`:

    eager      PyTorch runs the graph as it is
    trace      the FX graph is printed and kept in `graphs`; PyTorch runs it
    compile    IR is made and verified, and kept in `irs`; PyTorch computes the result
    codegen    its C program is written as well (`files`); PyTorch computes the result
    simulate   the program is built, checked and simulated with the inputs of every call; the
               machine's own outputs are the result, and `reports` gains a dict of schema 1 a run

    A graph's files lie in `output_dir`, those of the second and later graphs (after a graph break,
    or for another shape) in graph_1/, graph_2/... below it. It is "output" unless given, but for
    simulate a temporary folder that is removed at the end. `machine` and `engine` are as for scons.

    From compile on everything is inference: results carry no gradients. Weights may change between
    calls, and IR and program follow. Parts of a model that Dynamo leaves to Python are outside of
    every graph, and so of every report: fullgraph=True refuses them.
    """

    def __new__(cls, *arguments: Any, **options: Any) -> Any:
        """The class itself is a backend, too: Dynamo's graph goes to one with the default options."""
        is_graph = bool(arguments) and hasattr(arguments[0], "graph")
        return shared_backend()(*arguments) if is_graph else super().__new__(cls)

    def __init__(
        self,
        mode: str = "compile",
        verbose: bool = False,
        output_dir: str | Path | None = None,
        machine: str = "default",
        engine: str = "embedded",
    ):
        if mode not in MODES:
            raise ValueError(f"mode is {mode!r}; the modes are {', '.join(MODES)}")
        self.mode, self.verbose, self.engine = mode, verbose, engine
        self.machine = str(load_machine(machine).path)
        self.compiler = ACALSimCompiler(verbose)
        self.graphs: list[fx.GraphModule] = []
        self.irs: list[ACALSimIR] = []
        self.reports: list[dict] = []
        self.files: list[Path] = []
        self._temporary: tempfile.TemporaryDirectory | None = None
        self.output_dir = self._folder(output_dir)
        prepare_torch()
        if mode not in ("eager", "trace"):
            _make_every_shape_a_graph()

    def __call__(self, gm: fx.GraphModule, example_inputs: Sequence[torch.Tensor]) -> Callable:
        """What Dynamo calls with each graph; the callable returned takes and gives flat tensors."""
        try:
            return MODES[self.mode](self, gm, example_inputs)
        except AcalsimError as error:
            return _refusal(error)

    @property
    def _compiled_cache(self) -> dict[str, ACALSimIR]:
        """The present IR of every graph, by its name."""
        return {ir.name: ir for ir in self.irs}

    def _folder(self, output_dir: str | Path | None) -> Path:
        if output_dir is None and self.mode == "simulate":
            self._temporary = tempfile.TemporaryDirectory(prefix="acalsim-")
            output_dir = self._temporary.name
        return Path(output_dir or DEFAULT_FOLDER).resolve()

    def _eager(self, gm: fx.GraphModule, _example_inputs) -> Callable:
        return gm.forward

    def _trace(self, gm: fx.GraphModule, _example_inputs) -> Callable:
        self.graphs.append(gm)
        print(gm.graph)
        return gm.forward

    def _lower(self, gm: fx.GraphModule, example_inputs: Sequence[torch.Tensor], step: Callable) -> Callable:
        """Down to core ATen and IR; `step(graph, values)` then computes each call's results."""
        _hold_static(example_inputs)

        def finish(graph, constants):
            lowered = _Lowered(self, graph, constants)

            def run(values):
                lowered.follow(values)
                return step(lowered, values)

            return run

        return trace(gm, example_inputs, finish)


class _Lowered:
    """One graph of a backend: core ATen, its IR, and the program made of it for the present weights."""

    def __init__(self, backend: ACALSimBackend, graph: fx.GraphModule, constants: dict[int, torch.Tensor]):
        self.backend, self.graph = backend, graph
        self.index = len(backend.irs)
        self.name = f"graph_{self.index}"
        self.folder = backend.output_dir / self.name if self.index else backend.output_dir
        self.results: list[Any] = list(next(iter(reversed(graph.graph.nodes))).args[0])
        """Nodes, and what the graph returns as it is: None, numbers."""
        self._compile(constants)
        backend.irs.append(self.ir)

    def follow(self, values: Sequence[torch.Tensor]) -> None:
        """Compile anew when a parameter is not what was baked; its bytes decide, so no edit is missed."""
        constants = {position: values[position] for position in self.constants}
        if _digest(constants.values()) != self.digest:
            self._compile(constants)
            self.backend.irs[self.index] = self.ir

    def _compile(self, constants: dict[int, torch.Tensor]) -> None:
        self.constants, self.digest = constants, _digest(constants.values())
        self.ir, self.arguments, _ = self.backend.compiler.lower(self.graph, constants, self.name)
        halves = {*self.ir.narrow.values()}
        self.tolerance = max([DEFAULT_TOLERANCE, *(HALF[half].tolerance for half in halves)])
        narrow(self.ir)
        names = iter(self.ir.outputs)
        self.names = [next(names) if hasattr(result, "meta") else None for result in self.results]
        self._release()
        self.program: Program | None = None
        self.written = False

    def _release(self) -> None:
        """Take what merely passes through, an input or a parameter, off the machine's outputs."""
        for name in self.ir.outputs:
            desc = self.ir.tensors[name]
            self.ir.tensors[name] = replace(desc, is_output=not (desc.is_input or desc.is_param))
        self.ir.outputs = [name for name in self.ir.outputs if self.ir.tensors[name].is_output]

    def interpret(self, values: Sequence[torch.Tensor]) -> list[torch.Tensor | None]:
        """PyTorch's own results, op by op."""
        from torch import fx

        return list(fx.Interpreter(self.graph).run(*values))

    def write(self, values: Sequence[torch.Tensor]) -> list[torch.Tensor | None]:
        """Mode codegen: write the C program unless it is there, with the first inputs as its example."""
        if not self.written:
            plan = plan_graph(self.ir, load_machine(self.backend.machine))
            files = write_code(self.folder, plan.given, plan, self._inputs(values))
            self.backend.files = list(dict.fromkeys([*self.backend.files, *files]))
            self.written = True
            self._say(f"{self.name}: wrote {len(files)} files to {self.folder}")
        return self.interpret(values)

    def simulate(self, values: Sequence[torch.Tensor]) -> list[torch.Tensor | None]:
        """Mode simulate: the results as the simulated machine left them in its memory."""
        computed = self._run(self._inputs(values), values) if self.ir.outputs else {}
        return [self._result(*each, values, computed) for each in zip(self.results, self.names, strict=True)]

    def _run(self, inputs: list[np.ndarray], values: Sequence[torch.Tensor]) -> dict[str, np.ndarray]:
        if self.program is None:
            self.program = build_graph(self.folder, self.ir, inputs, self.backend.machine)
            self._say(f"{self.name}: built {self.program.elf}")
        expected = dict(zip(self.names, self.interpret(values), strict=True))
        references = [
            _array(expected[name]).astype(self.ir.tensors[name].dtype, copy=False) for name in self.ir.outputs
        ]
        outputs, report = run_program(
            self.program, inputs, references, self.backend.engine, tolerance=self.tolerance
        )
        self._keep(report)
        return dict(zip(self.ir.outputs, outputs, strict=True))

    def _keep(self, report: Report) -> None:
        self.backend.reports.append(doors.as_json(report))
        if self.backend.verbose:
            print_report(report)
        if not report.check.passed:
            warnings.warn(f"acalsim: {difference(report, self.tolerance)}", stacklevel=2)

    def _inputs(self, values: Sequence[torch.Tensor]) -> list[np.ndarray]:
        return [_array(values[position]) for position in self.arguments]

    def _result(self, node, name: str | None, values: Sequence[torch.Tensor], computed: dict) -> Any:
        """One result: a tensor in the layout that the graph promised for it, a number, or None."""
        import torch

        if name is None:
            return node
        if name in self.ir.inputs:
            return values[self.arguments[self.ir.inputs.index(name)]]
        like = node.meta["val"]
        array = self.ir.constants[name] if name in self.ir.constants else computed[name]
        if not isinstance(like, torch.Tensor):
            return array.item()
        value = torch.from_numpy(array.copy())
        if like.is_complex():
            value = torch.view_as_complex(value)
        if 0 in like.stride():
            return (
                value  # the graph's result repeats itself in memory and cannot be written element by element
            )
        return torch.empty_strided(like.shape, like.stride(), dtype=like.dtype).copy_(value)

    def _say(self, text: str) -> None:
        if self.backend.verbose:
            print(f"acalsim: {text}", flush=True)


MODES: dict[str, Callable[..., Callable]] = {
    "eager": ACALSimBackend._eager,
    "trace": ACALSimBackend._trace,
    "compile": functools.partial(ACALSimBackend._lower, step=_Lowered.interpret),
    "codegen": functools.partial(ACALSimBackend._lower, step=_Lowered.write),
    "simulate": functools.partial(ACALSimBackend._lower, step=_Lowered.simulate),
}


def acalsim(
    gm: fx.GraphModule, example_inputs: Sequence[torch.Tensor], *, options: dict | None = None, **more
) -> Callable:
    """torch.compile(model, backend="acalsim", options={"mode": "simulate", "verbose": True})

    `options` are ACALSimBackend's arguments; `mode` may also be torch.compile's own argument.
    """
    return shared_backend(**{**more, **(options or {})})(gm, example_inputs)


def shared_backend(**options: Any) -> ACALSimBackend:
    """The backend behind backend="acalsim" with these options: one for each set, with its `reports`."""
    return _shared(tuple(sorted(options.items())))


@functools.cache
def _shared(options: tuple) -> ACALSimBackend:
    return ACALSimBackend(**dict(options))


def _refusal(error: AcalsimError) -> Callable:
    """Runs in the place of a graph that a room refused. Raised by the call, not by the compilation,
    the error reaches the user unwrapped, and suppress_errors does not turn it into an eager run.
    """

    def refuse(*_arguments):
        raise type(error)(str(error))

    return refuse


def _hold_static(example_inputs: Sequence[Any]) -> None:
    import torch

    for position, value in enumerate(example_inputs):
        if not isinstance(value, torch.Tensor) or any(isinstance(size, torch.SymInt) for size in value.shape):
            raise CaptureError(
                f"argument {position} of the graph is dynamic ({getattr(value, 'shape', value)}); "
                "every shape is a program of its own here: use torch.compile(..., dynamic=False)"
            )


def _make_every_shape_a_graph() -> None:
    """Dynamo would make a size that changes dynamic, and after recompile_limit shapes run a function eagerly
    with only a log line: it is to keep them static, and to raise.
    """
    import torch._dynamo

    torch._dynamo.config.automatic_dynamic_shapes = False
    torch._dynamo.config.fail_on_recompile_limit_hit = True


def _array(value: torch.Tensor | int | float) -> np.ndarray:
    import torch

    return array_of(torch.as_tensor(value))


def _digest(values: Iterable[torch.Tensor]) -> str:
    import torch

    digest = hashlib.sha256()
    for value in values:
        parts = as_real(value.detach()).contiguous().reshape(-1)
        digest.update(parts.view(torch.uint8).numpy())
    return digest.hexdigest()
