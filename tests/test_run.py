# SPDX-License-Identifier: Apache-2.0
"""./run: installs what is missing, says what it may not install, and otherwise just runs the command."""

import os
import shutil
import stat
import subprocess

import pytest
from conftest import ROOT

pytestmark = pytest.mark.quick

TOOLS = ("riscv64-unknown-elf-gcc", "qemu-system-riscv64")


def program(path, text):
    path.unlink(missing_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


@pytest.fixture
def project(tmp_path):
    """A copy of ./run in a project whose Python environment is complete."""
    folder = tmp_path / "project"
    (folder / ".venv/bin").mkdir(parents=True)
    for name in ("run", "requirements.txt", "pyproject.toml"):
        shutil.copy2(ROOT / name, folder / name)
    ready = (
        f"{folder}\n" + (folder / "requirements.txt").read_text() + (folder / "pyproject.toml").read_text()
    )
    (folder / ".venv/ready").write_text(ready)
    program(folder / ".venv/bin/tool", 'echo "tool: $*"; exit 7')
    return folder


@pytest.fixture
def bare(tmp_path, environment_without):
    """An environment without cross compiler and QEMU, whose apt-get only writes down what it is told."""
    environment = environment_without(tmp_path / "bin", *TOOLS, "sudo", "apt-get", "id")
    program(tmp_path / "bin/apt-get", f'echo "apt-get $*" >> {tmp_path}/apt.log')
    return environment


def run(project, *command, **options):
    return subprocess.run([project / "run", *command], capture_output=True, text=True, timeout=60, **options)


def test_it_runs_the_command_in_the_environment_and_passes_its_status_on(project):
    done = run(project, "tool", "a b", "c")
    assert (done.returncode, done.stdout, done.stderr) == (7, "tool: a b c\n", "")


def test_it_works_from_another_folder(project, tmp_path):
    assert run(project, "pwd", cwd=tmp_path).stdout.strip() == str(tmp_path)


def test_another_folders_environment_behind_a_link_is_left_alone(project, tmp_path):
    (project / ".venv").rename(tmp_path / "other")
    (tmp_path / "other/ready").write_text("another folder\n")
    (project / ".venv").symlink_to(tmp_path / "other")
    done = run(project, "tool")
    assert done.returncode == 1 and done.stdout == ""
    assert (
        done.stderr.startswith(f"run: .venv is a link to {tmp_path}/other, ") and done.stderr.count("\n") == 1
    )
    assert (tmp_path / "other/bin/tool").exists()


def test_without_a_command_it_says_how_it_is_used(project):
    done = run(project)
    assert (
        done.returncode == 2
        and done.stderr == "run: usage: ./run CMD..., for example: ./run scons sim-matmul\n"
    )


def test_without_root_and_sudo_it_says_what_to_type_and_goes_on(project, bare, tmp_path):
    program(tmp_path / "bin/id", "echo 1000")
    done = run(project, "tool", env=bare)
    wanted = "apt-get update && apt-get install -y gcc-riscv64-unknown-elf qemu-system-misc"
    assert done.stderr == f"run: not root and no sudo; type: su -c '{wanted}'\n"
    assert done.stdout == "tool: \n" and done.returncode == 7
    assert not (tmp_path / "apt.log").exists()


@pytest.mark.parametrize("user", ["root", "sudo"])
def test_as_root_or_through_sudo_it_installs_just_what_is_missing(project, bare, tmp_path, user):
    program(tmp_path / "bin/id", "echo 0" if user == "root" else "echo 1000")
    if user == "sudo":
        program(tmp_path / "bin/sudo", '[ "$1" = -n ] && shift; exec "$@"')
    done = run(project, "tool", env=bare)
    assert done.returncode == 7
    update, install = (tmp_path / "apt.log").read_text().splitlines()
    assert update.startswith("apt-get update")
    assert install.endswith("gcc-riscv64-unknown-elf qemu-system-misc")


def test_a_python_that_is_too_old_is_refused_naming_what_is_needed(project, bare, tmp_path):
    for name in os.listdir(tmp_path / "bin"):
        if name.startswith("python3"):
            (tmp_path / "bin" / name).unlink()
    program(tmp_path / "bin/python3", "exit 1")
    (project / ".venv/ready").unlink()
    done = run(project, "tool", env=bare)
    assert done.returncode == 1 and "no Python 3.11 or later found" in done.stderr
