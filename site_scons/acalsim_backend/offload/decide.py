# SPDX-License-Identifier: Apache-2.0
"""A machine's compute devices as the compiler sees them: what may go there, what pays, in which tiling."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from ..alignment import ALIGNMENT
from ..cost.kernels import kernel_cycles
from ..errors import PlanError, UnfitError
from ..ir.graph import ACALSimIR, ACALSimOp
from ..ir.kernel import Kernel
from ..ir.ops import ROWS
from ..machine.machine import Device, Machine
from ..machine.models import product_rates
from .attention.attention import Attention
from .attention.choose import AttentionChooser
from .attention.program import attention_commands
from .command import Command, packed
from .command_list import fits, program
from .depthwise import depthwise, is_depthwise
from .neighbours import neighbours
from .operand import Image, Matrix
from .places import addresses, anonymous, spread
from .product import Lowering, Product, unfit
from .sharing import Sharing, planes_of, rest_of, shared
from .tile import Room, Tiling
from .tiling import Search
from .tiling_file import Choices, told
from .timer import ListTimer
from .vector.program import Parts, commands
from .vector.steps import Unfit

TIMED = 8
"""Tilings of a product that the device's own model times; the estimate ranks them."""
SHORT_LIST = 64
"""Commands of a list that is improved step by step."""
STARTS = 2
"""Tilings that are improved so."""
DRIVER_CYCLES = 40
"""Of the CPU, to start a list and to wait for it."""
COPY_CYCLES = 8
"""Of the CPU for each element that it copies from one layout to another; see bench/instructions.py."""


Team = tuple[Device, ...]
"""Devices that are alike, among which the blocks of a product are divided."""


Lists = tuple[tuple[Device, tuple[Command, ...]], ...]
"""The commands of each device."""


@dataclass(frozen=True)
class Case:
    """What decides about a tiling: the product, what the user chose, the devices' kind and number."""

    product: Product
    given: tuple[tuple[str, int | str], ...]
    kind: tuple[object, ...]
    team: int
    room: Room | None


@dataclass(frozen=True)
class Offloaded:
    """A kernel on devices: the command list of each, and how its constants lie in RAM.

    What the vector unit computes is no product and has no tiling.
    """

    product: Product | None
    tiling: Tiling | None
    lists: Lists
    cycles: int | None
    packed: Mapping[str, Matrix]

    @property
    def placed_on(self) -> str:
        return ",".join(device.name for device, _ in self.lists)


