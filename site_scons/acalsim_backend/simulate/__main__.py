# SPDX-License-Identifier: Apache-2.0
"""python -m acalsim_backend.simulate ELF RUN --machine NAME ...: one simulation, its files in RUN.

Of several samples each is a run of the same ELF, whose input block alone is another's. Files are of the first, but
for the outputs, which lie in outputs.bin one behind the other.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from .. import doors
from ..errors import printable, run_room
from ..files import write_atomic
from ..host.tools import Tools
from ..machine.file import load_machine
from .debug import invite, retire
from .firmware import Firmware
from .progress import wanted
from .run import DEFAULT_TIMEOUT_S, simulate
from .run_file import HostFile, RunFile
from .samples import further


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="acalsim_backend.simulate", description=__doc__.splitlines()[0])
    parser.add_argument("elf", type=Path)
    parser.add_argument("run", type=Path, help="folder for what comes out")
    parser.add_argument("--machine", required=True)
    parser.add_argument("--engine", default="embedded")
    parser.add_argument("--sst-options", help="more options for `sst`")
    parser.add_argument("--sst-launcher", help="what starts `sst`")
    parser.add_argument("--device", action="append", default=[], help="NAME=FILE.so: an own device's library")
    parser.add_argument("--waves", help="waveforms of devices in SystemVerilog: START.NAME.fst")
    parser.add_argument(
        "--samples", type=Path, help="NAME_inputs.bin, which has an input block for each sample"
    )
    parser.add_argument("--plugin", type=Path, required=True)
    parser.add_argument("--library", type=Path, required=True)
    parser.add_argument(
        "--timeout", type=float, default=DEFAULT_TIMEOUT_S, help="wall-clock limit in seconds"
    )
    parser.add_argument(
        "--verbose", action="store_true", help="log register accesses; trace the CPU's memory accesses"
    )
    parser.add_argument("--debug", action="store_true", help="wait for gdb before the first instruction")
    options = parser.parse_args(arguments)
    options.run.mkdir(parents=True, exist_ok=True)

    def keep_logs(console: str, log: str) -> None:
        write_atomic(options.run / "console.log", printable(console))
        write_atomic(options.run / "simulator.log", printable(log))
        if options.verbose:
            print(printable(log), end="", flush=True)

    given = [("sst-options", options.sst_options), ("sst-launcher", options.sst_launcher)]
    given += [("device", text) for text in options.device]
    simulated = partial(
        simulate,
        options.elf,
        load_machine(options.machine),
        options.engine,
        Tools(options.plugin, options.library),
        timeout_s=math.inf if options.debug else options.timeout,
        verbose=options.verbose,
        engine_options=as_options(given),
        progress=wanted(),
    )
    run = simulated(
        keep_logs=keep_logs,
        spans=True,
        trace=(options.run / "memory.trace").resolve() if options.verbose else None,
        debugger=partial(invite, options.elf, options.run) if options.debug else None,
        engine_options=as_options([*given, ("waves", options.waves)]),
    )
    if options.debug:
        retire(options.run, run.statistics)
    blocks = Firmware(options.elf).blocks(options.samples) if options.samples else []
    others = further(simulated, blocks[1:], keep_logs)
    write_atomic(options.run / "outputs.bin", [run.outputs, *(other.outputs for other in others)])
    write_atomic(options.run / "spans.bin", run.spans or b"")
    doors.write(
        options.run / "host.json", HostFile(round(run.wall_s + sum(other.wall_s for other in others), 6))
    )
    cycles = tuple(each.statistics.total_cycles for each in (run, *others)) if others else ()
    doors.write(options.run / "run.json", RunFile(options.engine, run.statistics, cycles))
    return 0


def as_options(given: Sequence[tuple[str, str | None]]) -> list[str]:
    return [f"--{name}={value}" for name, value in given if value]


if __name__ == "__main__":
    run_room(main)
