# SPDX-License-Identifier: Apache-2.0
"""Machines with compute devices, and schedules carried out on the devices' model without a CPU."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from acalsim_backend.codegen.generator import timer_for
from acalsim_backend.codegen.values import pack
from acalsim_backend.ir.graph import ACALSimOpType
from acalsim_backend.machine.file import load_machine
from acalsim_backend.offload import decide as targets
from acalsim_backend.offload.command import packed
from acalsim_backend.offload.decide import Target
from acalsim_backend.schedule.passes import make_schedule
from acalsim_backend.schedule.plan_rows import packed_row
from compute_fixtures import Matrices
from host_fixtures import captured_function, f
from simulator_fixtures import RAM, simulator_of
from torch import nn

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
    monkeypatch.setattr(targets, "kernel_cycles", lambda machine, ir, op: 1 << 60)


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
        for step in schedule.teams.steps:
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
            value = values[name] if name in values else np.full(desc.elements, np.nan, np.float32)
            if name in schedule.packed:
                value = pack(packed_row(schedule.packed[name]), value)
            data = value.tobytes()
            self.put(at, data)
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


T = ACALSimOpType

SMALL = {"rows": 4, "columns": 8, "scratchpad_bytes": 4096, "accumulator_bytes": 1024}
"""Of a device on which hardly anything fits in one block."""
LARGE = {"rows": 16, "columns": 16}

WAYS = [
    {**size, "dataflow": f'"{dataflow}"', "overlap": f'"{overlap}"'}
    for size, dataflow, overlap in (
        (SMALL, "ws", "double"),
        (SMALL, "os", "single"),
        (LARGE, "ws", "serial"),
        (LARGE, "os", "double"),
    )
]


@pytest.fixture(
    params=[pytest.param(way, marks=[pytest.mark.quick] * (way is WAYS[0])) for way in WAYS],
    ids=lambda way: "-".join(str(each) for each in way.values()),
)
def device(request, embedded, engine_library, tmp_path, always):
    return Device(embedded, engine_library, tmp_path, machine_with(tmp_path, **request.param))


@pytest.fixture
def small(embedded, engine_library, tmp_path, always):
    return Device(embedded, engine_library, tmp_path, machine_with(tmp_path, **WAYS[0]))


def assert_right(outputs, references):
    assert len(outputs) == len(references)
    for output, reference in zip(outputs, references, strict=True):
        assert output.shape == reference.shape
        assert np.abs(output - reference).max() <= 1e-5 * max(np.abs(reference).max(), 1)


class Residual(nn.Module):
    def __init__(self, channels=6, stride=1):
        super().__init__()
        self.first, self.second = (
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.Conv2d(channels, channels, 3, padding=1),
        )

    def forward(self, x):
        return F.relu(self.second(F.relu(self.first(x))) + x)


CASES = {
    "matmul": (lambda a, b: a @ b, f(33, 21), f(21, 47)),
    "both transposed": (lambda a, b: a.T @ b.T, f(21, 33), f(47, 21)),
    "a row": (lambda a, b: a @ b, f(1, 70), f(70, 50)),
    "a column": (lambda a, b: a @ b, f(50, 70), f(70, 1)),
    "every other column": (lambda a, b: a[:, ::2] @ b, f(10, 30), f(15, 9)),
    "batches": (torch.bmm, f(5, 9, 13), f(5, 13, 7)),
    "heads": (
        lambda q, k: q.view(10, 3, 8).transpose(0, 1) @ k.view(12, 3, 8).permute(1, 2, 0),
        f(10, 24),
        f(12, 24),
    ),
    "linear": (nn.Linear(40, 30), f(17, 40)),
    "linear and relu of batches": (nn.Sequential(nn.Linear(24, 20), nn.ReLU()), f(2, 5, 24)),
    "two linears": (nn.Sequential(nn.Linear(24, 50), nn.ReLU6(), nn.Linear(50, 10)), f(9, 24)),
    "bias a row": (lambda a, b, c: a @ b + c, f(12, 20), f(20, 16), f(12, 1)),
    "residual": (lambda a, b, c: torch.clamp(a @ b + c, -1, 2), f(12, 20), f(20, 16), f(12, 16)),
    "scaled, bias, residual, relu": (
        lambda a, b, c, d: F.relu((a @ b) * 0.125 + c + d),
        f(12, 20),
        f(20, 16),
        f(16),
        f(12, 16),
    ),
    "conv": (nn.Conv2d(5, 9, 3), f(1, 5, 12, 11)),
    "conv with padding and stride": (nn.Conv2d(5, 9, 3, 2, 1), f(2, 5, 13, 16)),
    "conv 1x1 with stride": (nn.Conv2d(6, 20, 1, 2), f(1, 6, 15, 14)),
    "conv 5x3 dilated": (nn.Conv2d(3, 8, (5, 3), padding=(4, 1), dilation=(2, 1)), f(1, 3, 14, 17)),
    "more padding than image": (nn.Conv2d(2, 4, 5, padding=4), f(1, 2, 3, 2)),
    "groups": (nn.Conv2d(12, 18, 3, padding=1, groups=3), f(2, 12, 9, 9)),
    "depthwise": (nn.Conv2d(20, 20, 3, padding=1, groups=20), f(1, 20, 10, 10)),
    "1-d": (nn.Conv1d(6, 10, 5, 2, 2), f(2, 6, 40)),
    "conv, relu6": (nn.Sequential(nn.Conv2d(5, 9, 3), nn.ReLU6()), f(1, 5, 12, 11)),
    "conv, pool": (nn.Sequential(nn.Conv2d(5, 9, 3, padding=1), nn.MaxPool2d(2)), f(1, 5, 12, 10)),
    "conv, relu, pool with border": (
        nn.Sequential(nn.Conv2d(3, 7, 5, 2, 2), nn.ReLU(), nn.MaxPool2d(3, 2, 1)),
        f(2, 3, 30, 27),
    ),
    "conv, pool with more rows than it needs": (
        nn.Sequential(nn.Conv2d(3, 4, 3), nn.MaxPool2d(2, 3)),
        f(1, 3, 12, 13),
    ),
    "residual block": (Residual(), f(1, 6, 10, 12)),
}
