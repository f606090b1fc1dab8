# SPDX-License-Identifier: Apache-2.0
"""One machine as frozen data, and what compiler, firmware and simulator are told of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from .board import RAM_ORIGIN
from .models import DEVICE_MODELS, product_rates
from .own import Own
from .registers import WINDOW_BYTES
from .rows import L1D, Parameter
from .rule_file import RuleFile


@dataclass(frozen=True)
class Cpu:
    """`vlen` is the bits of a vector register, `vector_bits` those of it that are worked on in a cycle."""

    isa: str = "rv64gc"
    vlen: int = 0
    vector_bits: int = 0
    latency: Mapping[str, int] = field(default_factory=dict)
    caches: Mapping[str, Mapping[str, int]] = field(default_factory=dict)


@dataclass(frozen=True)
class Ram:
    """Guest RAM: `size_bytes` at `origin`; `timing` has a value for each row of RAM_TIMING.

    Timing is all that an engine is told when it starts; where RAM lies it hears from whoever shares it.
    """

    size_bytes: int
    timing: Mapping[str, int]
    origin: int = RAM_ORIGIN

    @property
    def end(self) -> int:
        return self.origin + self.size_bytes


@dataclass(frozen=True)
class Device:
    """One device: its `model` is a row of DEVICE_MODELS or the path of an `own` one, `parameters` are complete."""

    name: str
    model: str
    base: int
    parameters: Mapping[str, int]
    size_bytes: int = WINDOW_BYTES
    own: Own | None = None

    @property
    def declared(self) -> tuple[Parameter, ...]:
        """What its model's parameters are."""
        return self.own.parameters if self.own else DEVICE_MODELS[self.model].parameters

    @property
    def replays(self) -> bool:
        """As the DeviceModel says; of a device of the user's nothing is known."""
        return not self.own and DEVICE_MODELS[self.model].replays

    @property
    def range(self) -> str:
        return hex_range(self.base, self.size_bytes)

    @property
    def kind(self) -> tuple[str | int, ...]:
        """Equal for devices that do the same in the same time."""
        return self.model, *(value for name, value in self.parameters.items() if name != "interrupt")


@dataclass(frozen=True)
class Machine:
    name: str
    path: Path
    description: str
    cpu: Cpu
    ram: Ram
    stack_bytes: int
    devices: tuple[Device, ...]
    completion: str = "stall"
    sst_config: Path | None = None
    energy: Mapping[str, int] | None = None
    """In femtojoules a value for each row of ENERGY, where the file has that table."""
    rules: tuple[RuleFile, ...] = ()
    """The files that give ops to devices, in the order of the machine file."""
    clock_mhz: float | None = None
    """What a second is worth in cycles, where the file says that; nothing is simulated by it."""

    @property
    def reads(self) -> tuple[Path, ...]:
        """All files of the user's that a run on the machine follows from: its own, devices' and rules'."""
        own = [path for device in self.devices if device.own for path in device.own.reads]
        return (self.path, *own, *(path for each in self.rules for path in each.files))

    def device(self, model: str) -> Device | None:
        """The first device of that model, or None."""
        return next(iter(self.devices_of(model)), None)

    def devices_of(self, model: str) -> tuple[Device, ...]:
        """Those of one model, in the order of their addresses."""
        return tuple(device for device in self.devices if device.model == model)

    @property
    def sram_bytes(self) -> int:
        """Of the scratchpads and accumulators of all compute devices."""
        memories = ("scratchpad_bytes", "accumulator_bytes")
        return sum(d.parameters[name] for d in self.devices_of("compute") for name in memories)

    @property
    def macs_per_cycle(self) -> int:
        """Of all compute devices together, each doing rows times columns, of the type that it is fastest at."""
        return sum(
            d.parameters["rows"] * d.parameters["columns"] * max(product_rates(d.parameters).values())
            for d in self.devices_of("compute")
        )

    def compile_view(self) -> str:
        """What the compiler, the linker script and the firmware depend on, as stable text.

        Timing parameters of the Echo device and of caches are left out: a change of them redoes simulations
        only. Those of a compute device and of RAM decide the tiles of products; those of the CPU decide what is
        computed where, and whether in int8.
        """
        lines = [
            f"isa {self.cpu.isa} {self.cpu.vlen}" + f" {self.cpu.vector_bits}" * (self.cpu.vlen > 0),
            f"ram {self.ram.origin:#x} {self.ram.size_bytes:#x}",
            f"stack {self.stack_bytes:#x}",
        ]
        lines += [f"cpu {self.cpu.vector_bits} {dict(self.cpu.latency)}"]
        lines += [f"completion {self.completion}"] if self.completion != "stall" else []
        for d in self.devices:
            parameters = (
                f" {dict(d.parameters)} {dict(self.ram.timing)}"
                if d.model == "compute"
                else f" {d.parameters['interrupt']}"
            )
            parameters += own_view(d.own, d.parameters) if d.own else ""
            lines += [f"device {d.name} {d.model} {d.base:#x}{parameters}"]
        lines += [f"rules of {each.device} {each.said} {each.digest}" for each in self.rules]
        return "\n".join(lines) + "\n"

    def description_text(self) -> str:
        """The machine description that the simulator sends a client that says HELLO."""
        lines = [f"device {d.name} {d.base:#x} {d.size_bytes:#x}" for d in self.devices]
        lines += [f"latency {name} {cycles}" for name, cycles in self.cpu.latency.items()]
        lines += [f"vector {self.cpu.vlen} {self.cpu.vector_bits}"] if self.cpu.vlen else []
        for name, cache in self.cpu.caches.items():
            lines.append(f"cache {name} " + " ".join(str(cache.get(row.name, 0)) for row in L1D))
        return "\n".join(lines) + "\n"


def own_view(own: Own, parameters: Mapping[str, int]) -> str:
    """What firmware may know of a device of the user's."""
    registers = ", ".join(f"{row} {row.access}" for row in own.registers)
    return f" {dict(parameters)} [{registers}]"


def hex_range(base: int, size_bytes: int) -> str:
    return f"{base:#010x}..{base + size_bytes:#010x}"
