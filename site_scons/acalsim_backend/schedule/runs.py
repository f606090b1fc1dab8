# SPDX-License-Identifier: Apache-2.0
"""Kernels of one device that follow each other become one program."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby

from ..ir.kernel import Kernel
from ..offload.decide import Offloaded
from ..offload.run import Run, Work, plan_run
from .plan import Plan


def runs(plan: Plan) -> Plan:
    """Adds what the device does of each kernel, and the runs."""
    uses = dict(zip((kernel.name for kernel in plan.kernels), plan.uses(), strict=True))
    found: list[Run] = []
    offloaded: dict[str, Offloaded] = {}
    start = len(plan.kernels) if plan.loop_start is None else plan.loop_start
    places = {kernel.name: index >= start for index, kernel in enumerate(plan.kernels)}
    for (is_device, _), group in groupby(
        plan.kernels, key=lambda kernel: (kernel.device is not None, places[kernel.name])
    ):
        if is_device:
            run, lists = _run(plan, list(group), uses)
            found.append(run)
            offloaded |= lists
    return replace(plan, runs=tuple(found), offloaded=offloaded)


def _run(
    plan: Plan, kernels: Sequence[Kernel], uses: dict[str, tuple[set[str], set[str]]]
) -> tuple[Run, dict[str, Offloaded]]:
    names = {kernel.name for kernel in kernels}
    works = [
        Work(
            kernel,
            plan.parts.get(kernel.name),
            plan.attentions.get(kernel.name),
            *map(frozenset, uses[kernel.name]),
        )
        for kernel in kernels
    ]
    given = {*plan.ir.inputs, *plan.ir.params}
    outside = {*given, *(plan.access[name].storage for name in plan.ir.outputs)}
    for name, (reads, writes) in uses.items():
        if name not in names:
            outside |= reads | writes
            given |= writes
    if plan.keep_all:
        outside |= plan.storages.keys()
    sizes = {name: desc.size_bytes for name, desc in plan.storages.items()}
    return plan_run(plan.target, plan.lowering, works, sizes, outside, plan.ir.params, outside - given)
