# SPDX-License-Identifier: Apache-2.0
"""The pipeline without SCons: a graph's IR and its inputs in, what the simulated machine computed and
a report out. `run_graph` is all of it, in order; torch.compile and scripts come through here.
"""

from __future__ import annotations

import functools
import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from . import doors
from .capture.capture_file import Origin
from .capture.model_file import DEFAULT_TOLERANCE
from .capture.store import origin_of
from .check.check import check
from .check.placement_file import RegionRow
from .codegen.generator import program_files, timer_for
from .codegen.values import placed_inputs
from .errors import ToolchainError
from .files import write_files
from .host import qemu
from .host.build import host_tools
from .host.own import serve_options
from .host.toolchain import PREFIX, compiler_version, find_compiler
from .ir.graph import ACALSimIR
from .ir.verify import verify
from .machine.file import load_machine
from .machine.machine import Machine
from .mapped import Array, tensors
from .report.report import Subject, build_report, checked, provenance
from .report.report_file import Report
from .report.timeline import timeline
from .schedule.passes import make_plan
from .schedule.plan import Plan
from .schedule.plan_file import PlanFile
from .schedule.plan_rows import plan_file
from .simulate.run import DEFAULT_TIMEOUT_S, simulate
from .simulate.run_file import RunFile
from .simulate.span_file import parse_spans


@dataclass(frozen=True)
class Program:
    """A graph's firmware, built and checked."""

    ir: ACALSimIR
    machine: Machine
    elf: Path
    plan: PlanFile
    placement: tuple[RegionRow, ...]
    origin: Origin


def run_graph(
    folder: Path,
    ir: ACALSimIR,
    inputs: Sequence[Array],
    references: Sequence[Array],
    machine: str = "default",
    engine: str = "embedded",
) -> tuple[list[Array], Report]:
    """Build `ir` in `folder`, simulate it once with `inputs`, compare with `references`.

    Arrays are in the IR's order of inputs and outputs. Returns the machine's outputs and the report.
    Raises the AcalsimError of the room that stops it.
    """
    program = build_graph(folder, ir, inputs, machine)
    return run_program(program, inputs, references, engine)


def build_graph(folder: Path, ir: ACALSimIR, inputs: Sequence[Array], machine: str = "default") -> Program:
    """Code, ELF and placement check of `ir`; `inputs` become the ELF's example inputs."""
    target = load_machine(machine)
    plan = plan_graph(ir, target)
    ir = plan.given
    write_code(folder, ir, plan, inputs)
    elf = build_elf(folder, target.cpu.isa)
    told = plan_file(ir, plan, target)
    placement = check(elf, elf.with_suffix(".ld"), doors.as_json(told))
    return Program(ir, target, elf, told, placement.regions, _origin(ir))


def run_program(
    program: Program,
    inputs: Sequence[Array],
    references: Sequence[Array],
    engine: str = "embedded",
    tolerance: float = DEFAULT_TOLERANCE,
    timeout_s: float = DEFAULT_TIMEOUT_S,
) -> tuple[list[Array], Report]:
    """Simulate a built program with `inputs`; its ELF stays as it is. Returns outputs and report.

    Raises SimulateError where it has not ended after `timeout_s` seconds.
    """
    machine, plan = program.machine, program.plan
    block = placed_inputs(plan, [array.tobytes() for array in inputs])
    run = simulate(
        program.elf,
        machine,
        engine,
        host_tools(),
        block or None,
        timeout_s,
        engine_options=serve_options(machine),
        spans=machine.energy is not None,
    )
    recording = parse_spans(run.spans, "the recording") if run.spans else None
    happened = timeline(plan, run.statistics, recording, machine.ram.timing) if recording else None
    outputs = tensors(run.outputs, plan.outputs)
    versions = qemu.installed_version(), _compiler(machine.cpu.isa)
    subject = Subject(
        model=program.ir.name,
        machine=machine,
        plan=plan,
        placement=program.placement,
        provenance=provenance(program.origin, program.elf, machine, *versions),
    )
    check = checked(plan, outputs, references, tolerance)
    return outputs, build_report(subject, RunFile(engine, run.statistics), check, happened)


def plan_graph(ir: ACALSimIR, machine: Machine) -> Plan:
    """The one plan of a graph's program."""
    library = host_tools().library if machine.device("compute") else None
    return make_plan(verify(ir), machine, timer=timer_for(machine, library))


def write_code(folder: Path, ir: ACALSimIR, plan: Plan, inputs: Sequence[Array]) -> list[Path]:
    """Write a planned program into `folder`, which is made; `inputs` become its example inputs."""
    machine = plan.target.machine
    block = placed_inputs(plan_file(ir, plan, machine), [array.tobytes() for array in inputs])
    return write_files(program_files(ir, plan, machine, block, folder), folder)


def build_elf(folder: Path, isa: str = "rv64gc", anew: bool = True) -> Path:
    """Run the generated Makefile in `folder`, whatever an earlier run left there, and return the ELF.

    Without `anew` only what has changed is built, on one CPU, and nothing but the ELF. Raises ToolchainError with the first complaint of whoever complained.
    """
    find_compiler(isa)
    elf = folder / f"{doors.read(folder / 'plan.json', PlanFile, ToolchainError).graph}.elf"
    options = ["--always-make", f"-j{os.cpu_count()}"] if anew else [elf.name]
    command = ["make", *options, f"CROSS_COMPILE={PREFIX}"]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    except FileNotFoundError:
        raise ToolchainError("no program 'make'; install it (Debian: apt install make)") from None
    if done.returncode:
        said = done.stderr.strip().splitlines()
        complaint = next(
            (line for line in said if "error" in line.lower()), said[-1] if said else "make said nothing"
        )
        raise ToolchainError(f"{elf} cannot be built: {complaint.strip()}")
    return elf


def _origin(ir: ACALSimIR) -> Origin:
    """Of a graph that came from no model file: its own text stands for the source."""
    return origin_of(str(ir).encode(), (ir.constants[name] for name in ir.params))


@functools.cache
def _compiler(isa: str) -> str:
    return compiler_version(isa)
