# SPDX-License-Identifier: Apache-2.0
"""What goes wrong between QEMU and the simulator is said in one line, and ends both."""

import os
import re
import signal
import socket
import subprocess
import termios
import time

import pytest
from qemu_fixtures import Simulator, description

pytestmark = pytest.mark.quick


def one_line(outcome):
    assert outcome.errors.count("\n") == 1, outcome.errors
    return outcome.errors


def test_nobody_listening_is_said_with_the_path(hello, plugin, tmp_path):
    base = [
        "qemu-system-riscv64",
        "-M",
        "virt",
        "-bios",
        "none",
        "-display",
        "none",
        "-kernel",
        hello,
        "-plugin",
        plugin,
    ]
    for device, message in (
        (f"socket={tmp_path}/none", f"no simulator on socket {tmp_path}/none: No such file or directory"),
        (f"socket={tmp_path}/{'x' * 108}", "too long for a Unix socket"),
        ("socket=", "socket=PATH is missing"),
    ):
        done = subprocess.run(
            [*base, "-device", f"sst-device,{device}"], capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 1
        assert message in done.stderr
        assert done.stderr.count("\n") == 1


def test_a_second_device_is_refused(hello, run, tmp_path):
    outcome = run(hello, arguments=["-device", f"sst-device,socket={tmp_path}/socket0"])
    assert outcome.status == 1
    assert "one sst-device serves all devices" in one_line(outcome)


def test_two_cpus_and_unknown_options_are_refused(hello, run):
    for changed, message in (
        ({"arguments": ["-smp", "2"]}, "one CPU"),
        ({"options": ",colour=red"}, "'colour=red'"),
    ):
        simulator_waits = run_without_connection(run, hello, **changed)
        assert message in simulator_waits


def run_without_connection(run, elf, **changed):
    """QEMU's errors when it stops before it connects; lets the waiting simulator go."""
    simulators = []
    original = Simulator.__post_init__

    def remember(self):
        original(self)
        simulators.append(self)
        self.listener.settimeout(0)
        socket.socket(socket.AF_UNIX).connect(str(self.path))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Simulator, "__post_init__", remember)
        outcome = run(elf, **changed)
    assert outcome.status == 1
    return outcome.errors


@pytest.mark.parametrize("die_at", [0, 1])
def test_a_simulator_that_leaves_in_an_access_ends_qemu(hello, run, die_at):
    outcome = run(hello, die_at=die_at)
    assert outcome.status == 70
    assert re.match(
        r"sst-device: the simulator on .* closed the connection at cycle \d+\n", one_line(outcome)
    )


def test_a_simulator_that_leaves_while_the_guest_computes_ends_qemu(firmware, run):
    elf = firmware("forever", 'int main(void) { MMIO_READ32(ECHO(0)); for (;;) __asm__ volatile(""); }')
    started = time.monotonic()
    outcome = run(elf, die_after_s=0.2)
    assert outcome.status == 70
    assert "went away" in one_line(outcome)
    assert time.monotonic() - started < 10


def test_qemu_can_be_stopped_while_the_simulator_is_silent(hello, start, tmp_path):
    simulator = Simulator(tmp_path / "socket", silent=True)
    process = start(hello, simulator)
    assert simulator.accessed.wait(60)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 70
    assert "stopped while waiting" in errors


def test_a_terminal_is_usable_after_the_simulator_was_lost(hello, plugin, tmp_path):
    simulator = Simulator(tmp_path / "socket", die_at=0)
    master, terminal = os.openpty()
    before = termios.tcgetattr(terminal)
    command = ["qemu-system-riscv64", "-M", "virt", "-bios", "none", "-nographic", "-kernel", hello]
    command += ["-plugin", plugin, "-device", f"sst-device,socket={simulator.path}"]
    assert (
        subprocess.run(command, stdin=terminal, stdout=terminal, stderr=terminal, timeout=60).returncode == 70
    )
    assert termios.tcgetattr(terminal) == before
    assert os.get_blocking(terminal)
    os.close(master)
    os.close(terminal)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (description() + "latency telepathy 3\n", "latency class 'telepathy'"),
        (description() + "colour red\n", "colour red"),
        ("device a 0x10200000\n", "device a 0x10200000"),
    ],
)
def test_a_machine_description_that_is_not_understood_is_said(hello, run, text, message):
    outcome = run(hello, text=text)
    assert outcome.status == 70
    assert message in one_line(outcome)
