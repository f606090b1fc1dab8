# SPDX-License-Identifier: Apache-2.0
"""The fewest cycles that a machine could take: a model's demand over the machine's rates.

The demand follows from the model alone, the rates from the machine file alone.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping
from fractions import Fraction

from ..machine.machine import Machine
from ..machine.models import product_rates
from ..schedule.plan_file import Demand
from .report_file import Roofline


def roofline(demand: Demand, rates: Mapping[str, int]) -> Roofline:
    """What `demand` takes if everything overlaps, and the resource that sets it, if anything is asked.

    A resource without a rate has no term. Of two that take equally long the limiter is the first of array,
    vector, special, dram.
    """
    work = {
        "array": demand.macs - demand.int8_macs - demand.bfloat16_macs - demand.float16_macs,
        "array_int8": demand.int8_macs,
        "array_bfloat16": demand.bfloat16_macs,
        "array_float16": demand.float16_macs,
        "vector": demand.vector_elements,
        "special": demand.special_elements,
        "dram": demand.dram_bytes,
    }
    times: dict[str, Fraction] = {}
    for resource, amount in work.items():
        if rates.get(resource):
            name = resource.partition("_")[0]
            times[name] = times.get(name, Fraction()) + Fraction(amount, rates[resource])
    by = {name: math.ceil(time) for name, time in times.items()}
    bound = max(by.values(), default=0)
    return Roofline(bound, next((name for name, cycles in by.items() if cycles == bound > 0), None), by)


ARRAYS = {"float32": "array", "int8": "array_int8", "bfloat16": "array_bfloat16", "float16": "array_float16"}
"""The array as a resource for products of each type: they share its time."""

SCALAR_BYTES = 8
"""The most that an instruction of a CPU without vectors moves."""


def rates(machine: Machine, on_cpu: bool = False) -> dict[str, int]:
    """Of each resource that the machine has, what it does in a cycle: multiply-accumulates, elements, bytes.

    Compute devices that are alike work side by side. Of several kinds that one counts that multiplies most.
    RAM's channels hold up devices only. What runs `on_cpu`, as everything does where there is no such device, has its
    bytes as fast as the CPU can ask for them, an instruction a cycle.
    """
    groups: dict[tuple[str | int, ...], dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for device in machine.devices_of("compute"):
        own, group = device.parameters, groups[device.kind]
        for word, rate in product_rates(own).items():
            group[ARRAYS[word]] += own["rows"] * own["columns"] * rate
        group["vector"] += own.get("lanes", 0)
        group["special"] += own.get("special_lanes", 0)
    best = max(groups.values(), key=lambda group: max(group[name] for name in ARRAYS.values()), default={})
    timing = machine.ram.timing
    channels = timing["bytes_per_cycle"] * timing["channels"] if best else 0
    asked = max(SCALAR_BYTES, machine.cpu.vector_bits // 8) if on_cpu or not best else 0
    found = {**best, "dram": max(channels, asked)}
    return {name: rate for name, rate in found.items() if rate}
