# SPDX-License-Identifier: Apache-2.0
"""Device models and their parameters: what a machine file may say of a device, and what models are told.

A new parameter is a row here and its use in sim/model. A new model is a row, a C++ class in sim/model, and
for SST a component in sim/sst/device_component.hh.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from .board import LAST_INTERRUPT
from .commands import COMMAND_BYTES, PRODUCT_TYPES
from .rows import Parameter, choice, some_of


@dataclass(frozen=True)
class DeviceModel:
    """What `model = "..."` in a machine file may name, and what it may set there.

    With `replays` neither its time nor its answers depend on values in RAM, but for command lists.
    """

    name: str
    description: str
    parameters: tuple[Parameter, ...]
    replays: bool = False
    complaint: Callable[[Mapping[str, int]], str] = lambda parameters: ""
    """What is wrong with parameters that are each in range, taken together; empty where nothing is."""


ACCESS = Parameter("access_cycles", 1, 1, 1 << 20, "cycles of one register access")
INTERRUPT = Parameter(
    "interrupt", 0, 0, LAST_INTERRUPT, "interrupt source; 0: none, in a machine file the next free one"
)

WORDS_OF_TYPES = tuple(name.removeprefix("TYPE_").lower() for name in PRODUCT_TYPES)
MOST_RATE = 16

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
    some_of("types", WORDS_OF_TYPES, "of operands that the array multiplies, a bit for each"),
    *(
        Parameter(
            f"{word}_rate", 1, 1, MOST_RATE, f"products of {word} in the time of one of float32, along k"
        )
        for word in WORDS_OF_TYPES[1:]
    ),
    Parameter("scratchpad_bytes", 0x40000, 64, 1 << 30, "size of the operands' memory"),
    Parameter("accumulator_bytes", 0x10000, 64, 1 << 30, "size of the sums' memory"),
    Parameter(
        "scratchpad_bytes_per_cycle", 64, 1, 1 << 16, "bytes a cycle of the load and of the store unit"
    ),
    Parameter(
        "peer_latency_cycles", 20, 0, 1 << 20, "cycles to another device beside those of the bytes sent"
    ),
    Parameter(
        "load_conflict_percent", 0, 0, 100, "of the load unit's cycles at its port, that the array waits"
    ),
    Parameter("store_conflict_percent", 0, 0, 100, "of the store unit's cycles of reading, likewise"),
    Parameter("start_cycles", 0, 0, 1 << 20, "from START until the list is asked for"),
    Parameter("peer_bytes_per_cycle", 32, 1, 1 << 16, "bytes a cycle that leave for other devices"),
    Parameter("load_queue_depth", 8, 1, 1024, "LOADs that wait or are at work"),
    Parameter("compute_queue_depth", 8, 1, 1024, "MATMULs that wait or are at work"),
    Parameter("store_queue_depth", 8, 1, 1024, "STOREs and SAVEs that wait or are at work"),
    Parameter("lanes", 0, 0, 1 << 14, "elements a cycle of the vector unit; 0: there is none"),
    Parameter("special_lanes", 0, 0, 1 << 14, "elements a cycle of its functions like exp; lanes' divisor"),
    Parameter("vector_latency_cycles", 4, 0, 1000, "of the vector unit, from an element to its result"),
    Parameter("special_latency_cycles", 10, 0, 1000, "of its functions like exp"),
    Parameter("reduce_cycles", 0, 0, 1000, "that a reduction has the lanes to itself; 0: it is pipelined"),
    Parameter("vector_queue_depth", 8, 1, 1024, "commands of the vector unit that wait or are at work"),
    Parameter(
        "vector_bytes_per_cycle", 0, 0, 1 << 18, "bytes a cycle of the vector unit's port; 0: 12 a lane"
    ),
    Parameter(
        "list_buffer_bytes", 0, 0, 1 << 24, "of a list at a time, in two halves; 0: the whole list first"
    ),
)


def complaint_of_compute(parameters: Mapping[str, int]) -> str:
    """What is wrong with a compute device's parameters taken together: 'KEY is ...', or nothing."""
    lanes, special = parameters["lanes"], parameters["special_lanes"]
    if lanes and not special:
        return f"special_lanes is 0; it is at least 1 where lanes is {lanes}"
    if lanes and lanes % special:
        return f"lanes is {lanes}; it is a multiple of special_lanes, which is {special}"
    if parameters["list_buffer_bytes"] % (2 * COMMAND_BYTES):
        size = parameters["list_buffer_bytes"]
        return f"list_buffer_bytes is {size}; it is a multiple of {2 * COMMAND_BYTES}: two halves of commands"
    return ""


def product_rates(parameters: Mapping[str, int]) -> dict[str, int]:
    """How many products of each type that it multiplies a place of a compute device's array does in a cycle."""
    return {
        word: parameters.get(f"{word}_rate", 1)
        for place, word in enumerate(WORDS_OF_TYPES)
        if parameters["types"] >> place & 1
    }


DEVICE_MODELS: Mapping[str, DeviceModel] = MappingProxyType(
    {
        model.name: model
        for model in (
            DeviceModel(
                "echo",
                "answers DATA_IN in DATA_OUT after a fixed latency; ends the simulation",
                ECHO,
                replays=True,
            ),
            DeviceModel(
                "compute",
                "matrix engine: a command list in RAM, fetched and executed by DMA",
                COMPUTE,
                replays=True,
                complaint=complaint_of_compute,
            ),
        )
    }
)

DEFAULT_BASES = MappingProxyType({"echo": 0x10200000, "compute": 0x10300000})
"""Where the two devices of the default memory map live; more follow at 0x10400000, +0x100000 each."""
