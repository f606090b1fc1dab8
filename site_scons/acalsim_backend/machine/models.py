# SPDX-License-Identifier: Apache-2.0
"""Device models and their parameters. A new device is one row here, one C++ class in sim/model and one entry
in a machine file."""

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


INTERRUPT = Parameter(
    "interrupt", 0, 0, LAST_INTERRUPT, "source at the interrupt controller; 0: the next free one"
)

DEVICE_MODELS: Mapping[str, DeviceModel] = MappingProxyType(
    {
        model.name: model
        for model in (
            DeviceModel(
                "echo",
                "answers DATA_IN in DATA_OUT after a fixed latency; ends the simulation",
                (
                    Parameter("access_cycles", 1, 1, 1 << 20, "cycles of one register access"),
                    Parameter("latency_cycles", 10, 0, 1 << 32, "cycles from DATA_IN to DATA_OUT"),
                    INTERRUPT,
                ),
            ),
            DeviceModel(
                "compute",
                "matrix engine: a command list in RAM, fetched and executed by DMA",
                (
                    Parameter("access_cycles", 1, 1, 1 << 20, "cycles of one register access"),
                    INTERRUPT,
                    Parameter("rows", 16, 1, 1024, "rows of the systolic array"),
                    Parameter("columns", 16, 1, 1024, "columns of the systolic array"),
                    choice("dataflow", ("ws", "os"), "ws", "what stays in the array: weights or outputs"),
                    choice("overlap", ("serial", "single", "double"), "double", "of a tile with the next"),
                    Parameter("scratchpad_bytes", 0x40000, 64, 1 << 30, "size of the operands' memory"),
                    Parameter("accumulator_bytes", 0x10000, 64, 1 << 30, "size of the sums' memory"),
                    Parameter(
                        "scratchpad_bytes_per_cycle",
                        64,
                        1,
                        1 << 16,
                        "bytes a cycle that the load unit writes, and that the store unit reads",
                    ),
                    Parameter(
                        "peer_latency_cycles",
                        20,
                        0,
                        1 << 20,
                        "of what another device is sent, beside the cycles of its data",
                    ),
                    Parameter("peer_bytes_per_cycle", 32, 1, 1 << 16, "that leave for other devices"),
                    Parameter("load_queue_depth", 8, 1, 1024, "LOADs that wait or are at work"),
                    Parameter("compute_queue_depth", 8, 1, 1024, "MATMULs that wait or are at work"),
                    Parameter("store_queue_depth", 8, 1, 1024, "STOREs that wait or are at work"),
                ),
            ),
        )
    }
)

DEFAULT_BASES = MappingProxyType({"echo": 0x10200000, "compute": 0x10300000})
"""Where the two devices of the default memory map live; more follow at 0x10400000, +0x100000 each."""
