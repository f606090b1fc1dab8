# SPDX-License-Identifier: Apache-2.0
"""Many graphs as one program on one machine: built, simulated, and each graph's outputs held to PyTorch's."""

import signal
import tempfile
import time
import traceback
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from acalsim_backend.capture.model import capture_model
from acalsim_backend.capture.model_file import ModelFile
from acalsim_backend.capture.worker import narrowed, quantised
from acalsim_backend.doors import as_json
from acalsim_backend.errors import AcalsimError, CaptureError, MachineError, PlanError
from acalsim_backend.pipeline import build_graph, run_program
from acalsim_backend.report.compare import compare
from host_fixtures import Library

from .generate import random_graph
from .graph import Graph, model_file
from .machines import random_machine

PRECISIONS = ("float32", "float32", "int8", "bfloat16")
"""Of batches, in turn."""
TIMEOUT_S = 600.0
"""Of planning and compiling, and again of the run."""
ALL_OFF, FEW_OFF, FEW = 1e-4, 0.03, 0.2
"""Of a narrow precision's outputs beside this computer's: so far off may be all elements, so far few, and so few."""
REFUSALS = (CaptureError, MachineError, PlanError)
"""What may be said of a graph or a machine that is not supported; whatever else is raised is a fault."""


@dataclass(frozen=True)
class Case:
    """Graphs, each with what its outputs may differ by, a machine file's text and a precision."""

    graphs: tuple[Graph, ...]
    allowed: tuple[tuple[float, ...], ...]
    machine: str
    precision: str

    def only(self, *numbers):
        """The case of some of its graphs."""
        return replace(
            self,
            graphs=tuple(self.graphs[number] for number in numbers),
            allowed=tuple(self.allowed[number] for number in numbers),
        )

    @property
    def model(self):
        return model_file(self.graphs)


@dataclass(frozen=True)
class Verdict:
    """What came of a case: nothing that is wrong, a refusal, or a fault, with the graph if one is to blame."""

    kind: str = "passed"
    text: str = ""
    graph: int | None = None


def random_case(seed, number, graphs):
    """The batch of a number: `graphs` of them, those of numbers from number * graphs on."""
    precision = PRECISIONS[number % len(PRECISIONS)]
    drawn = [random_graph(seed, number * graphs + place, precision) for place in range(graphs)]
    return Case(
        tuple(graph for graph, _ in drawn),
        tuple(tuple(allowed) for _, allowed in drawn),
        random_machine(seed, number),
        precision,
    )


class OutOfTime(Exception):
    pass


@contextmanager
def at_most(seconds):
    """Raises OutOfTime in its middle, once so much time has passed."""

    def end(*_):
        raise OutOfTime(f"no end after {seconds:g} s")

    before = signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def verdict_on(case, times=None):
    """Builds and runs a case. `times` counts the seconds of each stage."""
    times = Counter() if times is None else times
    with tempfile.TemporaryDirectory(prefix="differential-") as folder:
        try:
            return _judged(case, Path(folder), times)
        except REFUSALS as error:
            return Verdict(f"refused by {error.room}", _plain(str(error), folder))
        except AcalsimError as error:
            return Verdict(f"fault in {error.room}", _plain(str(error), folder))
        except Exception as error:
            last = traceback.extract_tb(error.__traceback__)[-1]
            place = f"{Path(last.filename).name}: {last.name}"
            return Verdict(f"{type(error).__name__} in {place}", _plain(traceback.format_exc(), folder))


def _plain(text, folder):
    return text.replace(folder, "")


def _judged(case, folder, times):
    (folder / "models").mkdir()
    model, machine = folder / "models/model.py", folder / "machine.toml"
    model.write_text(case.model)
    machine.write_text(case.machine)
    with _timed(times, "capture"), at_most(TIMEOUT_S):
        captured = _captured(model, case.precision)
    with _timed(times, "build"), at_most(TIMEOUT_S):
        program = build_graph(folder / "build", captured.ir, captured.inputs, str(machine))
    with _timed(times, "run"):
        outputs, report = run_program(program, captured.inputs, captured.references, timeout_s=TIMEOUT_S)
    return (
        _wrong_outputs(case, outputs, captured.references)
        or _wrong_beside_host(case, outputs, captured, program.ir, folder)
        or _wrong_sums(as_json(report))
        or _wrong_forecast(report, program)
        or Verdict()
    )


