# SPDX-License-Identifier: Apache-2.0
"""A program under gdb: it stops where it is told to, goes on, and its statistics are those without gdb."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys

import pytest
from acalsim_backend.machine.file import load_machine
from conftest import ROOT
from driver_fixtures import DEFAULT, SYMBOLS, product
from qemu_fixtures import WORK, firmware_of

GDB = "gdb-multiarch"
pytestmark = [pytest.mark.quick, pytest.mark.skipif(not shutil.which(GDB), reason=f"no {GDB}")]


def commands(text):
    return [word for line in text.strip().splitlines() for word in ("-ex", line.strip())]


def gdb(elf, *arguments):
    command = [GDB, "-batch", "-nx", *arguments, str(elf)]
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    return subprocess.Popen(command, text=True, **pipes)


@pytest.fixture
def debug(measure):
    """Simulates an ELF under gdb, which is given some commands; returns the run and what gdb said."""

    def run(elf, text, machine=DEFAULT):
        started = []

        def attach(socket):
            here = ["-ex", f"target remote {socket}", "-ex", "maintenance packet Qqemu.sstep=5"]
            started.append(gdb(elf, *here, *commands(text)))

        done = measure(elf, machine, debugger=attach)
        return done, started[0].communicate(timeout=60)[0]

    return run


@pytest.fixture(scope="module")
def programs(firmware, tmp_path_factory):
    """(ELF, machine) of programs that compute, use the accelerator, and sleep until it interrupts."""
    folder = tmp_path_factory.mktemp("interrupt")
    path = folder / "machine.toml"
    path.write_text(
        (ROOT / "sim/machines/default.toml")
        .read_text()
        .replace("[firmware]", '[firmware]\ncompletion = "interrupt"')
    )
    sleepy = load_machine(str(path))
    return {
        "work": (firmware("work", WORK, extra=["-g"]), DEFAULT),
        "product": (firmware("product", product(), symbols=SYMBOLS, extra=["-g"]), DEFAULT),
        "sleepy": (firmware_of(sleepy, folder)("product", product(), symbols=SYMBOLS, extra=["-g"]), sleepy),
    }


EVERYTHING = """
    break main
    continue
    awatch *(float *)&a[3]
    continue
    stepi 3
    delete
    step
    stepi 12
    hbreak finish
    continue
    bt
    stepi
    delete
    continue"""


@pytest.mark.parametrize("name", ["work", "product", "sleepy"])
def test_a_debugged_run_counts_what_it_counts_without_gdb(programs, measure, debug, name):
    elf, machine = programs[name]
    run, said = debug(elf, EVERYTHING, machine)
    assert run.statistics == measure(elf, machine).statistics, said
    assert re.search(r"^Breakpoint 1, main", said, re.MULTILINE), said
    assert re.search(r"^Hardware access .*watchpoint 2: ", said, re.MULTILINE), said
    assert re.search(r"^Breakpoint 3, .*finish", said, re.MULTILINE), said


def test_debug_prints_the_line_to_type_and_that_line_works(tree):
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "-m", "SCons", "-Q", "debug-mlp"]
    build = subprocess.Popen(command, cwd=tree.folder, env=environment, text=True, stdout=subprocess.PIPE)
    with build:
        lines = iter(build.stdout.readline, "")
        line = next(line for line in lines if line.startswith("    "))
        typed = [*shlex.split(line), "-batch", "-nx", "-ex", "break graph_0_forward", "-ex", "continue"]
        typed += ["-ex", "info source", "-ex", "continue"]
        done = subprocess.run(typed, cwd=tree.folder, capture_output=True, text=True, timeout=60)
        assert "Breakpoint 1" in done.stdout and "build/mlp/graph_0.c" in done.stdout, (
            done.stdout + done.stderr
        )
        cycles = json.loads((tree / "build/reports/mlp.json").read_text())["total_cycles"]
        assert f"The run has ended at cycle {cycles:,}." in build.stdout.read()
    assert build.returncode == 0
    assert (tree / "build/mlp/debug/run.json").read_bytes() == (tree / "build/mlp/run/run.json").read_bytes()
