# SPDX-License-Identifier: Apache-2.0
"""What goes round a graph's loop: whose memory is whose, and what has to be copied from round to round."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from ..ir.graph import Carried
from ..ir.kernel import Kernel
from .in_place import over
from .plan import Plan


@dataclass(frozen=True)
class Copies:
    """(from, to) of the tensors that the CPU copies before the first round, and at the end of each."""

    before: tuple[tuple[str, str], ...]
    after: tuple[tuple[str, str], ...]


def takes_over(plan: Plan) -> Mapping[str, str]:
    """By storage the one whose memory it is: so a cache stays where it is.

    A result of the graph keeps its own, and everything where all is kept. Nobody reads the loop's input any
    more when the CPU writes the next one's elements, or it is the one who reads it, and does so element by element.
    """
    if plan.keep_all:
        return {}
    found = {}
    storage_of = {name: plan.access[name].storage for name in plan.ir.outputs}
    shown = {storage_of[name] for name in plan.ir.results}
    for each in plan.ir.loop.carried if plan.ir.loop else ():
        first, last = storage_of[each.first], storage_of[each.last]
        root = each.entry
        if _alone(storage_of, last, each.last, plan.ir.results) and _may_write_over(plan, each, last):
            root = last if last in shown else each.entry
            found[each.entry if root == last else last] = root
        if _alone(storage_of, first, each.first):
            found[first] = root
    return found


def copies(plan: Plan) -> Copies:
    """What does not take over the memory."""
    roots = takes_over(plan)
    carried = plan.ir.loop.carried if plan.ir.loop else ()

    def moved(name: str, entry: str) -> bool:
        storage = plan.access[name].storage
        return roots.get(storage, storage) != roots.get(entry, entry)

    return Copies(
        tuple((each.first, each.entry) for each in carried if moved(each.first, each.entry)),
        tuple((each.last, each.entry) for each in carried if moved(each.last, each.entry)),
    )


def _alone(storage_of: Mapping[str, str], storage: str, name: str, shared: Collection[str] = ()) -> bool:
    """Whether a storage is that output's alone, or is `shared` outputs' besides."""
    return all(other == name or other in shared for other, place in storage_of.items() if place == storage)


def _may_write_over(plan: Plan, each: Carried, last: str) -> bool:
    uses = dict(zip((kernel.name for kernel in plan.kernels), plan.uses(), strict=True))
    step_of = {kernel.name: number for number, step in enumerate(plan.teams.steps) for kernel in step}
    writers = [kernel for kernel in plan.kernels if last in uses[kernel.name][1]]
    readers = [kernel for kernel in plan.kernels if each.entry in uses[kernel.name][0]]
    if len(writers) != 1 or writers[0].device or writers[0].driven:
        return False
    (writer,) = writers
    before = all(step_of[kernel.name] < step_of[writer.name] for kernel in readers if kernel is not writer)
    return before and (writer not in readers or _walks_in_step(plan, writer, each.entry))


def _walks_in_step(plan: Plan, writer: Kernel, entry: str) -> bool:
    names = [name for name in writer.read if name in plan.access and plan.access[name].storage == entry]
    return set(names) <= set(over(plan, writer))
