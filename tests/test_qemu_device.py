# SPDX-License-Identifier: Apache-2.0
"""The plugin's device: which accesses reach the simulator, and in which order."""

import subprocess

import pytest
from qemu_fixtures import ECHO, END, SIZE, Simulator, description

pytestmark = pytest.mark.quick


def test_stock_qemu_takes_the_device_on_the_command_line_that_people_type(hello, plugin, tmp_path):
    simulator = Simulator(tmp_path / "socket")
    command = f"qemu-system-riscv64 -M virt -bios none -nographic -kernel {hello} "
    command += f"-plugin {plugin} -device sst-device,socket={simulator.path}"
    done = subprocess.run(
        command.split(), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.replace("\r", "") == "hello\n"
    assert simulator.hello == 1
    assert simulator.accesses == [("R", ECHO + 8, 4, 0), ("W", SIZE, 4, 42), ("W", ECHO, 4, END)]


def test_each_access_is_preceded_by_the_time_since_the_last_and_statistics_come_last(hello, run):
    simulator = run(hello).simulator
    assert simulator.types == [3, 2, 0, 2, 1, 2, 1, 4]
    assert list(simulator.texts) == [2]


def test_every_declared_window_reaches_the_simulator_and_nothing_else_does(firmware, run):
    c = """int main(void) {
        for (int i = 0; i < 3; i++) MMIO_READ32(0x10200000 + 0x100000 * i + REG_RESULT);
        return 0;
    }"""
    devices = [("a", 0x10200000), ("b", 0x10300000), ("c", 0x10400000)]
    outcome = run(firmware("windows", c), text=description(devices=devices))
    assert [where for _, where, _, _ in outcome.simulator.accesses[:-1]] == [
        0x10200014,
        0x10300014,
        0x10400014,
    ]
    assert run(firmware("windows", c), text=description(devices=devices[:2])).status == 105


@pytest.mark.parametrize(("load", "size"), [("lb", 1), ("lhu", 2), ("lw", 4), ("ld", 8)])
def test_accesses_of_every_size_go_out_for_the_simulator_to_judge(firmware, run, load, size):
    assembly = f".globl main\nmain: li a1, {ECHO}\n {load} a0, 8(a1)\n {load} a0, 24(a1)\n li a0, 0\n ret"
    accesses = run(firmware(f"size_{load}", assembly=assembly)).simulator.accesses
    assert accesses[:2] == [("R", ECHO + 8, size, 0), ("R", ECHO + 24, size, 0)]


def test_shared_guest_ram_is_announced_by_its_absolute_path(hello, run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    backend = "memory-backend-file,id=ram,size=16M,mem-path=guest ram,share="
    shared = run(hello, arguments=["-object", backend + "on", "-M", "memory-backend=ram"])
    assert shared.simulator.texts[1] == f"0x80000000 0x1000000 0x0 {tmp_path}/guest ram"
    private = run(hello, arguments=["-object", backend + "off", "-M", "memory-backend=ram"])
    assert list(private.simulator.texts) == [2]


def test_a_simulator_that_knows_only_reads_and_writes_is_served_too(hello, run):
    outcome = run(hello, legacy=True)
    assert (outcome.status, outcome.errors) == (0, "")
    assert outcome.simulator.types == [3, 0, 1, 1]
