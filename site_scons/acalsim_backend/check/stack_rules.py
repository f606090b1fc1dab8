# SPDX-License-Identifier: Apache-2.0
"""The rule that no program overflows its stack unseen.

Below the stack lies a guard that stops who touches it. A function with a frame larger than the guard could step
over it; where there is one, the calls that need most of the stack have to fit above the guard.
"""

from __future__ import annotations

import functools
import itertools
import re
import struct
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field

from ..paths import KERNELS
from .constants import Constants
from .elf import Elf
from .layout import Layout, Violation
from .plan import MOST_VECTOR_BYTES, Promises

RA, SP, T0, S0 = 1, 2, 5, 8
"""Registers by number; a function returns to ra, or to t0 where it saves registers for another one.

s0 is the frame pointer of functions that align their frame."""
SETS_STACK = ("_start",)
"""Functions that give the stack pointer its first value."""
SAVES_REGISTERS = "__riscv_save_"
"""libgcc's functions that make a frame of at most 13 registers, in parts."""
SAVED_BYTES = 112


@functools.cache
def guard_bytes() -> int:
    """STACK_GUARD_BYTES, as the reset code has it."""
    found = re.search(r"#define STACK_GUARD_BYTES (\d+)", (KERNELS / "runtime.h").read_text())
    assert found, "kernels/runtime.h does not say STACK_GUARD_BYTES"
    return int(found[1])


@dataclass
class Function:
    """What its code does with the stack: bytes that it takes, and whom it calls. None: not known."""

    name: str
    frame_bytes: int | None = 0
    calls: set[int] = field(default_factory=set)
    calls_unknown: bool = False


def stack_cannot_jump_its_guard(layout: Layout, promises: Promises) -> Iterator[Violation]:
    if promises.stack_bytes is None:
        return
    functions = read_functions(layout.elf, promises.vector_bytes)
    large = [f for f in functions.values() if f.frame_bytes is None or f.frame_bytes > guard_bytes()]
    if not large:
        return
    worst = max(large, key=lambda f: f.frame_bytes or promises.stack_bytes or 0)
    size = "unknown size" if worst.frame_bytes is None else f"0x{worst.frame_bytes:x} bytes"
    found = f"function '{worst.name}' has a stack frame of {size}, which could step over the guard"
    needed = Depths(functions).needed(layout.elf)
    available = promises.stack_bytes - guard_bytes()
    if needed is None:
        yield Violation(0, f"{found} of 0x{guard_bytes():x}, and how deep calls go is not known")
    elif needed > available:
        yield Violation(
            0,
            f"{found} of 0x{guard_bytes():x}: calls may need 0x{needed:x} bytes of stack, above its guard there are "
            f"0x{max(available, 0):x}; a larger one is firmware.stack_bytes in the machine file",
        )


class Depths:
    """How much of the stack calls need, from the function that is called on."""

    def __init__(self, functions: dict[int, Function]):
        self._functions = functions
        self._found: dict[int, int | None] = {}

    def needed(self, elf: Elf) -> int | None:
        """By the program and an interrupt in its deepest call; None where that is not known."""
        roots = [elf.e_entry, *filter(None, [elf.value("interrupt_entry")])]
        depths = [self.of(address) for address in roots]
        return sum(depth for depth in depths if depth is not None) if None not in depths else None

    def of(self, address: int) -> int | None:
        function = self._functions.get(address)
        if function is None or function.frame_bytes is None or function.calls_unknown:
            return None
        if address not in self._found:
            self._found[address] = None  # who calls itself has no bound
            depths = [self.of(callee) for callee in function.calls]
            if None not in depths:
                self._found[address] = function.frame_bytes + max(
                    (d for d in depths if d is not None), default=0
                )
        return self._found[address]


def read_functions(elf: Elf, vector_bytes: int = MOST_VECTOR_BYTES) -> dict[int, Function]:
    """The program's functions by address, from its code. What has no symbol belongs to what lies before it.

    `vector_bytes` is how large a vector register is.
    """
    names = {symbol.st_value: name for name, symbol in elf.symbols.items() if symbol.st_size}
    functions: dict[int, Function] = {}
    for address, code in elf.code.items():
        starts = sorted(start for start in names if address <= start < address + len(code))
        for start, end in itertools.pairwise([*starts, address + len(code)]):
            functions[start] = _Reader(start, code[start - address : end - address], vector_bytes).read(
                names[start]
            )
    starts = sorted(functions)
    for function in functions.values():
        owners = {starts[max(bisect_right(starts, target) - 1, 0)] for target in function.calls}
        function.calls = owners
    return functions


_JAL_BITS = ((31, 20), *((21 + i, 1 + i) for i in range(10)), (20, 11), *((12 + i, 12 + i) for i in range(8)))


