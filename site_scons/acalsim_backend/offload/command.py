# SPDX-License-Identifier: Apache-2.0
"""Commands of the compute device whose addresses in RAM are not known yet."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from ..ir.literals import literal
from ..machine.commands import COMMAND_FLAGS, COMMANDS, ELEMENT_TYPES, pack_command
from ..machine.functions import FUNCTIONS

CODES = {
    **{flag.name: flag.value for flag in (*COMMANDS, *ELEMENT_TYPES)},
    **{flag.name: flag.value for flag in COMMAND_FLAGS},
    **{function.name: function.value for function in FUNCTIONS},
}


@dataclass(frozen=True)
class Address:
    """Byte `offset` of a storage."""

    storage: str
    offset: int = 0
    in_ram: bool = False
    """Whether the storage's place in RAM is meant though it lies in the scratchpad, too."""


@dataclass(frozen=True)
class Command:
    """`code` is COMMAND_..., `type` TYPE_..., `flags` FLAG_...; `fields` are those that are not 0.

    Of a command for the vector unit `types` are those of A, B and C, and `function` is FUNCTION_...
    """

    code: str
    fields: Mapping[str, int | float]
    dram: Address | None = None
    type: str = "TYPE_FLOAT32"
    flags: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    function: str = ""

    def packed(self, address: Callable[[str], int]) -> bytes:
        """As the device reads it; `address` gives the place of each storage."""
        return self.at(lambda each: address(each.storage) + each.offset)

    def at(self, address: Callable[[Address], int]) -> bytes:
        """As the device reads it; `address` gives the place of each Address."""
        flags = sum(CODES[flag] for flag in self.flags)
        place = {"dram": address(self.dram)} if self.dram else {}
        more = {"k": CODES[self.function]} if self.function else {}
        return pack_command(
            code=CODES[self.code], type=self._type(), flags=flags, **place, **self.fields, **more
        )

    def _type(self) -> int:
        """Of three operands, a digit of base 16 each, A's last."""
        if not self.types:
            return CODES[self.type]
        return sum(CODES[each] << 4 * place for place, each in enumerate(self.types))

    def c_text(self, address: Callable[[Address], str]) -> str:
        """As an initialiser of struct DeviceCommand."""
        parts = [f".code = {self.code}"]
        parts += (
            [f".type = {self._type():#x}" if self.types else f".type = {self.type}"] if self._type() else []
        )
        parts += [f".flags = {' | '.join(self.flags)}"] if self.flags else []
        parts += [f".k = {self.function}"] if self.function else []
        parts += [f".dram = {address(self.dram)}"] if self.dram else []
        parts += [f".{name} = {literal(value)}" for name, value in self.fields.items() if value]
        return "{" + ", ".join(parts) + "}"


def packed(commands: Iterable[Command], address: Callable[[str], int]) -> bytes:
    return b"".join(command.packed(address) for command in commands)
