# SPDX-License-Identifier: Apache-2.0
"""What is decided of a program: each pass fills in its part, and later rooms read the whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from ..ir.graph import ACALSimIR, ACALSimOp, TensorDesc
from ..ir.kernel import Kernel
from ..ir.strides import Access
from ..ir.views import read_once
from ..offload.attention.attention import Attention
from ..offload.decide import Offloaded, Target
from ..offload.operand import Matrix
from ..offload.product import Lowering
from ..offload.run import Run
from ..offload.teams import Teams
from ..offload.vector.program import Parts
from ..rules.claim import Claims


@dataclass(frozen=True)
class Place:
    """`size_bytes` at byte `offset` of the C object `symbol`, which lies in ELF section `section`."""

    section: str
    symbol: str
    offset: int
    size_bytes: int


@dataclass(frozen=True)
class Plan:
    """A program as far as the passes have come.

    `given` is the graph as it was planned. `living` leaves `ir` without the ops that no output needs. `claim` adds what the user's rules take. `fuse` adds copies and paddings to it, and
    `kernels` and `access`: where each tensor is found. `elide` drops copies and leaves `storages`, the
    memory that there is, named after the tensors that fill it. `vector` gives more kernels to a device, and
    adds their `parts`. `attention` merges kernels to `attentions`. `teams` says which kernels run at the same time, what devices do of each (`offloaded`),
    and which kernels are one program (`runs`). `memory` says where each storage lies (`places`) and how many
    bytes each ELF section takes (`blocks`).

    With `keep_all` the result of every op stays in memory, fused or not, where it exists at all.
    """

    ir: ACALSimIR
    target: Target
    keep_all: bool = False
    given: ACALSimIR = field(default_factory=lambda: ACALSimIR(""))
    claims: Claims = Claims()
    kernels: tuple[Kernel, ...] = ()
    access: Mapping[str, Access] = field(default_factory=dict)
    storages: Mapping[str, TensorDesc] = field(default_factory=dict)
    teams: Teams = Teams((), {})
    offloaded: Mapping[str, Offloaded] = field(default_factory=dict)
    parts: Mapping[str, Parts] = field(default_factory=dict)
    attentions: Mapping[str, Attention] = field(default_factory=dict)
    runs: tuple[Run, ...] = ()
    places: Mapping[str, Place] = field(default_factory=dict)
    times: Place | None = None
    """Of the clock before the loop, and after each round."""
    blocks: Mapping[str, int] = field(default_factory=dict)

    @cached_property
    def producer(self) -> Mapping[str, ACALSimOp]:
        return self.ir.producers()

    @cached_property
    def lowering(self) -> Lowering:
        return Lowering(self.ir, self.producer, self.access, read_once(self.ir), self.target.has_vector_unit)

    @cached_property
    def loop_start(self) -> int | None:
        """The first kernel of the loop; those behind it belong to it too."""
        inside = self.ir.in_loop()
        places = (index for index, kernel in enumerate(self.kernels) if inside & kernel.written)
        return next(places, None) if inside else None

    @cached_property
    def loop_step(self) -> int | None:
        """The same as a step."""
        if self.loop_start is None:
            return None
        name = self.kernels[self.loop_start].name
        return next(
            number for number, step in enumerate(self.teams.steps) if name in {kernel.name for kernel in step}
        )

    @cached_property
    def rounds(self) -> Mapping[str, int]:
        """How often each kernel is computed."""
        loop, start = self.ir.loop, self.loop_start
        within = len(self.kernels) if start is None else start
        return {
            kernel.name: loop.rounds if loop and index >= within else 1
            for index, kernel in enumerate(self.kernels)
        }

    @property
    def packed(self) -> Mapping[str, Matrix]:
        """Constants that lie in RAM in another order than row-major."""
        return {name: matrix for each in self.offloaded.values() for name, matrix in each.packed.items()}

    @property
    def only_homes(self) -> set[str]:
        """Storages that lie in the scratchpad and nowhere else."""
        return {name for run in self.runs for name in run.homes.keys() - run.kept - {*self.ir.params}}

    def homes_of(self, kernel: str) -> Mapping[str, int]:
        """Storages that lie in the scratchpad during the run that a kernel belongs to, with their addresses there."""
        return next((run.homes for run in self.runs if kernel in run.kernels), {})

    def uses(self) -> list[tuple[set[str], set[str]]]:
        """For each kernel the storages that it reads and those that it writes."""
        return [
            (
                {self.access[name].storage for name in kernel.read} & self.storages.keys(),
                {self.access[name].storage for name in kernel.results},
            )
            for kernel in self.kernels
        ]

    def place(self, tensor: str) -> Place:
        """Of an input, an output or a parameter: they fill their storages."""
        return self.places[self.access[tensor].storage]
