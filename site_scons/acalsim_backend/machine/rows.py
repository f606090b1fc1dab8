# SPDX-License-Identifier: Apache-2.0
"""What a machine file may say of CPU, caches, RAM and firmware: a row a key, with its default and range."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Parameter:
    """A number that a machine file may give; inclusive range, unit in the name.

    With `choices` the file gives one of those words, and the parameter's value is its place. With `several` it
    gives one or more, and the value has the bits of their places.
    """

    name: str
    default: int
    minimum: int
    maximum: int
    description: str
    choices: tuple[str, ...] = ()
    several: bool = False


def choice(name: str, choices: tuple[str, ...], default: str, description: str) -> Parameter:
    """A Parameter that is one of several words."""
    return Parameter(name, choices.index(default), 0, len(choices) - 1, description, choices)


def some_of(name: str, choices: tuple[str, ...], description: str) -> Parameter:
    """A Parameter that is one or more of several words: all of them unless the file says less."""
    all_of_them = (1 << len(choices)) - 1
    return Parameter(name, all_of_them, 1, all_of_them, description, choices, several=True)


COMPLETION = choice(
    "completion", ("stall", "poll", "interrupt"), "stall", "how the firmware waits for devices"
)

ISAS = ("rv64gc", "rv64gcv")

LATENCIES = (
    Parameter("integer", 1, 1, 1000, "add, logic, shift, compare, lui, auipc"),
    Parameter("load", 2, 1, 1000, "4- and 8-byte loads, to first use"),
    Parameter("load_narrow", 3, 1, 1000, "1- and 2-byte loads, to first use"),
    Parameter("store", 1, 1, 1000, "stores"),
    Parameter("multiply", 4, 1, 1000, "integer multiply"),
    Parameter("divide", 34, 1, 1000, "integer divide and remainder, not pipelined"),
    Parameter("branch", 1, 1, 1000, "conditional branch"),
    Parameter("branch_mispredict", 3, 0, 1000, "added when a backward branch falls through"),
    Parameter("jump", 1, 1, 1000, "jal, jalr"),
    Parameter("f32_add", 4, 1, 1000, "float32 add and subtract"),
    Parameter("f32_multiply", 5, 1, 1000, "float32 multiply and fused multiply-add"),
    Parameter("f32_divide", 20, 1, 1000, "float32 divide and square root, not pipelined"),
    Parameter("f64_add", 6, 1, 1000, "float64 add and subtract"),
    Parameter("f64_multiply", 7, 1, 1000, "float64 multiply and fused multiply-add"),
    Parameter("f64_divide", 30, 1, 1000, "float64 divide and square root, not pipelined"),
    Parameter("float_other", 2, 1, 1000, "float compare, convert, move, sign, min, max"),
    Parameter("atomic", 5, 1, 1000, "lr, sc and amo instructions"),
    Parameter("system", 5, 1, 1000, "csr, fence, ecall and the like"),
    Parameter("trap", 10, 1, 1000, "taking an interrupt and returning from it; charged at its mret"),
    Parameter("vector", 4, 1, 1000, "vector instructions, from their first element's start to its result"),
)
"""Result latencies in cycles of the in-order, single-issue CPU; one instruction issues a cycle."""

L1I = (
    Parameter("size_bytes", 32768, 32, 1 << 26, "of all its lines"),
    Parameter("ways", 4, 1, 64, "lines of a set"),
    Parameter("line_bytes", 64, 8, 4096, "of a line, a power of two"),
    Parameter("miss_cycles", 40, 0, 1 << 20, "that the CPU stops until a line is there"),
)
L1D = (
    *L1I,
    Parameter("writeback_cycles", 0, 0, 1 << 20, "more where a written line leaves; 0: a buffer takes it"),
)
"""Caches that a machine may have; absent, an access takes its class's latency wherever it goes."""

ENERGY = (
    Parameter("mac_float32", 4_600, 0, 1 << 40, "a device's multiply-accumulate: 3.7 + 0.9 pJ"),
    Parameter("mac_int8", 300, 0, 1 << 40, "of int8 into int32: 0.2 + 0.1 pJ"),
    Parameter(
        "mac_bfloat16",
        2_000,
        0,
        1 << 40,
        "of bfloat16 into float32: 1.1, of float16 multiplication, + 0.9 pJ",
    ),
    Parameter("mac_float16", 2_000, 0, 1 << 40, "of float16 into float32: 1.1 + 0.9 pJ"),
    Parameter("scratchpad_byte", 2_500, 0, 1 << 40, "read or written: 20 pJ for 64 bits of 32 KiB"),
    Parameter("accumulator_byte", 2_500, 0, 1 << 40, "the same"),
    Parameter(
        "dram_byte", 162_500, 0, 1 << 40, "that DMA moves: 1.3 nJ for 64 bits, the least of 1.3 to 2.6"
    ),
    Parameter("vector_element", 4_600, 0, 1 << 40, "of the vector unit: a multiplication and an addition"),
    Parameter("special_element", 36_800, 0, 1 << 40, "of exp and the like: eight of those, an assumption"),
    Parameter("cpu_instruction", 70_000, 0, 1 << 40, "70 pJ, its fetch and its data's cache included"),
    Parameter("idle_cycle", 0, 0, 1 << 40, "in which the CPU waits; no figure is published"),
)
"""What an event takes, in femtojoules; machine files say picojoules. The defaults are of 45 nm at 0.9 V: M. Horowitz,
"Computing's energy problem (and what we can do about it)", ISSCC 2014, figure 1.1.9."""

RAM_SIZE = Parameter("size_bytes", 0x10000000, 0x10000, 1 << 36, "bytes of RAM")

RAM_TIMING = (
    Parameter("latency_cycles", 20, 0, 1 << 20, "cycles of a DMA transfer beside those of its bytes"),
    Parameter("bytes_per_cycle", 8, 1, 1 << 16, "bytes that a DMA channel moves in a cycle"),
    Parameter("channels", 1, 1, 256, "DMA channels side by side"),
    Parameter("interleave_bytes", 256, 1, 1 << 20, "adjacent bytes before the next channel's turn"),
    Parameter("banks", 8, 1, 1024, "banks of each channel, each with one open row"),
    Parameter("row_bytes", 0, 0, 1 << 20, "bytes of a bank's row; 0: rows do not matter"),
    Parameter("row_miss_cycles", 0, 0, 1 << 20, "cycles that a bank takes to open another row"),
)
"""How long DMA takes. A new key is a row here and its use in sim/model/dram.cc: tables.h has the rest."""
