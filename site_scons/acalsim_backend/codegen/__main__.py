# SPDX-License-Identifier: Apache-2.0
"""python -m acalsim_backend.codegen CAPTURE_DIR OUT_DIR --machine NAME: a model's program and plan."""

from __future__ import annotations

import argparse
from pathlib import Path

from .. import doors
from ..errors import run_room
from ..files import write_files
from ..ir.text import parse
from ..machine.file import load_machine
from ..offload.tiling_file import read_choices
from ..schedule.dump import dump_to
from ..schedule.passes import make_plan, unwatched
from ..schedule.plan_rows import kept_file
from .generator import code_files, timer_for


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="acalsim_backend.codegen", description=__doc__.splitlines()[0])
    parser.add_argument("capture", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--machine", default="default")
    parser.add_argument("--keep-all", action="store_true")
    parser.add_argument("--library", help="the embedded engine, which times tilings for a compute device")
    parser.add_argument(
        "--tiling", type=Path, help="NAME.tiling.toml: tilings and places of ops that are not to be searched"
    )
    parser.add_argument("--dump", type=Path, help="folder for what each pass of planning leaves, as text")
    options = parser.parse_args(arguments)
    machine = load_machine(options.machine)
    ir = parse((options.capture / "graph_0.ir").read_text())
    timer, choices = timer_for(machine, options.library), read_choices(options.tiling, machine.name)
    watch = dump_to(options.dump) if options.dump else unwatched
    plan = make_plan(ir, machine, options.keep_all, timer, choices, watch)
    files: dict[str, str] = code_files(plan.given, plan, machine, options.out)
    if options.keep_all:
        files["kept.json"] = doors.text(kept_file(plan))
    write_files(files, options.out)
    return 0


if __name__ == "__main__":
    run_room(main)
