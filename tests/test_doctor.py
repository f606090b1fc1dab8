# SPDX-License-Identifier: Apache-2.0
"""The targets that say what there is: models and machines, tools and what is missing."""

import subprocess
import sys

import pytest
from conftest import ROOT

pytestmark = pytest.mark.quick


def doctor(environment):
    command = [sys.executable, "-m", "acalsim_backend.doctor"]
    environment = {**environment, "PYTHONPATH": str(ROOT / "site_scons")}
    return subprocess.run(command, env=environment, capture_output=True, text=True)


def test_the_doctor_names_a_missing_program_and_how_to_get_it(environment_without, tmp_path):
    done = doctor(environment_without(tmp_path / "bin", "qemu-system-riscv64"))
    assert done.returncode == 1
    assert "MISSING  qemu-system-riscv64: runs firmware" in done.stdout
    assert "Get the programs: apt install qemu-system-misc" in done.stdout
    assert "ok       riscv64-unknown-elf-gcc: riscv64-unknown-elf-gcc (" in done.stdout


def test_what_only_some_builds_need_may_be_missing(environment_without, tmp_path):
    done = doctor(environment_without(tmp_path / "bin", "gdb-multiarch", "sst"))
    assert done.returncode == 0
    assert "without  gdb-multiarch: debug-NAME" in done.stdout


def test_list_names_models_and_machines(host_tree):
    said = host_tree.scons("list").stdout
    assert "models    bmm chained_matmul matmul mlp" in said
    assert "default" in said.split("machines")[1]
    assert "ok       QEMU" not in said and host_tree.scons("doctor").stdout.count("ok  ") > 8