def _in_blocks(device: Device) -> Device:
    """The device with as much of its memories as blocks can take, which begin at multiples of ALIGNMENT."""
    given = device.parameters
    sizes = {name: given[name] // ALIGNMENT * ALIGNMENT for name in ("scratchpad_bytes", "accumulator_bytes")}
    return device if sizes.items() <= given.items() else replace(device, parameters={**given, **sizes})


class Target:
    """A machine's compute devices. What goes there at all is decided by the first one's cycles.

    Nothing is placed on a machine without a compute device. `timer` times tilings on the machine's devices;
    `choices` are the user's. Of `devices`, the machine's others stay idle.
    """

    def __init__(
        self,
        machine: Machine,
        timer: ListTimer | None = None,
        choices: Choices | None = None,
        devices: Team | None = None,
    ):
        self.machine, self.choices = machine, choices or {}
        self.devices = tuple(map(_in_blocks, machine.devices_of("compute") if devices is None else devices))
        if self.devices and timer is None:
            raise PlanError(f"machine '{machine.name}' has a compute device; planning for it takes a timer")
        self._timer = timer
        self._legal: dict[Case, list[Tiling]] = {}
        self._timed: dict[tuple[object, ...], int] = {}
        self._shares: dict[tuple[object, ...], tuple[Sharing, int] | None] = {}
        self._chosen: dict[Case, tuple[Tiling, int] | None] = {}

    @property
    def has_vector_unit(self) -> bool:
        return bool(self.devices) and has_lanes(self.devices[0])

    @property
    def makes_runs(self) -> bool:
        """Whether kernels that follow each other become one program: of a single device with a vector unit."""
        return self.has_vector_unit and len(self.devices) == 1

    def alone(self) -> Iterator[Target]:
        """One device of several by itself, one of each kind, where it makes runs of what all make kernel by kernel."""
        kinds = {device.kind: device for device in reversed(self.devices)} if len(self.devices) > 1 else {}
        for device in kinds.values():
            if has_lanes(device):
                yield Target(self.machine, self._timer, self.choices, (device,))

    @property
    def timer(self) -> ListTimer:
        assert self._timer, "only a machine with a compute device has products to time"
        return self._timer

    @cached_property
    def attention(self) -> AttentionChooser:
        return AttentionChooser(self.machine, self.timer)

    def refusal(self, lowering: Lowering, op: ACALSimOp, copied: int = 0) -> str | None:
        """Why an op stays on the CPU; None if it goes to the device.

        `copied` is the number of elements that the CPU would have to copy for the device first.
        """
        choice = self.choices.get(op.name)
        if choice and choice.get("on") == "cpu":
            return "the tiling file says so"
        product, reason = self._product(lowering, op, choice or {})
        if product is None or choice:
            return reason
        overhead = DRIVER_CYCLES + copied * COPY_CYCLES - self._shared_start(lowering)
        return self._loss(lowering.ir, op, product, overhead)

    def insist(self, op: ACALSimOp, reason: str) -> None:
        """Raise UnfitError where the user has chosen how a device computes an op, which it cannot."""
        choice = self.choices.get(op.name)
        if choice and choice.get("on") != "cpu":
            raise UnfitError(
                f"the tiling file has {told(choice)} for op '{op.name}', "
                f"which cannot go to the device: {reason}"
            )

    def _loss(self, ir: ACALSimIR, op: ACALSimOp, product: Product, overhead: int) -> str | None:
        """Why the first device would lose against the CPU; None as soon as one tiling wins.

        `overhead` is what the CPU has to do for the device, in cycles, less what the op shares with others.
        """
        cpu, team, fastest = kernel_cycles(self.machine, ir, op), self.devices[:1], None
        for tiling in self._tilings(product, op.name)[:TIMED]:
            device = self._cycles(anonymous(product), tiling, team) + overhead
            if device < cpu:
                return None
            fastest = device if fastest is None else min(fastest, device)
        return f"{fastest} cycles on the device, about {cpu} on the CPU"

    def _shared_start(self, lowering: Lowering) -> int:
        """Cycles of a start that an op does not pay alone: its run has other ops, which need the same one."""
        start = int(self.devices[0].parameters["start_cycles"])
        if not (start and self.makes_runs):
            return 0
        rows = ((op.name, ROWS[op.op_type]) for op in lowering.producer.values())
        anchors = (name for name, row in rows if not (row.movement or row.is_elementwise))
        first = next(anchors, None)
        return start if any(name != first for name in anchors) else 0

    def _product(
        self, lowering: Lowering, op: ACALSimOp, choice: Mapping[str, int | str]
    ) -> tuple[Product | None, str | None]:
        """An op as a product that fits the device, or why it is none, whether or not that would pay."""
        if not self.devices:
            return None, "the machine has no compute device"
        reason = unfit(lowering.ir, op) or self._type_missing(lowering.ir, op)
        if reason:
            return None, reason
        product = lowering.product(Kernel(op))
        if product is None:
            return None, "its operands' layout is beyond the device's commands"
        k = int(choice.get("k", product.k))
        if k < product.k and k % product.taps:
            kernel = "kernel of one element" if product.taps == 1 else f"kernel of {product.taps} elements"
            return None, f"k is a multiple of {product.taps} or at least {product.k}, for a {kernel}"
        if not self._tilings(product, op.name):
            return None, "no block of it fits the device's memories"
        return product, None

    def _type_missing(self, ir: ACALSimIR, op: ACALSimOp) -> str | None:
        """Why the array does not multiply what the op does; None where it does."""
        dtype, types = ir.tensors[op.inputs[0]].dtype, product_rates(self.devices[0].parameters)
        return None if dtype in types else f"the array multiplies {', '.join(types)}, not {dtype}"

    def takes(self, lowering: Lowering, kernel: Kernel) -> bool:
        """Whether the kernel, with all that is fused behind it, is a product that the device can compute."""
        product = lowering.product(kernel)
        return product is not None and bool(self._tilings(product, kernel.name))

    def choose(
        self, product: Product, op: str = "", team: Team = (), room: Room | None = None
    ) -> tuple[Tiling, int] | None:
        """The fastest tiling and its cycles, as far as the user has not chosen. None if nothing fits.

        The cycles are those of a team, as a rule of the first device alone, from START until the CPU has
        seen the end. Blocks take no more than `room` of the memories.
        """
        team = team or self.devices[:1]
        case = self._case(product, op, team, room)
        if case not in self._chosen:
            tilings = self._tilings(product, op, team, room)[:TIMED]
            timed = [(self._cycles(case.product, tiling, team), tiling) for tiling in tilings]
            starts = sorted(timed, key=lambda each: each[0])[:STARTS]
            ends = [self._climbed(case, team, *start) for start in starts]
            self._chosen[case] = min(ends, key=lambda each: each[1], default=None)
        return self._chosen[case]

    def _climbed(self, case: Case, team: Team, cycles: int, tiling: Tiling) -> tuple[Tiling, int]:
        """The best of a tiling's neighbours, of its neighbours in turn, until none is better.

        Of short lists only: there it is start and end that matter, which the search's estimate does not
        know well, and timing takes no time.
        """
        while len(lists_of(case.product, tiling, team)[0][1]) <= SHORT_LIST:
            near = neighbours(case.product, tiling, within(team[0], case.room), dict(case.given))
            timed = [(self._cycles(case.product, each, team), each) for each in near]
            best = min(timed, key=lambda each: each[0], default=(cycles, tiling))
            if best[0] >= cycles:
                break
            cycles, tiling = best
        return tiling, cycles

    def _tilings(self, product: Product, op: str, team: Team = (), room: Room | None = None) -> list[Tiling]:
        """The most promising tilings that are legal, best first by the search's estimate."""
        team = team or self.devices[:1]
        case = self._case(product, op, team, room)
        if case not in self._legal:
            device = within(team[0], room)
            search = Search(case.product, self.machine, device, dict(case.given), len(team))
            self._legal[case] = [each for each in search.best(4 * TIMED) if fits(case.product, each)]
        return self._legal[case]

    def _case(self, product: Product, op: str, team: Team, room: Room | None) -> Case:
        given = {name: value for name, value in self.choices.get(op, {}).items() if name != "on"}
        return Case(anonymous(product), tuple(given.items()), team[0].kind, len(team), room)

    @staticmethod
    def packed_for(product: Product, tiling: Tiling) -> tuple[Product, dict[str, Matrix]]:
        return with_packed(product, tiling)

    def _cycles(self, product: Product, tiling: Tiling, team: Team) -> int:
        """Of an anonymous product by the devices' model, the operands side by side in RAM."""
        key = (product, tiling, team[0].kind, len(team))
        if key not in self._timed:
            lists = lists_of(with_packed(product, tiling)[0], tiling, team)
            place = addresses(product, self.machine.ram.origin, team[0].base)
            devices = [device for device, _ in lists]
            self._timed[key] = self.timer.cycles(devices, [packed(each, place) for _, each in lists])
        return self._timed[key]

    def timed(self, offloaded: Offloaded) -> int:
        """The cycles of what a team does, with the driver's for each list."""
        devices = [device for device, _ in offloaded.lists]
        storages = {each.dram.storage for _, commands in offloaded.lists for each in commands if each.dram}
        place = spread(storages, self.machine.ram.origin).__getitem__
        lists = [packed(commands, place) for _, commands in offloaded.lists]
        return self.timer.cycles(devices, lists) + DRIVER_CYCLES * len(lists)

    def share(self, product: Product, room: Room) -> tuple[Sharing, int] | None:
        """How a depthwise convolution is best shared with the vector unit, and its cycles; None if it cannot be."""
        if not self.has_vector_unit or not is_depthwise(product):
            return None
        case, device = anonymous(product), self.devices[0]
        key = (case, room, device.kind)
        if key not in self._shares:
            place = addresses(case, self.machine.ram.origin, device.base)
            timed = [
                (sharing, self.timer.cycles([device], [packed(found.commands, place)]))
                for sharing in self._sharings(case, room)
                if (found := shared(case, sharing, room.scratchpad_bytes))
            ]
            self._shares[key] = min(timed, key=lambda each: each[1], default=None)
        return self._shares[key]

    def _by_lanes(self, product: Product, team: Team) -> tuple[Lists, int] | None:
        """The lists of a depthwise convolution by the vector units of a team, and their cycles."""
        if not self.has_vector_unit or not is_depthwise(product):
            return None
        size = team[0].parameters["scratchpad_bytes"]

        def lists(case: Product) -> Lists:
            shares = ((device, depthwise(case, 0, size, (n, len(team)))) for n, device in enumerate(team))
            return tuple((device, tuple(found[0])) for device, found in shares if found and found[0])

        case = anonymous(product)
        timed, place = lists(case), addresses(case, self.machine.ram.origin, team[0].base)
        if not timed:
            return None
        cycles = self.timer.cycles(
            [device for device, _ in timed], [packed(each, place) for _, each in timed]
        )
        return lists(product), cycles

    def _sharings(self, product: Product, room: Room) -> Iterator[Sharing]:
        half = Room(room.scratchpad_bytes // 2, room.accumulator_bytes)
        first, *others = planes_of(product)
        yield Sharing(first, None)
        rest = self.choose(rest_of(product, others[-1]), room=half) if others else None
        if rest:
            yield from (Sharing(planes, rest[0]) for planes in others)

    def computed(self, parts: Parts, team: Team) -> Offloaded:
        """The lists of what the vector units of a team compute."""
        size = team[0].parameters["scratchpad_bytes"]
        shares = ((device, commands(parts, {}, 0, size, (n, len(team)))[0]) for n, device in enumerate(team))
        lists = tuple((device, tuple(found)) for device, found in shares if found)
        return Offloaded(None, None, lists, None, {})

    def attended(self, attention: Attention, team: Team) -> Offloaded:
        """The lists of an attention whose tiles a team shares."""
        parameters = team[0].parameters
        room = Room(parameters["scratchpad_bytes"], parameters["accumulator_bytes"])
        chosen = self.attention.choose(attention, {}, team, room)
        if chosen is None:
            raise Unfit("no tile of it fits the device's memories")
        tiling, cycles = chosen
        shares = (
            (device, tuple(attention_commands(attention, tiling, {}, share=(number, len(team)))))
            for number, device in enumerate(team)
        )
        return Offloaded(None, None, tuple(each for each in shares if each[1]), cycles, {})

    def offloaded(self, lowering: Lowering, kernel: Kernel, team: Team) -> Offloaded:
        """The lists of a kernel, and the constants whose order in RAM they change."""
        product = lowering.product(kernel)
        chosen = self.choose(product, kernel.name, team) if product else None
        if product is None or chosen is None:
            raise PlanError(f"kernel '{kernel.name}' was given to a device that cannot compute it")
        tiling, cycles = chosen
        by_lanes = None if kernel.name in self.choices else self._by_lanes(product, team)
        if by_lanes and by_lanes[1] < cycles:
            return Offloaded(product, None, by_lanes[0], by_lanes[1], {})
        product, moved = with_packed(product, tiling)
        return Offloaded(product, tiling, lists_of(product, tiling, team), cycles, moved)


def has_lanes(device: Device) -> bool:
    return device.parameters.get("lanes", 0) > 0


def within(device: Device, room: Room | None) -> Device:
    """The device with no more memory than the room's."""
    return device if room is None else replace(device, parameters={**device.parameters, **vars(room)})


def lists_of(product: Product, tiling: Tiling, team: Team) -> Lists:
    """Of those devices of a team that get blocks."""
    lists = (
        (device, tuple(program(product, tiling, (index, len(team))))) for index, device in enumerate(team)
    )
    return tuple((device, commands) for device, commands in lists if commands)


def with_packed(product: Product, tiling: Tiling) -> tuple[Product, dict[str, Matrix]]:
    """The product with its constant operands in the order of their blocks, and those as they were."""
    moved = {}
    for name, lines in (("a", tiling.m), ("b", tiling.columns)):
        operand = getattr(product, name)
        if isinstance(operand, Image) or not operand.is_constant or product.batches > 1:
            continue
        in_panels = (
            operand.by_lines and tiling.k >= operand.depth or not operand.by_lines and lines >= operand.lines
        )
        dense = (operand.line_stride, operand.k_stride) in ((operand.depth, 1), (1, operand.lines))
        if dense and not in_panels:
            moved[operand.storage] = replace(operand, packed=(lines, tiling.k))
            product = replace(product, **{name: moved[operand.storage]})
    return product, moved
