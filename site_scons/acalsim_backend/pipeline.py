# SPDX-License-Identifier: Apache-2.0
"""The pipeline without SCons: a graph's IR and its inputs in, what the simulated machine computed and
a report out. `run_graph` is all of it, in order; torch.compile and scripts come through here.
"""

from __future__ import annotations

import functools
import hashlib
import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version as package_version
from pathlib import Path

import numpy as np

from .capture import pack
from .capture.model_file import DEFAULT_TOLERANCE
from .check import check
from .codegen.generator import program_files, timer_for, write_files
from .codegen.values import placed_inputs
from .errors import ToolchainError
from .files import read_json
from .host import qemu
from .host.build import host_tools
from .host.toolchain import PREFIX, compiler_version, find_compiler
from .ir.graph import ACALSimIR
from .ir.verify import verify
from .machine.file import load_machine
from .machine.machine import Machine
from .report.compare import compare, tensors
from .report.report import build_report, provenance
from .schedule.passes import make_plan
from .schedule.plan import Plan
from .simulate.run import simulate


@dataclass(frozen=True)
class Program:
    """A graph's firmware, built and checked; `promised` is what plan.json says, `placement` placement.json."""

    ir: ACALSimIR
    machine: Machine
    elf: Path
    plan: Plan
    promised: dict
    placement: list[dict]
    origin: dict


def run_graph(
    folder: Path,
    ir: ACALSimIR,
    inputs: Sequence[np.ndarray],
    references: Sequence[np.ndarray],
    machine: str = "default",
    engine: str = "embedded",
) -> tuple[list[np.ndarray], dict]:
    """Build `ir` in `folder`, simulate it once with `inputs`, compare with `references`.

    Arrays are in the IR's order of inputs and outputs. Returns the machine's outputs and the report
    (schema 1). Raises the AcalsimError of the room that stops it.
    """
    program = build_graph(folder, ir, inputs, machine)
    return run_program(program, inputs, references, engine)


def build_graph(
    folder: Path, ir: ACALSimIR, inputs: Sequence[np.ndarray], machine: str = "default"
) -> Program:
    """Code, ELF and placement check of `ir`; `inputs` become the ELF's example inputs."""
    target = load_machine(machine)
    plan = plan_graph(ir, target)
    write_code(folder, ir, plan, inputs)
    elf = build_elf(folder, target.cpu.isa)
    promised = read_json(folder / "plan.json")
    placement = check(elf, elf.with_suffix(".ld"), promised)
    return Program(ir, target, elf, plan, promised, placement.regions, _origin(ir))


def run_program(
    program: Program,
    inputs: Sequence[np.ndarray],
    references: Sequence[np.ndarray],
    engine: str = "embedded",
    tolerance: float = DEFAULT_TOLERANCE,
) -> tuple[list[np.ndarray], dict]:
    """Simulate a built program with `inputs`; its ELF stays as it is. Returns outputs and report."""
    machine = program.machine
    block = placed_inputs(program.ir, program.plan, [array.tobytes() for array in inputs])
    run = simulate(program.elf, machine, engine, host_tools(), block or None)
    outputs = tensors(run.outputs, program.promised["outputs"])
    producers = [row["op"] or row["name"] for row in program.promised["outputs"]]
    report = build_report(
        program.ir.name,
        machine.name,
        {"engine": engine, **run.statistics},
        program.promised,
        program.placement,
        compare(outputs, references, producers, tolerance),
        provenance(
            program.origin,
            program.elf,
            machine.path,
            {"version": qemu.installed_version()},
            _compiler(machine.cpu.isa),
        ),
    )
    return outputs, report


def plan_graph(ir: ACALSimIR, machine: Machine) -> Plan:
    """The one plan of a graph's program."""
    library = host_tools().library if machine.device("compute") else None
    return make_plan(verify(ir), machine, timer=timer_for(machine, library))


def write_code(folder: Path, ir: ACALSimIR, plan: Plan, inputs: Sequence[np.ndarray]) -> list[Path]:
    """Write a planned program into `folder`, which is made; `inputs` become its example inputs."""
    block = placed_inputs(ir, plan, [array.tobytes() for array in inputs])
    return write_files(program_files(ir, plan, plan.target.machine, block, folder), folder)


def build_elf(folder: Path, isa: str = "rv64gc") -> Path:
    """Run the generated Makefile in `folder`, whatever an earlier run left there, and return the ELF.

    Raises ToolchainError with the first complaint of whoever complained.
    """
    find_compiler(isa)
    elf = folder / f"{read_json(folder / 'plan.json')['graph']}.elf"
    command = ["make", "--always-make", f"-j{os.cpu_count()}", f"CROSS_COMPILE={PREFIX}"]
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


def _origin(ir: ACALSimIR) -> dict:
    """What `provenance` says of a graph that came from no model file: its own text stands for the source."""
    weights, _ = pack(ir.params, [ir.constants[name] for name in ir.params])
    return {
        "model_sha256": hashlib.sha256(str(ir).encode()).hexdigest(),
        "weights_sha256": hashlib.sha256(weights).hexdigest(),
        "torch": package_version("torch"),
    }


@functools.cache
def _compiler(isa: str) -> str:
    return compiler_version(isa)
