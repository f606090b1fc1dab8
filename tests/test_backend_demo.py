# SPDX-License-Identifier: Apache-2.0
"""The tutorial's demo: the files that it writes and what it prints."""

import re
import subprocess

import pytest

pytestmark = pytest.mark.usefixtures("fresh_dynamo")


def test_the_demo_writes_the_tutorials_files_and_lists_them(demo):
    said, folder = demo
    for name in (
        "graph_0.c",
        "graph_0.h",
        "graph_0_weights.c",
        "graph_0_weights.bin",
        "graph_0.ld",
        "Makefile",
    ):
        assert (folder / name).is_file() and f"  {name}\n" in said


def test_the_demo_prints_the_tutorials_ir(demo):
    said, _ = demo
    for line in ("=== ACALSim IR: graph_0 ===", "  input_0: (8, 16) float32 [input]", "Inputs: ['input_0']"):
        assert line in said
    assert re.search(r"0: t_2 = MATMUL\(input_0, param_1\)", said)


def test_the_demos_last_lines_are_the_command_that_builds_it(demo):
    said, folder = demo
    command = said.strip().splitlines()[-1].strip()
    subprocess.run(command, shell=True, cwd=folder.parent, check=True, capture_output=True)
    assert all((folder / f"graph_0.{suffix}").stat().st_size > 0 for suffix in ("elf", "bin", "dump"))
