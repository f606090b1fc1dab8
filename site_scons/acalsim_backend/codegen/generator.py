# SPDX-License-Identifier: Apache-2.0
"""A graph and its plan in, the files of its program out."""

from __future__ import annotations

import os
from pathlib import Path

from .. import doors
from ..files import Content, write_files
from ..host.engine import library_for_compiling
from ..host.library import timing_engine
from ..ir.graph import ACALSimIR
from ..ir.verify import verify
from ..machine.file import load_machine
from ..machine.headers import machine_header, registers_header
from ..machine.machine import Machine
from ..offload.timer import ListTimer
from ..schedule.passes import make_plan
from ..schedule.plan import Plan
from ..schedule.plan_rows import plan_file
from .ldscript import linker_script
from .makefile import makefile
from .program import c_header, c_source, c_weights
from .values import data_files


class RISCVCodeGenerator:
    """Writes the C program of a graph into `output_dir`."""

    def __init__(
        self,
        output_dir: str | os.PathLike[str] = "output",
        machine: str = "default",
        library: str | None = None,
    ):
        self.output_dir, self.library = Path(output_dir), library
        self.machine = load_machine(machine)

    def generate(self, ir: ACALSimIR, name: str | None = None, inputs: bytes | None = None) -> list[Path]:
        """Write all files of `ir` and return their paths; `inputs` is the example input block.

        Raises PlanError when the machine has too little RAM.
        """
        plan = make_plan(verify(ir), self.machine, timer=timer_for(self.machine, self.library))
        block = inputs or bytes(plan.blocks[".inputs"])
        return write_files(
            program_files(plan.given, plan, self.machine, block, self.output_dir), self.output_dir
        )


def timer_for(machine: Machine, library: str | os.PathLike[str] | None = None) -> ListTimer | None:
    """What times tilings on the compute devices of `machine`; None for a machine that has none.

    `library` is the embedded engine's, else the one that the build made, else one that is built for this.
    """
    if machine.device("compute") is None:
        return None
    return ListTimer(machine, timing_engine(library or library_for_compiling()))


def program_files(
    ir: ACALSimIR, plan: Plan, machine: Machine, inputs: bytes, folder: Path
) -> dict[str, Content]:
    """All files of a graph that has its constants' values; `inputs` is the example input block."""
    values = data_files(plan_file(ir, plan, machine), ir.constants, inputs)
    return {**code_files(ir, plan, machine, folder), **values}


def code_files(ir: ACALSimIR, plan: Plan, machine: Machine, folder: Path) -> dict[str, str]:
    """The files that follow from the graph and the machine; no value of a parameter is in them."""
    told = plan_file(ir, plan, machine)
    return {
        f"{ir.name}.c": c_source(ir, plan, machine),
        f"{ir.name}.h": c_header(ir, plan),
        f"{ir.name}_weights.c": c_weights(ir, told),
        f"{ir.name}.ld": linker_script(ir.name, plan, machine),
        f"{ir.name}.ir": str(ir),
        "Makefile": makefile(ir.name, machine, folder),
        "plan.json": doors.text(told),
        "machine.h": machine_header(machine),
        "registers.h": registers_header(),
    }
