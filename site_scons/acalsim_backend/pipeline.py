# SPDX-License-Identifier: Apache-2.0
"""The pipeline without SCons: a graph's IR and its inputs in, what the simulated machine computed and
a report out. `run_graph` is all of it, in order; torch.compile and scripts come through here.
"""

from __future__ import annotations

import fcntl
import functools
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version as package_version
from pathlib import Path

import numpy as np

from . import engine as embedded
from . import qemu
from .capture import pack
from .check import check
from .codegen import RISCVCodeGenerator, placed_inputs
from .errors import ToolchainError
from .files import read_json, write_json
from .headers import registers_header
from .ir import ACALSimIR
from .machine import Machine, load_machine
from .modelfile import DEFAULT_TOLERANCE
from .paths import SIM, cache_folder
from .plan import make_plan
from .report import build_report, compare, provenance, tensors
from .simulate import Tools, simulate
from .toolchain import PREFIX, compiler_version, find_compiler


@dataclass(frozen=True)
class Program:
    """A graph's firmware, built and checked; `plan` and `placement` are as in their files."""

    ir: ACALSimIR
    machine: Machine
    elf: Path
    plan: dict
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
    write_code(folder, ir, inputs, machine)
    elf = build_elf(folder, load_machine(machine).cpu.isa)
    plan = read_json(folder / "plan.json")
    placement = check(elf, elf.with_suffix(".ld"), plan)
    return Program(ir, load_machine(machine), elf, plan, placement.regions, _origin(ir))


def run_program(
    program: Program,
    inputs: Sequence[np.ndarray],
    references: Sequence[np.ndarray],
    engine: str = "embedded",
    tolerance: float = DEFAULT_TOLERANCE,
) -> tuple[list[np.ndarray], dict]:
    """Simulate a built program with `inputs`; its ELF stays as it is. Returns outputs and report."""
    block = _input_block(program.ir, inputs, program.machine)
    run = simulate(program.elf, program.machine, engine, host_tools(), block or None)
    outputs = tensors(run.outputs, program.plan["outputs"])
    producers = [row["op"] or row["name"] for row in program.plan["outputs"]]
    report = build_report(
        program.ir.name,
        program.machine.name,
        {"engine": engine, **run.statistics},
        program.plan,
        program.placement,
        compare(outputs, references, producers, tolerance),
        provenance(
            program.origin, program.elf, program.machine.path, _qemu(), _compiler(program.machine.cpu.isa)
        ),
    )
    return outputs, report


def write_code(
    folder: Path, ir: ACALSimIR, inputs: Sequence[np.ndarray], machine: str = "default"
) -> list[Path]:
    """Write the C program of `ir` into `folder`, which is made; returns the files' paths."""
    generator = RISCVCodeGenerator(folder, machine, tiling_engine(load_machine(machine)))
    return generator.generate(ir, inputs=_input_block(ir, inputs, generator.machine))


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


def _input_block(ir: ACALSimIR, inputs: Sequence[np.ndarray], machine: Machine) -> bytes:
    plan = make_plan(ir, machine, library=tiling_engine(machine))
    return placed_inputs(ir, plan, [array.tobytes() for array in inputs])


def tiling_engine(machine: Machine) -> str | None:
    """The engine that times a compute device's tiles, for a machine that has one."""
    return str(host_tools().library) if machine.device("compute") else None


def _origin(ir: ACALSimIR) -> dict:
    """What `provenance` says of a graph that came from no model file: its own text stands for the source."""
    weights, _ = pack(ir.params, [ir.constants[name] for name in ir.params])
    return {
        "model_sha256": hashlib.sha256(str(ir).encode()).hexdigest(),
        "weights_sha256": hashlib.sha256(weights).hexdigest(),
        "torch": package_version("torch"),
    }


@functools.cache
def _qemu() -> dict:
    return {"version": qemu.version(qemu.find_qemu())}


@functools.cache
def _compiler(isa: str) -> str:
    return compiler_version(isa)


# --- what QEMU and the simulator load ----------------------------------------------------------


@functools.cache
def host_tools() -> Tools:
    """QEMU's plugin and the embedded engine, built once for each state of their sources.

    They lie in $XDG_CACHE_HOME/acalsim, else ~/.cache/acalsim; several processes may ask at once.
    Raises QemuError or ToolchainError where they can't be built or QEMU does not take the plugin.
    """
    cache = cache_folder()
    index = cache / f"{_tools_key()}.json"
    with _locked(cache):
        if not _is_whole(index):
            print(
                f"acalsim: building the simulator in {cache} (once; about 15 s)", file=sys.stderr, flush=True
            )
            _build_tools(cache, index)
    return Tools(*(cache / path for path in read_json(index).values()))


def _tools_key() -> str:
    """A digest of all that the tools are made from and for."""
    parts = [
        registers_header(),
        str(embedded.ENGINE_CXXFLAGS),
        str(qemu.PLUGIN_CFLAGS),
        embedded.LIBRARY_NAME,
    ]
    parts += [sys.prefix, package_version("nanobind"), _qemu()["version"]]
    digest = hashlib.sha256("\n".join(parts).encode())
    for path in sorted(path for part in ("model", "embedded", "qemu") for path in (SIM / part).rglob("*.*")):
        digest.update(f"\n{path.relative_to(SIM)}\n".encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def _is_whole(index: Path) -> bool:
    return index.exists() and all((index.parent / path).exists() for path in read_json(index).values())


def _build_tools(cache: Path, index: Path) -> None:
    """Build both, try the plugin out on QEMU, and note where they lie: last, so that the note is true."""
    if shutil.which("gcc") is None:
        raise ToolchainError("no C compiler 'gcc'; install it (Debian: apt install gcc g++)")
    folder = cache / index.stem
    folder.mkdir(exist_ok=True)
    plugin = qemu.build_plugin(folder)
    qemu.check_plugin(qemu.find_qemu(), plugin)
    library = embedded.build(cache / "engine")
    write_json(index, {"plugin": str(plugin.relative_to(cache)), "library": str(library.relative_to(cache))})


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    with open(folder / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
