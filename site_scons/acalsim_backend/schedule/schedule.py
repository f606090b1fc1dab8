# SPDX-License-Identifier: Apache-2.0
"""IR in, Schedule out: which ops become one C function together, and how each tensor lies in memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from ..ir.graph import ACALSimIR, ACALSimOp, ACALSimOpType, TensorDesc
from ..ir.kernel import Kernel
from ..ir.strides import Access
from ..offload.decide import Offloaded, Target
from ..offload.operand import Matrix
from ..offload.product import Lowering
from ..offload.teams import Spread, spread
from .copies import unsettled
from .elide import settle
from .fuse import arrange


@dataclass(frozen=True)
class Schedule:
    """`ir` is the graph with the copies and paddings that were put in; `access` says where each tensor
    is found: in one of the `storages`, which are named after the tensor that fills them."""

    ir: ACALSimIR
    kernels: tuple[Kernel, ...]
    access: Mapping[str, Access]
    storages: Mapping[str, TensorDesc]
    target: Target

    @cached_property
    def producer(self) -> Mapping[str, ACALSimOp]:
        return {op.outputs[0]: op for op in self.ir.ops}

    @cached_property
    def lowering(self) -> Lowering:
        return Lowering(self.ir, self.producer, self.access)

    @cached_property
    def offloaded(self) -> Mapping[str, Offloaded]:
        """What the devices do of each kernel that runs there, by the kernel's name."""
        readers = Counter(self.access[name].storage for kernel in self.kernels for name in kernel.read)
        constants = {name for name, desc in self.storages.items() if desc.is_param and readers[name] == 1}
        teams = self.spread.teams
        return {
            kernel.name: self.target.offloaded(self.lowering, kernel, constants, teams[kernel.name])
            for kernel in self.kernels
            if kernel.device
        }

    @cached_property
    def spread(self) -> Spread:
        """Which kernels run at the same time, on which devices."""
        return spread(self.kernels, self.uses(), self.lowering, self.target)

    @property
    def packed(self) -> Mapping[str, Matrix]:
        """Constants that lie in RAM in another order than row-major."""
        return {name: matrix for each in self.offloaded.values() for name, matrix in each.packed.items()}

    def uses(self) -> list[tuple[set[str], set[str]]]:
        """For each kernel the storages that it reads and those that it writes."""
        return [
            (
                {self.access[name].storage for name in kernel.read} & self.storages.keys(),
                {self.access[name].storage for name in kernel.results},
            )
            for kernel in self.kernels
        ]


def make_schedule(ir: ACALSimIR, target: Target, keep_all: bool = False) -> Schedule:
    """Arrange the ops in kernels, then settle the tensors.

    With `keep_all` the result of every op stays in memory, fused or not, where it exists at all.
    """
    larger, kernels, access = arrange(_living(ir), target)
    _set_results(larger, kernels, access, keep_all)
    access = settle(larger, kernels, access, target)
    kernels = [kernel for kernel in kernels if _has_work(larger, kernel, access)]
    used = {access[name].storage for kernel in kernels for name in kernel.results} | {
        access[name].storage for name in larger.outputs
    }
    given = [name for name, desc in ir.tensors.items() if desc.is_input or desc.is_param]
    storages = {
        name: desc
        for name, desc in larger.tensors.items()
        if name in used or name in given or not desc.elements
    }
    return Schedule(larger, tuple(kernels), access, storages, target)


def _living(ir: ACALSimIR) -> ACALSimIR:
    """The graph without the ops that no output needs."""
    needed, living = set(ir.outputs), ACALSimIR(ir.name)
    for op in reversed(ir.ops):
        if needed & set(op.outputs):
            needed |= set(op.inputs)
            living.ops.insert(0, op)
    living.tensors = {
        name: desc for name, desc in ir.tensors.items() if name in needed or desc.is_input or desc.is_param
    }
    living.constants, living.outputs = ir.constants, ir.outputs
    return living


def _set_results(ir: ACALSimIR, kernels: list[Kernel], access: Mapping[str, Access], keep_all: bool) -> None:
    """What a kernel leaves in memory: what others read, and outputs."""
    needed = {access[name].storage for name in ir.outputs}
    for kernel in kernels:
        needed |= {access[name].storage for name in kernel.read} - kernel.written
    for kernel in kernels:
        kept = [op.outputs[0] for op in kernel.ops if keep_all and not kernel.is_in_passing(op)]
        kernel.results = tuple(
            op.outputs[0] for op in kernel.ops if op.outputs[0] in kept or op.outputs[0] in needed
        )


def _has_work(ir: ACALSimIR, kernel: Kernel, access: Mapping[str, Access]) -> bool:
    """A copy whose operands lie where it would bring them has nothing left to do; a padding has its border."""
    if not kernel.row.joins or kernel.after or kernel.anchor.op_type is ACALSimOpType.PAD:
        return bool(kernel.results)
    return bool(unsettled(ir, kernel.anchor, access))
