# SPDX-License-Identifier: Apache-2.0
"""The one list of a run, in the order in which the device is served best, and its time.

Kernel after kernel is the order in which commands are made. The device's own model says in which order they would
start; a list in that order loads the next kernel's operands while units are busy, and lets one unit go on with the
next kernel while another one ends the last. Of both the faster one is taken.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from ..machine.machine import Device
from .command import Address, Command
from .timer import ListTimer

WINDOWS = (24, 96, 384)
"""How many commands one may pass: the more, the longer it has to wait in the device's queues."""
MOST_AHEAD = 255
"""What a command's `ahead` can say."""
MOST_COMMANDS = 40_000
"""Of a list that is ordered: longer ones are those of models whose every op keeps the device busy for long."""


@dataclass(frozen=True)
class Ordered:
    """`by_op` are the cycles that count for each kernel by its number, from 1 on; 0 is what comes before."""

    commands: tuple[Command, ...]
    cycles: int
    by_op: Mapping[int, int]


Place = Callable[[Address], int]


def ordered(
    lists: Sequence[Sequence[Command]],
    place: Place,
    device: Device,
    timer: ListTimer,
    windows: Sequence[int] = WINDOWS,
) -> Ordered:
    """The best list of kernels whose commands are given."""
    made = [(number, command) for number, mine in enumerate(lists, 1) for command in mine]
    packed = [command.at(place) for _, command in made]
    best = _timed(made, place, device, timer)
    for window in windows if len(made) <= MOST_COMMANDS else ():
        order = timer.order(device, b"".join(packed), window)
        found = _timed([made[index] for index in order], place, device, timer)
        best = min(best, found, key=lambda each: each.cycles)
    return best


def _timed(made: Sequence[tuple[int, Command]], place: Place, device: Device, timer: ListTimer) -> Ordered:
    is_alone = all(number == 1 for number, _ in made)
    commands = tuple(command for _, command in made) if is_alone else tuple(_marked(made))
    cycles, by_op = timer.by_op(device, b"".join(command.at(place) for command in commands))
    return Ordered(commands, cycles, by_op)


def _marked(made: Sequence[tuple[int, Command]]) -> Iterator[Command]:
    """The commands, each of which says for which kernel its cycles count: so many behind the last OP's."""
    least = [number for number, _ in made]
    for place in range(len(least) - 2, -1, -1):
        least[place] = min(least[place], least[place + 1])
    first = 0
    for start, (number, command) in zip(least, made, strict=True):
        if not first or number - first > MOST_AHEAD:
            first = start
            yield Command("COMMAND_OP", {"m": first})
        yield (
            replace(command, fields={**command.fields, "ahead": number - first})
            if number > first
            else command
        )
