# SPDX-License-Identifier: Apache-2.0
"""Machine files from a seed and a number. Every key that a machine file may have is drawn: a key of which nothing is
said here lies around its default.
"""

import math
import random

from acalsim_backend.machine.commands import COMMAND_BYTES, PRODUCT_TYPES
from acalsim_backend.machine.models import COMPUTE, WORDS_OF_TYPES
from acalsim_backend.machine.rows import COMPLETION, LATENCIES, RAM_TIMING, Parameter

ARRAYS = (
    (1, 1),
    (2, 2),
    (3, 5),
    (4, 4),
    (17, 4),
    (5, 31),
    (8, 8),
    (16, 16),
    (16, 16),
    (64, 8),
    (32, 64),
    (128, 128),
)
LANES = (0, 0, 1, 2, 4, 8, 12, 16, 16, 64, 1024)
RANGES = {
    "scratchpad_bytes": (64, 1 << 23),
    "accumulator_bytes": (64, 1 << 22),
    "scratchpad_bytes_per_cycle": (1, 1024),
    "load_conflict_percent": (0, 100),
    "store_conflict_percent": (0, 100),
    "start_cycles": (0, 2000),
    "access_cycles": (1, 50),
    "latency_cycles": (0, 200),
    "bytes_per_cycle": (1, 512),
    "channels": (1, 16),
    "interleave_bytes": (1, 4096),
    "row_bytes": (0, 8192),
    "row_miss_cycles": (0, 60),
    "reduce_cycles": (0, 40),
    "vector_bytes_per_cycle": (0, 4096),
}
"""What is drawn instead of a fourth to four times of the default, evenly by its logarithm."""
OFTEN = ("scratchpad_bytes", "accumulator_bytes", "bytes_per_cycle", "latency_cycles")
"""Keys that are drawn more often than not."""
APART = ("rows", "columns", "lanes", "special_lanes", "list_buffer_bytes", "types", "interrupt")
"""Keys of the compute device that are drawn in a way of their own."""

HEAD = """\
[ram]
size_bytes = 0x800_0000
{ram}
[firmware]
stack_bytes = 0x8000
completion = "{completion}"

[devices.echo]
model = "echo"
base = 0x1020_0000
"""


def random_machine(seed, case):
    """The text of a machine file."""
    d = random.Random(f"machine {seed} {case}")
    cpu = ["[cpu]"]
    if d.random() < 0.35:
        vlen = d.choice((128, 256, 512, 1024))
        cpu += ['isa = "rv64gcv"', f"vlen = {vlen}", f"vector_bits = {max(vlen >> d.randrange(3), 32)}"]
    for cache in ("l1d", "l1i"):
        if d.random() < 0.15:
            ways, line = d.choice((1, 2, 4)), d.choice((16, 32, 64))
            cpu += [
                f"[cpu.{cache}]",
                f"size_bytes = {ways * line << d.randrange(10)}",
                f"ways = {ways}",
                f"line_bytes = {line}",
            ]
    cpu += ["[cpu.latency]", *_drawn(d, LATENCIES, 0.1)]
    head = HEAD.format(ram="\n".join(_drawn(d, RAM_TIMING, 0.3)), completion=d.choice(COMPLETION.choices))
    return "\n".join(["\n".join(cpu), head, *_devices(d)])


def _devices(d):
    kind = d.random()
    if kind < 0.12:
        return
    count = d.choice((2, 2, 3, 4)) if kind < 0.4 else 1
    if count > 1 and kind < 0.2:
        for place in range(count):
            yield _device(d, f"unit{place}", place, 1)
    else:
        yield _device(d, "compute", 0, count)


def _device(d, name, place, count):
    rows, columns = d.choice(ARRAYS)
    lines = [f"[devices.{name}]", 'model = "compute"', f"base = {0x10300000 + (place << 20):#x}"]
    lines += [f"count = {count}"] * (count > 1) + [f"rows = {rows}", f"columns = {columns}"]
    if lanes := d.choice(LANES):
        divisors = [each for each in range(1, lanes + 1) if lanes % each == 0]
        lines += [f"lanes = {lanes}", f"special_lanes = {d.choice(divisors)}"]
    if d.random() < 0.6:
        lines.append(f"list_buffer_bytes = {d.choice((1, 2, 3, 8, 32)) * 2 * COMMAND_BYTES}")
    if d.random() < 0.5:
        types = d.sample(WORDS_OF_TYPES, d.randint(1, len(PRODUCT_TYPES)))
        lines.append(f'types = "{", ".join(types)}"')
    lines += _drawn(d, [row for row in COMPUTE if row.name not in APART], 0.25)
    return "\n".join(lines) + "\n"


def _drawn(d, rows, probability):
    """Lines of some of the keys."""
    return [
        f"{row.name} = {_value(d, row)}"
        for row in rows
        if d.random() < (0.7 if row.name in OFTEN or row.choices else probability)
    ]


def _value(d, row: Parameter):
    if row.choices:
        return f'"{d.choice(row.choices)}"'
    low, high = RANGES.get(row.name, (row.default // 4, 4 * row.default + 4))
    low, high = max(low, row.minimum), min(high, row.maximum)
    if not low and d.random() < 0.2:
        return 0
    low = max(low, 1)
    return round(math.exp(d.uniform(math.log(low), math.log(max(high, low)))))
