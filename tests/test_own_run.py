# SPDX-License-Identifier: Apache-2.0
"""Own devices under a firmware, on a real QEMU: values, cycles, completion; and where a run hangs that never ends."""

import re

import numpy as np
import pytest
from acalsim_backend.errors import SimulateError
from acalsim_backend.machine.file import load_machine
from driver_fixtures import SYMBOLS
from own_fixtures import machine_with
from qemu_fixtures import firmware_of
from test_own_softmax import EXAMPLES

SOFTMAX = """
enum { ROWS = 3, COLUMNS = 8 };
static float x[ROWS * COLUMNS];
__attribute__((section(".outputs"))) float y[ROWS * COLUMNS];
GRAPH void op_product(void) {
    const uintptr_t base = SOFTMAX_DEVICE_BASE;
    MMIO_WRITE32(base + SOFTMAX_REG_SOURCE, (uint32_t)(uintptr_t)x);
    MMIO_WRITE32(base + SOFTMAX_REG_TARGET, (uint32_t)(uintptr_t)y);
    MMIO_WRITE32(base + SOFTMAX_REG_ROWS, ROWS);
    MMIO_WRITE32(base + SOFTMAX_REG_COLUMNS, COLUMNS);
    MMIO_FENCE();
    MMIO_WRITE32(base + REG_CONTROL, DEVICE_START);
    device_await(base);
    if (MMIO_READ32(base + REG_RESULT)) __builtin_trap();
    MMIO_FENCE();
}
GRAPH void op_after(void) { __asm__ volatile("nop"); }
GRAPH void graph_0_forward(void) { op_product(); op_after(); }
int main(void) { for (int i = 0; i < ROWS * COLUMNS; i++) x[i] = (float)(i % 5); graph_0_forward(); return 0; }
"""
ENDLESS = """
from acalsim_backend.device import Device
class Endless(Device):
    def start(self):
        while True:
            yield 1000
"""
STUCK = """
GRAPH void op_product(void) { MMIO_WRITE32(MINE_DEVICE_BASE + REG_CONTROL, 1); }
GRAPH void op_after(void) { MMIO_READ32(MINE_DEVICE_BASE + REG_RESULT); }
GRAPH void graph_0_forward(void) { op_product(); op_after(); }
int main(void) { graph_0_forward(); return 0; }
"""


@pytest.mark.parametrize("completion", ["stall", "interrupt"])
def test_a_firmware_drives_the_softmax_unit_and_both_languages_agree(measure, tmp_path, completion):
    runs = {}
    for language in ("py", "cc"):
        source = EXAMPLES / f"softmax_{language}/softmax_unit.{language}"
        path = tmp_path / f"{language}.toml"
        path.write_text(
            f'[firmware]\ncompletion = "{completion}"\n[devices.echo]\nbase = 0x10200000\n'
            f'[devices.softmax]\nmodel = "{source}"\n'
        )
        machine = load_machine(str(path))
        elf = firmware_of(machine, tmp_path)(f"softmax_{language}", SOFTMAX, symbols=SYMBOLS)
        runs[language] = measure(elf, machine)
    x = np.arange(24).reshape(3, 8) % 5
    wanted = np.exp(x) / np.exp(x).sum(1, keepdims=True)
    for run in runs.values():
        assert np.allclose(np.frombuffer(run.outputs[:96], "f4").reshape(3, 8), wanted, rtol=1e-5)
        assert run.statistics.devices["softmax"]["elements"] == 24
    assert runs["py"].statistics.total_cycles == runs["cc"].statistics.total_cycles
    waited = sum(stall["compute"] for stall in runs["py"].statistics.stalls.values())
    assert 0 < waited <= runs["py"].statistics.devices["softmax"]["busy_cycles"]


def test_a_run_that_never_ends_says_where_it_hangs(measure, tmp_path):
    machine = machine_with(tmp_path, "mine.py", ENDLESS)
    elf = firmware_of(machine, tmp_path)("stuck", STUCK, symbols=SYMBOLS)
    with pytest.raises(SimulateError) as refusal:
        measure(elf, machine, timeout_s=3)
    assert re.search(
        r"had not ended after 3 s; it is in .*, at cycle \d+: device 'mine' has not answered the READ of 4 bytes at "
        r"0x10400014; it waits for 1000 cycles \(mine\.py:6\); a larger limit is TIMEOUT=SECONDS$",
        str(refusal.value),
    ), refusal.value
