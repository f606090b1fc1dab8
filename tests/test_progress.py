# SPDX-License-Identifier: Apache-2.0
"""What takes long is said to be running, to a person at a terminal and to nobody else."""

import os
import pty
import struct
import subprocess
import sys

import pytest
from acalsim_backend.simulate.progress import Clocks, told_to
from conftest import ROOT

pytestmark = pytest.mark.quick

PROGRAM = """
import os
from acalsim_build import interruptible
interruptible.FIRST_WORD_S = 0.2
spawn = interruptible.Spawner()
command = ["sh", "-c", "'COMMAND && exec sleep 0.7'"]
status = spawn("sh", str, "sh", command, dict(os.environ), subject="simulate  mlp")
raise SystemExit(status)
"""


def run(stderr, command="true"):
    (ROOT / "build").mkdir(exist_ok=True)
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "site_scons")}
    program = [sys.executable, "-c", PROGRAM.replace("COMMAND", command)]
    return subprocess.run(program, env=environment, cwd=ROOT, stderr=stderr, check=True).stderr


def on_a_terminal(command="true"):
    """The lines that a person sees there."""
    master, terminal = pty.openpty()
    run(terminal, command)
    os.close(terminal)
    said = os.read(master, 4096).decode().split("\r\n")
    os.close(master)
    return said


def test_a_terminal_is_told_what_runs_and_for_how_long():
    assert on_a_terminal() == ["...       simulate  mlp: 0.2 s", "...       simulate  mlp: 0.4 s", ""]


def test_a_terminal_is_told_how_far_a_command_is_that_says_so():
    said = on_a_terminal("echo cycle 1,234 >$ACALSIM_PROGRESS")
    assert said[0] == "...       simulate  mlp: 0.2 s, cycle 1,234"


def test_a_run_is_at_the_cycle_of_its_side_that_is_further(tmp_path):
    clocks, line = Clocks(tmp_path), tmp_path / "line"
    assert clocks.cycle() == 0
    clocks.cpu.write_bytes(struct.pack("<3Q", 1500, 20, 700))
    assert clocks.cycle() == 1500
    clocks.engine.write_text("2500")
    line.touch()
    told_to(str(line))(clocks.cycle())
    assert line.read_text() == "cycle 2,500" and told_to(None) is None


def test_a_pipe_is_told_nothing():
    assert run(subprocess.PIPE, "test -z $ACALSIM_PROGRESS") == b""
