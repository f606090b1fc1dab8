# SPDX-License-Identifier: Apache-2.0
"""Device models and their parameters: what a machine file may say of a device, and what models are told.

A new parameter is a row here and its use in sim/model. A new model is a row, a C++ class in sim/model, and
for SST a component in sim/sst/device_component.hh.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from .board import LAST_INTERRUPT
from .rows import Parameter, choice


@dataclass(frozen=True)
class DeviceModel:
    """What `model = "..."` in a machine file may name, and what it may set there."""

    name: str
    description: str
    parameters: tuple[Parameter, ...]


ACCESS = Parameter("access_cycles", 1, 1, 1 << 20, "cycles of one register access")
INTERRUPT = Parameter(
    "interrupt", 0, 0, LAST_INTERRUPT, "interrupt source; 0: none, in a machine file the next free one"
)

ECHO = (
    ACCESS,
    Parameter("latency_cycles", 10, 0, 1 << 32, "cycles from DATA_IN to DATA_OUT"),
    INTERRUPT,
)

COMPUTE = (
    ACCESS,
    INTERRUPT,
    Parameter("rows", 16, 1, 1024, "rows of the systolic array"),
    Parameter("columns", 16, 1, 1024, "columns of the systolic array"),
    choice("dataflow", ("ws", "os"), "ws", "what stays in the array: weights or outputs"),
    choice("overlap", ("serial", "single", "double"), "double", "overlap of a tile's work with the next's"),
    Parameter("scratchpad_bytes", 0x40000, 64, 1 << 30, "size of the operands' memory"),
    Parameter("accumulator_bytes", 0x10000, 64, 1 << 30, "size of the sums' memory"),
    Parameter(
        "scratchpad_bytes_per_cycle", 64, 1, 1 << 16, "bytes a cycle of the load and of the store unit"
    ),
    Parameter(
        "peer_latency_cycles", 20, 0, 1 << 20, "cycles to another device beside those of the bytes sent"
    ),
    Parameter("peer_bytes_per_cycle", 32, 1, 1 << 16, "bytes a cycle that leave for other devices"),
    Parameter("load_queue_depth", 8, 1, 1024, "LOADs that wait or are at work"),
    Parameter("compute_queue_depth", 8, 1, 1024, "MATMULs that wait or are at work"),
    Parameter("store_queue_depth", 8, 1, 1024, "STOREs that wait or are at work"),
)

DEVICE_MODELS: Mapping[str, DeviceModel] = MappingProxyType(
    {
        model.name: model
        for model in (
            DeviceModel(
                "echo", "answers DATA_IN in DATA_OUT after a fixed latency; ends the simulation", ECHO
            ),
            DeviceModel(
                "compute", "matrix engine: a command list in RAM, fetched and executed by DMA", COMPUTE
            ),
        )
    }
)

DEFAULT_BASES = MappingProxyType({"echo": 0x10200000, "compute": 0x10300000})
"""Where the two devices of the default memory map live; more follow at 0x10400000, +0x100000 each."""
