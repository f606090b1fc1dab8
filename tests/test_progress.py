# SPDX-License-Identifier: Apache-2.0
"""What takes long is said to be running, to a person at a terminal and to nobody else."""

import os
import pty
import subprocess
import sys

import pytest
from conftest import ROOT

pytestmark = pytest.mark.quick

PROGRAM = """
import os
from acalsim_build import interruptible
interruptible.FIRST_WORD_S = 0.2
spawn = interruptible.Spawner()
status = spawn("sh", str, "sleep", ["sleep", "0.7"], dict(os.environ), subject="simulate  mlp")
raise SystemExit(status)
"""


def run(stderr):
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "site_scons")}
    command = [sys.executable, "-c", PROGRAM]
    return subprocess.run(command, env=environment, cwd=ROOT, stderr=stderr, check=True).stderr


def test_a_terminal_is_told_what_runs_and_for_how_long():
    (ROOT / "build").mkdir(exist_ok=True)
    master, terminal = pty.openpty()
    run(terminal)
    os.close(terminal)
    said = os.read(master, 4096).decode().split("\r\n")
    os.close(master)
    assert said == ["...       simulate  mlp: 0.2 s", "...       simulate  mlp: 0.4 s", ""]


def test_a_pipe_is_told_nothing():
    (ROOT / "build").mkdir(exist_ok=True)
    assert run(subprocess.PIPE) == b""
