# SPDX-License-Identifier: Apache-2.0
"""Machines with compute devices, and schedules carried out on the devices' model without a CPU."""

import numpy as np
import pytest
from acalsim_backend.codegen.generator import timer_for
from acalsim_backend.machine.file import load_machine
from acalsim_backend.offload import decide as targets
from acalsim_backend.offload.command import packed
from acalsim_backend.offload.decide import Target, pack
from acalsim_backend.schedule.schedule import make_schedule
from compute_fixtures import Matrices
from host_fixtures import captured_function
from simulator_fixtures import RAM, simulator_of

RAM_BYTES = 1 << 22
MACHINE = """
[ram]
size_bytes = 0x1000000
[devices.echo]
model = "echo"
base = 0x10200000
[devices.compute]
model = "compute"
base = 0x10300000
"""


def machine_with(folder, ram="", **parameters):
    path = folder / "m.toml"
    lines = [f"{key} = {value}" for key, value in parameters.items()]
    path.write_text(MACHINE.replace("[devices.echo]", ram + "\n[devices.echo]") + "\n".join(lines) + "\n")
    return load_machine(str(path))


@pytest.fixture
def always(monkeypatch):
    """Everything that can go to the device goes there."""
    monkeypatch.setattr(targets, "cpu_cycles", lambda machine, product: 1 << 60)


class Device:
    """A machine's compute devices and RAM, which carry out schedules."""

    def __init__(self, embedded, library, folder, machine):
        self.machine, self.target = machine, Target(machine, timer_for(machine, library))
        self.memory = Memory(simulator_of(embedded, machine), folder)

    def run(self, function, *inputs, keep_all=False):
        """The outputs of a function whose every kernel is a product on a device, and its schedule."""
        captured = captured_function(function, inputs)
        schedule = make_schedule(captured.ir, self.target, keep_all)
        assert [kernel.name for kernel in schedule.kernels if kernel.device is None] == []
        values = dict(zip(captured.ir.inputs, captured.inputs, strict=True)) | captured.ir.constants
        places = self.memory.place(schedule, values)
        for step in schedule.spread.steps:
            self.memory.execute(
                [each for kernel in step for each in schedule.offloaded[kernel.name].lists], places
            )
        found = {
            name: self.memory.tensor(schedule, places, name)
            for kernel in schedule.kernels
            for name in kernel.results
        }
        return (
            [self.memory.tensor(schedule, places, name) for name in captured.ir.outputs],
            captured.references,
            schedule,
            found,
        )


class Memory(Matrices):
    def __init__(self, simulator, folder):
        path = folder / "ram"
        path.write_bytes(b"\xa5" * RAM_BYTES)
        self.simulator = simulator
        self.bytes = np.memmap(path, dtype=np.uint8, mode="r+", shape=RAM_BYTES)
        simulator.map_ram(str(path), RAM, RAM_BYTES, 0)

    def place(self, schedule, values):
        """Addresses of all storages, those with values filled; what is not written stays NaN."""
        places, at = {}, RAM + (1 << 21)  # behind the longest list
        for name, desc in schedule.storages.items():
            places[name] = at
            data = (
                values[name].tobytes()
                if name in values
                else np.full(desc.elements, np.nan, np.float32).tobytes()
            )
            self.put(at, pack(schedule.packed[name], data) if name in schedule.packed else data)
            at += -(-len(data) // 64) * 64 + 64
        return places

    def execute(self, lists, places):
        """Starts the (device, commands) of a step one after the other, then waits for all."""
        at = RAM
        for device, commands in lists:
            data = packed(commands, places.__getitem__)
            self.put(at, data)
            for register, value in ((0x00, at), (0x10, len(data)), (0x0C, 1)):
                self.simulator.write(device.base + register, value)
            at += len(data)
        for device, _ in lists:
            assert self.simulator.read(device.base + 0x14)[1] == 0, self.simulator.read(device.base + 0x04)

    def tensor(self, schedule, places, name):
        access = schedule.access[name]
        data = self.get(places[access.storage], (schedule.storages[access.storage].elements,))
        strides = [4 * step for step in access.strides]
        return np.lib.stride_tricks.as_strided(data[access.offset :], access.shape, strides).copy()
