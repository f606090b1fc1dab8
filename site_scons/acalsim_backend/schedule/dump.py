# SPDX-License-Identifier: Apache-2.0
"""What each pass left, as text for a person: DUMP=1 writes it beside the generated code."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from ..files import write_atomic
from ..ir.graph import ACALSimOp
from ..ir.kernel import Kernel
from ..ir.strides import Access
from .passes import PASSES, Watch
from .plan import Plan


def dump_to(folder: Path) -> Watch:
    """A watch that writes `folder`/NUMBER_PASS.txt for each pass."""
    numbers = {each.name: number for number, each in enumerate(PASSES, 1)}

    def watch(name: str, plan: Plan) -> None:
        text = "\n".join([f"=== {plan.ir.name} after pass '{name}' ===", "", *TEXTS[name](plan), ""])
        write_atomic(folder / f"{numbers[name]:02}_{name}.txt", text)

    return watch


def _graph(plan: Plan) -> Iterator[str]:
    yield str(plan.ir)


def _kernels(plan: Plan) -> Iterator[str]:
    for kernel in plan.kernels:
        yield from _kernel(plan, kernel)


def _kernel(plan: Plan, kernel: Kernel) -> Iterator[str]:
    where = kernel.driven or kernel.device or "cpu"
    yield f"{kernel.name} on {where}{f' ({kernel.reason})' if kernel.reason else ''}"
    for op in kernel.ops:
        yield f"  {'> ' if op is kernel.anchor else '  '}{op}"
    for name in kernel.results:
        yield f"    leaves {_access(name, plan.access[name])}"


def _access(name: str, access: Access) -> str:
    place = f"{access.storage} + {access.offset}" if access.offset else access.storage
    return f"{name} {list(access.shape)} in {place}, strides {list(access.strides)}"


def _accesses(plan: Plan) -> Iterator[str]:
    yield "Tensors that lie in the memory of others:"
    for name, access in plan.access.items():
        if access.storage != name and access.storage in plan.storages:
            yield f"  {_access(name, access)}"
    yield "Copies that have nothing left to do:"
    working = {op.name for kernel in plan.kernels for op in kernel.ops}
    yield from (f"  {op}" for op in plan.ir.ops if op.name not in working and _is_elided(plan, op))


def _is_elided(plan: Plan, op: ACALSimOp) -> bool:
    """Whether an op had a tensor of its own and now has neither that nor a kernel."""
    return plan.access[op.outputs[0]].storage == op.outputs[0]


def _steps(plan: Plan) -> Iterator[str]:
    for number, step in enumerate(plan.teams.steps):
        yield f"{number}: {', '.join(kernel.name for kernel in step)}"
        for kernel in step:
            if kernel.device:
                each = plan.offloaded[kernel.name]
                yield f"  {kernel.name} on {each.placed_on}, {each.cycles} cycles, {each.tiling}"


def _runs(plan: Plan) -> Iterator[str]:
    yield from _steps(plan)
    for run in plan.runs:
        yield f"one program: {', '.join(run.kernels)}"
        yield from (f"  {name} stays in the scratchpad at {place:#x}" for name, place in run.homes.items())


def _places(plan: Plan) -> Iterator[str]:
    for section, size in plan.blocks.items():
        yield f"{section}: {size} bytes"
        places = [(place.offset, name, place) for name, place in plan.places.items()]
        for offset, name, place in sorted(places, key=lambda each: each[:2]):
            if place.section == section:
                yield f"  {offset:#10x} {place.size_bytes:>10} {name}"


def _lists(plan: Plan) -> Iterator[str]:
    for run in plan.runs:
        yield f"one list: {', '.join(f'{name} {plan.offloaded[name].cycles}' for name in run.kernels)} cycles"
        for place, each in enumerate(run.commands):
            fields = ", ".join(f"{name} {value}" for name, value in each.fields.items() if value)
            where = f" {each.dram.storage}+{each.dram.offset:#x}" if each.dram else ""
            yield f"  {place:>5} {each.code} {each.function}{where} {fields}"


def _claims(plan: Plan) -> Iterator[str]:
    for name, claim in plan.claims.of.items():
        yield f"{name} to {claim.device} by {claim.by.title}{f' ({claim.reason})' if claim.reason else ''}"
    yield from (f"{name} goes where it went ({why})" for name, why in plan.claims.lost.items())


TEXTS: dict[str, Callable[[Plan], Iterator[str]]] = {
    "living": _graph,
    "claim": _claims,
    "transposed": _graph,
    "fuse": _kernels,
    "elide": _accesses,
    "vector": _kernels,
    "attention": _kernels,
    "teams": _runs,
    "memory": _places,
    "order": _lists,
}