@contextmanager
def _timed(times, stage):
    started = time.perf_counter()
    try:
        yield
    finally:
        times[stage] += time.perf_counter() - started


def _captured(path, precision):
    """What the capture stage makes of a model file."""
    file = ModelFile(path)
    file.load()
    captured = capture_model(file, keep_all=precision == "int8")
    if precision == "int8":
        quantised(captured)
    narrowed(captured, precision)
    return captured


def _wrong_outputs(case, outputs, references):
    pairs = iter(zip(outputs, references, strict=True))
    for number, allowed in enumerate(case.allowed):
        for place, most in enumerate(allowed):
            output, reference = next(pairs)
            error = compare([output], [reference], [""], 0).max_rel_error
            if error is None or error > most:
                name = case.graphs[number].outputs[place]
                return Verdict(
                    "wrong output",
                    f"{name} is off by {error} of its largest element; {most:.2g} is allowed",
                    number,
                )
    return None


def _wrong_beside_host(case, outputs, captured, ir, folder):
    """In a narrow precision the machine's outputs beside those of the same products in the same precision on this
    computer. A value in the middle between two that the precision has may be rounded up here and down there, which few
    elements feel; all that an attention makes do, whose weights a device rounds before they are divided by their sum."""
    if case.precision == "float32":
        return None
    host = folder / "host"
    host.mkdir()
    wanted = Library(host, {"graph": replace(captured, ir=ir)}, optimise="-O0").run("graph")
    pairs = iter(zip(outputs, wanted, strict=True))
    for number, graph in enumerate(case.graphs):
        for name in graph.outputs:
            output, other = next(pairs)
            largest = max(float(np.abs(other).max()), 1e-6)
            off = np.abs(output - other) / largest
            has_attention = any(name in graph.source() for name in ("softmax", "attention"))
            few = 1.0 if has_attention else FEW
            if off.max() > FEW_OFF or (off > ALL_OFF).mean() > few:
                text = f"{name} is off by {off.max()} from what this computer's CPU makes of it, {(off > ALL_OFF).mean():.0%} of it"
                return Verdict("wrong beside host", text, number)
    return None


def _wrong_sums(report):
    """What a report promises of its own numbers."""
    ops = report["ops"]
    sums = {
        "the ledger": sum(report["ledger"].values()),
        "ops and overhead": sum(op["cycles"] for op in ops) + report["overhead_cycles"],
        "cpu and stall": report["cpu_cycles"] + report["stall_cycles"],
    }
    for what, total in sums.items():
        if total != report["total_cycles"]:
            return Verdict("wrong sum", f"{what} sums to {total}, the run took {report['total_cycles']}")
    for op in ops:
        if sum(op["ledger"].values()) != op["cycles"]:
            return Verdict(
                "wrong sum",
                f"the ledger of {op['name']} sums to {sum(op['ledger'].values())}, not {op['cycles']}",
            )
    return None


def _wrong_forecast(report, program):
    """What the plan says that each op takes on devices. It is known before only where it does not matter where the
    linker puts the program, where the CPU does not look for itself how far a device is, and where no cache of its
    takes of RAM's time."""
    machine, ram = program.machine, program.machine.ram.timing
    if machine.completion == "poll" or machine.cpu.caches or ram["row_bytes"] or ram["channels"] > 1:
        return None
    for found, told in zip(report.ops, program.plan.ops, strict=True):
        if told.device_cycles is None or told.wait_symbol:
            continue  # the CPU's, or beside others that take RAM's time too
        allowed = max(0.01 * found.cycles, 1)
        device = found.cycles - found.ledger.cpu - found.ledger.stall
        if not device - allowed <= told.device_cycles <= found.cycles + allowed:
            text = f"{found.name}: {told.device_cycles} cycles planned, {found.cycles} taken: {found.ledger}"
            return Verdict("wrong forecast", text)
    return None
