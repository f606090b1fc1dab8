# SPDX-License-Identifier: Apache-2.0
"""python -m acalsim_backend.capture MODEL OUTDIR [--watch PROGRAM]

MODEL is a model file, NAME.py, or a program that torch.export.save wrote, NAME.pt2. The command
writes graph_0.ir, the parameters (graph_0_weights.bin), example inputs (inputs.bin), PyTorch's own
outputs (outputs.bin), what lies where (capture.json) and what the model read (read.txt, installed.txt).
With --intermediates it writes what PyTorch computed at every op instead (intermediates.bin, .json).

The model runs in a process of its own, which PROGRAM watches (watch).
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import IO

from ..errors import AcalsimError, CaptureError, printable, run_room
from ..processes import die_with_parent
from ..watch import FAILED, Seen, read_seen
from .capture_file import PRECISIONS
from .readings import write_readings

WORKER = (sys.executable, "-P", "-m", "acalsim_backend.capture.worker")
"""-P: the worker itself puts the working folder on sys.path, once imports are watched."""


def run_worker(watch: list[str], options: argparse.Namespace, reply: IO[bytes]) -> int:
    """The worker's exit status, when it has left its answer in `reply`."""
    command = [*watch, *WORKER, str(options.model), str(options.out), str(reply.fileno())]
    command += ["--precision", options.precision] + ["--intermediates"] * options.intermediates
    process = subprocess.Popen(
        command,
        pass_fds=[reply.fileno()],
        preexec_fn=die_with_parent,
        env={**os.environ, **same_instructions()},
    )
    try:
        return process.wait()
    finally:
        process.kill()


def same_instructions() -> dict[str, str]:
    """What makes PyTorch compute with AVX2 on all CPUs that have it, whatever else they have: random weights and
    what is computed of constants then have the same bits. Older ones and others are left as they are."""
    cpu = Path("/proc/cpuinfo")
    words = cpu.read_text().split() if cpu.exists() else []
    return {"ATEN_CPU_CAPABILITY": "avx2"} if {"avx2", "fma"} <= {*words} else {}


def judge(model: Path, reply: str, status: int) -> None:
    """Raises what stopped the worker; a CaptureError where the model ended the process before it could say."""
    if reply == "done\n":
        return
    if reply:
        room, _, text = reply.partition("\n")
        error = AcalsimError(text)
        error.room = room
        raise error
    if status == FAILED:
        raise CaptureError(f"{model}: what it reads could not be watched")
    if status < 0 or status > 128:
        how = f"was killed by {signal.Signals(-status if status < 0 else status - 128).name}"
    else:
        how = f"ended with status {status}"
    raise CaptureError(
        f"{model}: the process {how} while the model was captured; a model file returns its model"
    )


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="acalsim_backend.capture")
    parser.add_argument("model", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--intermediates", action="store_true")
    parser.add_argument("--precision", choices=PRECISIONS, default="float32")
    parser.add_argument("--watch", metavar="PROGRAM", help="the watcher (watch)")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="acalsim-") as folder, open(f"{folder}/reply", "w+b") as reply:
        seen_file = Path(folder) / "seen"
        watch = [options.watch, str(seen_file)] if options.watch else []
        status = run_worker(watch, options, reply)
        judge(options.model, Path(reply.name).read_text(), status)
        seen = read_seen(seen_file) if watch else Seen([], ["no --watch PROGRAM was given"])
    if not options.intermediates:
        unwatched = write_readings(seen, options.out)
        if watch and unwatched:
            say_unwatched(options.model, unwatched)
    return 0


def say_unwatched(model: Path, reasons: list[str]) -> None:
    text = f"captured anew in every build, as not all that it reads can be watched: {'; '.join(reasons)}"
    print(printable(f"capture: {model}: {text}"), file=sys.stderr)


run_room(main)