class _Reader:
    """Goes through a function's instructions and notes those that move the stack pointer or leave the function."""

    def __init__(self, start: int, code: bytes, vector_bytes: int):
        self._constants = Constants(vector_bytes)
        self._start, self._code = start, code
        self._function = Function("")
        self._pointers: dict[int, int] = {}  # what auipc has set, in the instruction before

    def read(self, name: str) -> Function:
        self._function = Function(name)
        at = 0
        while at + 2 <= len(self._code):
            pointers = self._pointers
            (half,) = struct.unpack_from("<H", self._code, at)
            if half & 3 != 3:
                self._short(self._start + at, half)
                self._constants.short(half)
                at += 2
            elif at + 4 <= len(self._code):
                (word,) = struct.unpack_from("<I", self._code, at)
                self._long(self._start + at, word)
                self._constants.long(word)
                at += 4
            else:
                break
            if self._pointers is pointers:
                self._pointers = {}
        if name in SETS_STACK:
            self._function.frame_bytes = 0
        elif name.startswith(SAVES_REGISTERS):
            self._function.frame_bytes = SAVED_BYTES
        return self._function

    def _short(self, pc: int, half: int) -> None:
        register = half >> 7 & 31
        if half & 0xEF83 == 0x6101:  # c.addi16sp
            self._move(_signed(half, (12, 9), (6, 4), (5, 6), (4, 8), (3, 7), (2, 5)))
        elif half & 0xEF83 == 0x0101:  # c.addi sp
            self._move(_signed(half, (12, 5), (6, 4), (5, 3), (4, 2), (3, 1), (2, 0)))
        elif half & 0xE003 == 0xA001:  # c.j
            bits = (
                (12, 11),
                (11, 4),
                (10, 9),
                (9, 8),
                (8, 10),
                (7, 6),
                (6, 7),
                (5, 3),
                (4, 2),
                (3, 1),
                (2, 5),
            )
            self._leave(pc + _signed(half, *bits))
        elif half & 0xF07F == 0x9002 and register:  # c.jalr
            self._call(register, 0)
        elif half & 0xFFFF == 0x8122:  # c.mv sp, s0: back to where the frame pointer is
            return
        elif half & 0xFF83 == 0x9102 and half >> 2 & 31:  # c.add sp
            self._move(self._constants[half >> 2 & 31])
        elif half & 0xFF83 == 0x8102 and half >> 2 & 31:  # c.mv to sp
            self._function.frame_bytes = None

    def _long(self, pc: int, word: int) -> None:
        opcode, to, source = word & 127, word >> 7 & 31, word >> 15 & 31
        immediate = (word >> 20) - (word >> 31 << 12)
        if opcode == 0x6F:  # jal
            target = pc + _signed(word, *_JAL_BITS)
            self._function.calls.add(target) if to == RA else self._leave(target)
        elif opcode == 0x67 and (to == RA or source in self._pointers):  # jalr
            self._call(source, immediate)
        elif opcode == 0x17:  # auipc
            self._pointers = {to: pc + (word & 0xFFFFF000) - (word >> 31 << 32)}
        elif opcode == 0x13 and to == source == SP:  # addi sp, sp; andi sp, sp, which aligns it
            self._move(immediate)
        elif opcode == 0x13 and to == SP and source == S0 and not word >> 12 & 7:  # addi sp, s0
            self._reach(-immediate)
        elif opcode == 0x33 and to == source == SP and word >> 25 in (0, 32) and not word >> 12 & 7:
            distance = self._constants[word >> 20 & 31]
            self._move(None if distance is None else -distance if word >> 25 else distance)  # sub, add
        elif to == SP and opcode in (0x13, 0x1B, 0x33, 0x3B, 0x37):  # computed otherwise
            self._function.frame_bytes = None

    def _move(self, distance: int | None) -> None:
        if distance is None:
            self._function.frame_bytes = None
        elif distance < 0 and self._function.frame_bytes is not None:
            self._function.frame_bytes -= distance

    def _reach(self, depth: int) -> None:
        """The stack pointer becomes the frame pointer, which is where it was at the call, less `depth`."""
        if self._function.frame_bytes is not None:
            self._function.frame_bytes = max(self._function.frame_bytes, depth)

    def _leave(self, target: int) -> None:
        """A jump; one within the function is none of its calls."""
        if not self._start <= target < self._start + len(self._code):
            self._function.calls.add(target)

    def _call(self, register: int, offset: int) -> None:
        if register in self._pointers:
            self._function.calls.add(self._pointers[register] + offset)
        else:
            self._function.calls_unknown = True


def _signed(word: int, *bits: tuple[int, int]) -> int:
    """A number whose bits (from, to) lie scattered in an instruction; the first is its sign."""
    value = sum((word >> source & 1) << target for source, target in bits)
    sign = 1 << bits[0][1]
    return value - 2 * sign if value & sign else value
