# SPDX-License-Identifier: Apache-2.0
"""Guests that trap or never end, and killed processes: the build says so and leaves nothing behind."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from pipeline_fixtures import ON_CPU, refused


@pytest.fixture
def failing_kernel(tree):
    """Replaces the matmul kernel's body by C statements of the test's choice."""

    def replace(statements):
        text = (tree / "kernels/matmul.h").read_text()
        body = re.search(r"^INLINE [^;{]*matmul_f32\([^{]*\{", text, re.MULTILINE)
        (tree / "kernels/matmul.h").write_text(
            text[: body.end()] + "\n" + statements + "\n" + text[body.end() :]
        )
        return tree

    return replace


def test_a_trapping_guest_is_reported_with_cause_and_symbol(failing_kernel):
    tree = failing_kernel('__asm__ volatile(".word 0");')
    done = tree.scons(*ON_CPU, "sim-matmul", check=False)
    assert refused(
        done, r"^simulate: the guest trapped: illegal instruction at mepc 0x8[0-9a-f]+ <kernel_matmul_0\+0x"
    )
    assert "illegal instruction" in (tree / "build/cpu/matmul/run/console.log").read_text()


def test_a_guest_that_writes_past_its_ram_is_reported_with_the_address(failing_kernel):
    tree = failing_kernel("*(volatile int *)0x90000010 = 1;")
    assert refused(
        tree.scons(*ON_CPU, "sim-matmul", check=False),
        r"^simulate: the guest trapped: store access fault at .*mtval 0x90000010; "
        r"RAM is 0x80000000\.\.0x90000000$",
    )


def test_a_guest_that_never_ends_is_stopped_and_its_place_named(failing_kernel):
    tree = failing_kernel('for (;;) __asm__ volatile("");')
    done = tree.scons(*ON_CPU, "TIMEOUT=2", "sim-matmul", check=False)
    assert refused(
        done, r"^simulate: the guest had not ended after 2 s; it is in 0x8[0-9a-f]+ <kernel_matmul_0\+0x"
    )
    assert simulation_processes(tree) == []


@pytest.fixture
def endless(failing_kernel):
    """A simulation that is under way and would never end: (tree, scons process)."""
    tree = failing_kernel("for (;;) *(volatile int *)0x10200010 = 1;")
    process = subprocess.Popen(
        [sys.executable, "-m", "SCons", "-Q", *ON_CPU, "sim-matmul"],
        cwd=tree.folder,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    wait_until(lambda: any("sst-device,socket" in command for command in processes(tree).values()))
    yield tree, process
    process.kill()
    process.communicate()


def processes(tree):
    """The command of each process that works in a tree."""
    found = {}
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            if Path(f"/proc/{entry}/cwd").readlink() == tree.folder:
                command = Path(f"/proc/{entry}/cmdline").read_bytes()
                found[int(entry)] = command.replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
    return found


def wait_until(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def simulation_processes(tree):
    return [
        pid
        for pid, command in processes(tree).items()
        if "sst-device,socket" in command
        or "acalsim_backend.serve" in command
        or "acalsim_backend.simulate" in command
    ]


@pytest.mark.parametrize(
    ("victim", "line"),
    [
        (
            "acalsim_backend.serve",
            r"^simulate: the simulator was killed by SIGKILL in the middle of the run$",
        ),
        ("sst-device,socket", r"^simulate: QEMU was killed by SIGKILL in the middle of the run$"),
    ],
)
def test_a_side_that_is_killed_in_the_middle_is_named(endless, victim, line):
    tree, scons = endless
    (pid,) = [pid for pid, command in processes(tree).items() if victim in command]
    os.kill(pid, signal.SIGKILL)
    out, err = scons.communicate(timeout=30)
    assert refused(subprocess.CompletedProcess((), scons.returncode, out, err), line)
    assert simulation_processes(tree) == [] and not (tree / "build/cpu/matmul/run/run.json").exists()


@pytest.mark.parametrize("to_group", [True, False], ids=["to all as a terminal does", "to scons alone"])
def test_ctrl_c_leaves_no_process_behind(endless, to_group):
    tree, scons = endless
    (os.killpg if to_group else os.kill)(scons.pid, signal.SIGINT)
    out, err = scons.communicate(timeout=30)
    assert scons.returncode != 0 and "Traceback" not in out + err
    wait_until(lambda: simulation_processes(tree) == [], 10)


def test_killing_the_build_leaves_no_process_behind(endless):
    tree, scons = endless
    (pid,) = [
        pid
        for pid, command in processes(tree).items()
        if "-m acalsim_backend.simulate" in command and "sh -c" not in command
    ]
    os.kill(pid, signal.SIGKILL)
    scons.communicate(timeout=30)
    wait_until(lambda: simulation_processes(tree) == [], 10)


def test_a_second_build_in_the_same_tree_is_refused(endless):
    tree, _ = endless
    done = tree.scons("sim-mlp", check=False)
    assert refused(done, r"^scons: another build is running in this tree \(process \d+\)")
    assert tree.scons("-h").returncode == 0
