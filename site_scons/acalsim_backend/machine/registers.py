# SPDX-License-Identifier: Apache-2.0
"""The registers of every device and the constants in them; registers that overlap are refused at import."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from ..errors import DeviceError

WINDOW_BYTES = 0x1000
"""Bytes of address space that each device occupies from its base address."""


@dataclass(frozen=True)
class Register:
    """One memory-mapped register: `offset` and `size_bytes` in bytes, `access` R, W or RW."""

    name: str
    offset: int
    access: str
    description: str
    size_bytes: int = 4

    def __str__(self) -> str:
        return f"{self.name} 0x{self.offset:02x}..0x{self.offset + self.size_bytes:02x}"


@dataclass(frozen=True)
class Flag:
    """A named constant: a bit of a register, a code or a magic number."""

    name: str
    value: int
    description: str


def refuse_overlaps(registers: tuple[Register, ...]) -> tuple[Register, ...]:
    """Return `registers`, or raise DeviceError naming the two that share bytes."""
    ordered = sorted(registers, key=lambda register: register.offset)
    for low, high in pairwise(ordered):
        if low.offset + low.size_bytes > high.offset:
            raise DeviceError(f"registers overlap: {low} and {high}")
    for register in ordered:
        if register.offset % register.size_bytes or register.offset >= WINDOW_BYTES:
            raise DeviceError(f"register {register} is misaligned or outside the window")
    return registers


REGISTERS = refuse_overlaps(
    (
        Register("DATA_IN", 0x00, "W", "data, or the address of a command list"),
        Register("DATA_OUT", 0x04, "R", "response data; commands executed, or the index of the refused one"),
        Register("STATUS", 0x08, "R", "status flags"),
        Register("CONTROL", 0x0C, "RW", "control operations"),
        Register("SIZE", 0x10, "RW", "data size in bytes"),
        Register("RESULT", 0x14, "R", "operation result: 0 or an error code"),
    )
)

STATUS_FLAGS = (
    Flag("STATUS_BUSY", 1, "device is processing"),
    Flag("STATUS_DATA_READY", 2, "response is available"),
    Flag("STATUS_ERROR", 4, "operation failed"),
)

CONTROL_FLAGS = (
    Flag("CONTROL_NOP", 0, "no operation"),
    Flag("CONTROL_START", 1, "start the operation described by DATA_IN and SIZE"),
    Flag("CONTROL_RESET", 2, "forget everything, back to the state after power-on"),
    Flag(
        "CONTROL_INTERRUPT",
        4,
        "a bit to any of them: interrupt at each end of work, until CONTROL is written without it",
    ),
)

END_OF_SIMULATION = Flag("END_OF_SIMULATION", 0xDEADBEEF, "written to the Echo device's DATA_IN")
