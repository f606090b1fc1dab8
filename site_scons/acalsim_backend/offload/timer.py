# SPDX-License-Identifier: Apache-2.0
"""Times command lists by the devices' own model, which is handed in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from ..errors import TimingError
from ..machine.commands import COMMAND_BYTES, ERROR_CODES
from ..machine.machine import Device, Machine


class Engine(Protocol):
    """The part of the embedded engine that times lists without computing values."""

    def list_cycles(
        self,
        model: str,
        parameters: Sequence[Mapping[str, int]],
        ram: Mapping[str, int],
        lists: Sequence[bytes],
        bases: Sequence[int],
    ) -> tuple[Sequence[tuple[int, int]], int, Mapping[int, int]]: ...

    def list_order(
        self,
        model: str,
        parameters: Mapping[str, int],
        ram: Mapping[str, int],
        list: bytes,
        base: int,
        window: int,
    ) -> Sequence[int]: ...


class ListTimer:
    """Times command lists on devices of a machine, by the model that simulations use."""

    def __init__(self, machine: Machine, engine: Engine):
        self.machine, self.engine = machine, engine

    def cycles(self, devices: Sequence[Device], lists: Sequence[bytes]) -> int:
        """The cycles of one list a device, from the first START until the CPU has read that the last ended.

        The lists are started one after the other. Raises TimingError for a list that its device refuses.
        """
        return self._timed(devices, lists)[0]

    def by_op(self, device: Device, commands: bytes) -> tuple[int, Mapping[int, int]]:
        """The cycles of a list, and those in which the device was busy by the op that they count for."""
        return self._timed([device], [commands])

    def order(self, device: Device, commands: bytes, window: int) -> Sequence[int]:
        """The places of a list's commands in the order in which the device is served best.

        None passes more than `window` others. A model that has no opinion leaves them as they are.
        """
        order = self.engine.list_order(
            device.model, dict(device.parameters), self.machine.ram.timing, commands, device.base, window
        )
        return order or range(len(commands) // COMMAND_BYTES)

    def _timed(self, devices: Sequence[Device], lists: Sequence[bytes]) -> tuple[int, Mapping[int, int]]:
        results, cycles, by_op = self.engine.list_cycles(
            devices[0].model,
            [dict(device.parameters) for device in devices],
            self.machine.ram.timing,
            list(lists),
            [device.base for device in devices],
        )
        for device, commands, (error, index) in zip(devices, lists, results, strict=True):
            if error:
                name = next((flag.name for flag in ERROR_CODES if flag.value == error), error)
                count = len(commands) // COMMAND_BYTES
                raise TimingError(f"device '{device.name}' refuses command {index} of {count}: {name}")
        return cycles, by_op
