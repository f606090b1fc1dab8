# SPDX-License-Identifier: Apache-2.0
"""Machines with devices of the user's, and an engine that has them plugged in."""

import mmap
from dataclasses import dataclass

import pytest
from acalsim_backend.host import own
from acalsim_backend.machine.file import load_machine
from simulator_fixtures import CONTROL, ECHO, END, RAM, RESULT, START

ECHO_TABLE = f"[devices.echo]\nbase = {ECHO:#x}\n"
RAM_BYTES = 1 << 20
RELU_UNIT = """
from acalsim_backend.device import Device, Parameter, Register


class Unit(Device):
    work_cycles = Parameter(40, 1, 1000, "of each START")
    TARGET = Register(0x18, "RW", "address of the result")

    def start(self):
        words = yield self.read(self.DATA_IN, self.SIZE, "f4")
        yield self.work_cycles
        yield self.write(self.TARGET, words * (words > 0))
"""
RELU_RULES = """
from acalsim_backend.rules import Op, Rule


class Relu(Rule):
    matches = "RELU"

    def driver(self, op: Op) -> str:
        x = op.inputs[0]
        return f"WRITE(DATA_IN, {x}); WRITE(TARGET, {op.output}); WRITE(SIZE, {x.size_bytes}); RUN();"
"""


def machine_with(folder, name, text, table=""):
    """The machine in `folder` whose device `mine` has that source."""
    (folder / name).write_text(text)
    (folder / "mine.toml").write_text(f'{ECHO_TABLE}[devices.mine]\nmodel = "{name}"\n{table}')
    return load_machine(str(folder / "mine.toml"))


def write_relu_unit(folder, unit=RELU_UNIT):
    """A machine in `folder`, user.toml, whose own device computes every ReLU."""
    (folder / "unit.py").write_text(unit)
    (folder / "rules.py").write_text(RELU_RULES)
    table = '[devices.mine]\nmodel = "unit.py"\nrules = "rules.py"\n'
    (folder / "user.toml").write_text(ECHO_TABLE + table)
    return f"MACHINE={folder}/user.toml"


@dataclass
class Bench:
    """An engine with a machine's devices, and RAM that both sides see."""

    engine: object
    base: int
    ram: mmap.mmap
    log: list

    def write(self, offset, value, **more):
        return self.engine.write(self.base + offset, value, **more)

    def read(self, offset, **more):
        return self.engine.read(self.base + offset, **more)

    def run(self, **registers):
        """Set the registers by their offsets' names, start, and return RESULT and the cycles until it is there."""
        for name, value in registers.items():
            assert self.write(int(name.removeprefix("at_"), 16), value)[0]
        before = self.engine.result()["total_cycles"]
        assert self.write(CONTROL, START)[0]
        ok, result, _ = self.read(RESULT)
        assert ok
        return result, self.engine.result()["total_cycles"] - before

    def put(self, address, data):
        self.ram[address - RAM : address - RAM + len(data)] = bytes(data)

    def get(self, address, size_bytes):
        return self.ram[address - RAM : address - RAM + size_bytes]

    def statistics(self, name="mine"):
        return self.engine.result()["devices"][name]

    def end(self):
        return self.engine.write(ECHO, END)


@pytest.fixture
def plug_in(embedded, tmp_path):
    """Plugs a machine's devices into an engine; `name` is the device that is asked."""

    def plug_in(machine, name="mine", libraries=None, with_ram=True):
        models = own.models(machine, libraries or own.libraries(machine, {}))
        engine = embedded.Engine(**machine.ram.timing)
        path = tmp_path / "ram"
        path.write_bytes(bytes(RAM_BYTES))
        for device in machine.devices:
            engine.add_device(models[device.name], device.name, device.base, dict(device.parameters))
        if with_ram:
            engine.map_ram(str(path), RAM, RAM_BYTES)
        base = next(device.base for device in machine.devices if device.name == name)
        with open(path, "r+b") as file:
            bench = Bench(engine, base, mmap.mmap(file.fileno(), 0), [])
        engine.log = lambda cycle, who, text: bench.log.append((cycle, who, text))
        return bench

    return plug_in
