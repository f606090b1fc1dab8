# SPDX-License-Identifier: Apache-2.0
"""Numbers that straight code puts into registers: instructions in, what is known of registers kept.

Compilers compute the size of a large frame so, and that of one with vectors, which counts in vlenb.
"""

from __future__ import annotations

VLENB = 0xC22


class Constants:
    """What registers hold since the last branch, as far as it is known."""

    def __init__(self, vector_bytes: int):
        self._known: dict[int, int] = {0: 0}
        self._vector_bytes = vector_bytes

    def __getitem__(self, register: int) -> int | None:
        return self._known.get(register)

    def short(self, half: int) -> None:
        """After a compressed instruction."""
        quadrant, kind, to, other = half & 3, half >> 13, half >> 7 & 31, half >> 2 & 31
        immediate = other - (half >> 12 & 1) * 32
        match quadrant, kind:
            case 1, 2:  # c.li
                self._set(to, immediate)
            case 1, 3 if to != 2:  # c.lui
                self._set(to, immediate << 12)
            case 1, 0:  # c.addi
                self._set(to, self._sum(self[to], immediate))
            case 1, 1:  # c.addiw
                self._set(to, _word(self._sum(self[to], immediate)))
            case 2, 0:  # c.slli
                value = self[to]
                self._set(to, None if value is None else value << (immediate & 63))
            case 2, 4 if other:  # c.mv, c.add
                before = self[to] if half >> 12 & 1 else 0
                self._set(to, self._sum(before, self[other]))
            case (1, 5 | 6 | 7) | (2, 4):  # jumps and branches
                self._forget()
            case _:  # what it writes is one of these
                for register in (to, 8 + (half >> 2 & 7), 8 + (half >> 7 & 7)):
                    self._set(register, None)

    def long(self, word: int) -> None:
        """After an instruction of 32 bits."""
        opcode, to, kind = word & 127, word >> 7 & 31, word >> 12 & 7
        one, other, immediate = self[word >> 15 & 31], self[word >> 20 & 31], _signed_12(word)
        match opcode:
            case 0x63 | 0x67 | 0x6F:  # branches and jumps
                self._forget()
            case 0x37:
                self._set(to, (word & 0xFFFFF000) - (word >> 31 << 32))
            case 0x13 if kind == 0:
                self._set(to, self._sum(one, immediate))
            case 0x1B if kind == 0:
                self._set(to, _word(self._sum(one, immediate)))
            case 0x13 if kind == 1:
                self._set(to, None if one is None else one << (immediate & 63))
            case 0x33 if word >> 25 in (0, 1, 32) and kind == 0:
                self._set(to, _combined(word >> 25, one, other))
            case 0x73 if kind == 2 and word >> 20 == VLENB:
                self._set(to, self._vector_bytes)
            case _:
                self._set(to, None)

    def _set(self, register: int, value: int | None) -> None:
        if register and value is not None:
            self._known[register] = value
        elif register:
            self._known.pop(register, None)

    def _forget(self) -> None:
        self._known = {0: 0}

    @staticmethod
    def _sum(one: int | None, other: int | None) -> int | None:
        return None if one is None or other is None else one + other


def _combined(kind: int, one: int | None, other: int | None) -> int | None:
    """add, mul or sub, by the instruction's highest bits."""
    if one is None or other is None:
        return None
    return {0: one + other, 1: one * other, 32: one - other}[kind]


def _word(value: int | None) -> int | None:
    return None if value is None else (value + (1 << 31)) % (1 << 32) - (1 << 31)


def _signed_12(word: int) -> int:
    return (word >> 20) - (word >> 31 << 12)
