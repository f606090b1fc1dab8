# SPDX-License-Identifier: Apache-2.0
"""Devices in SystemVerilog as tests use them: verilated once a change, on an engine with RAM."""

from pathlib import Path

import numpy as np
import pytest
from acalsim_backend.errors import DeviceError
from acalsim_backend.host import own, verilator
from acalsim_backend.machine.file import load_machine
from acalsim_backend.paths import cache_folder
from conftest import ROOT, alone
from simulator_fixtures import RAM

RTL = ROOT / "tests/rtl"
RAM_BYTES = 1 << 20


@pytest.fixture(scope="session")
def verilog():
    """Skips what needs Verilator where there is none."""
    try:
        return verilator.find_verilator()
    except DeviceError as error:
        pytest.skip(f"needs Verilator: {error}")


def machine_with(folder, source, ram=None, **parameters):
    """A machine with one device, `mine`, whose model is that file."""
    ram = {"latency_cycles": 20, "bytes_per_cycle": 16, **(ram or {})}
    path = Path(folder) / "machine.toml"
    path.write_text(
        f"[ram]\n{_toml(ram)}[devices.echo]\nbase = 0x10200000\n"
        f'[devices.mine]\nmodel = "{source}"\n{_toml(parameters)}'
    )
    return load_machine(str(path))


def _toml(table):
    return "".join(f"{key} = {value!r}\n".replace("'", '"') for key, value in table.items())


def library(machine, waves=False):
    device = machine.devices[-1]
    with alone(cache_folder() / ".lock"):
        return own.build(device, device.own, cache_folder() / "devices", waves)


def waves(path):
    """Each signal's changes in a waveform, (picosecond, value), by the signal's name."""
    reader = pytest.importorskip("pywellen", reason="needs pywellen")
    return {signal.full_name: list(signal.signal) for signal in reader.Waveform(str(path)).all_vars()}


class Plugged:
    """A device on an engine of its own, with 1 MiB of RAM."""

    def __init__(self, embedded, machine, folder, waves=False):
        self.device = machine.devices[-1]
        self.registers = {row.name: row.offset for row in self.device.own.registers}
        self.registers |= {"STATUS": 0x08, "CONTROL": 0x0C, "RESULT": 0x14}
        self.ram = np.memmap(Path(folder) / "ram", dtype=np.uint8, mode="w+", shape=(RAM_BYTES,))
        self.ram_timing = machine.ram.timing
        self.engine = embedded.Engine(**self.ram_timing)
        self.engine.add_device(
            str(library(machine, waves)), "mine", self.device.base, dict(self.device.parameters)
        )
        self.engine.map_ram(str(Path(folder) / "ram"), RAM, RAM_BYTES)

    def write(self, advance_cycles=0, **values):
        """Write registers by name; the stall of the last one."""
        for name, value in values.items():
            done, _, stall = self.engine.write(
                self.device.base + self.registers[name], value, 4, advance_cycles
            )
            assert done, name
        return stall

    def read(self, name, advance_cycles=0):
        """(data, stall cycles)"""
        done, data, stall = self.engine.read(self.device.base + self.registers[name], 4, advance_cycles)
        assert done, name
        return data, stall

    def put(self, address, array):
        data = np.ascontiguousarray(array).view(np.uint8).ravel()
        self.ram[address - RAM :][: data.size] = data

    def get(self, address, shape, dtype):
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        return self.ram[address - RAM :][:size].view(dtype).reshape(shape).copy()

    @property
    def statistics(self):
        return self.engine.result()["devices"]["mine"]


@pytest.fixture
def plugged(embedded, verilog, tmp_path):
    """Plugs a source of tests/rtl, or of another folder, into an engine."""
    made = []

    def plug(source, ram=None, waves=False, **parameters):
        folder = tmp_path / f"plugged{len(made)}"
        folder.mkdir()
        made.append(Plugged(embedded, machine_with(folder, RTL / source, ram, **parameters), folder, waves))
        return made[-1]

    return plug
