# SPDX-License-Identifier: Apache-2.0
"""Machines of the field held to cycles that were measured on them: row, measured, ours, error, and the mean.

    ./run python bench/fidelity.py [gemmini tpuv3] [--rows MORE.csv]

A row of bench/anchors/MACHINE.csv is a layer, alone on its machine: planned by the compiler as it plans every
graph, and timed by the device's own model, as simulations time it. What a report adds to it are the CPU's cycles
of starting the list. Products of tpuv3 are of bfloat16. --rows has rows of one's own, of the first machine.
"""

import argparse
import csv
import sys
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from acalsim_backend.codegen.generator import timer_for
from acalsim_backend.ir.graph import ACALSimIR, ACALSimOp, ACALSimOpType, TensorDesc
from acalsim_backend.machine.file import load_machine
from acalsim_backend.offload.command import packed
from acalsim_backend.offload.decide import Target
from acalsim_backend.offload.places import spread
from acalsim_backend.schedule.passes import make_schedule
from project import ROOT

T = ACALSimOpType
ANCHORS = ROOT / "bench/anchors"
MACHINES = ("gemmini", "tpuv3")
HALF_WIDTH = ("tpuv3",)
"""Machines whose products are of two bytes an element."""


class Graph:
    """A graph under construction."""

    def __init__(self):
        self.ir = ACALSimIR("layer")

    def tensor(self, name, shape, dtype="float32", **roles):
        return self.ir.add_tensor(TensorDesc(name, tuple(shape), dtype, **roles)).name

    def op(self, kind, inputs, shape, dtype="float32", **attrs):
        output = self.tensor(f"{kind.name.lower()}_out", shape, dtype)
        self.ir.add_op(ACALSimOp(kind, kind.name.lower(), tuple(inputs), (output,), attrs))
        return output

    def whole(self, output):
        self.ir.set_outputs([output])
        return self.ir


def conv(row, machine):
    """With bias, relu and a result of the operands' type."""
    batch, stride, padding = int(row.get("batch") or 1), int(row["stride"]), int(row["padding"])
    channels, outputs, kernel = int(row["channels"]), int(row["outputs"]), int(row["kernel"])
    size = [int(row[name]) for name in ("height", "width")]
    out = (batch, outputs, *((each + 2 * padding - kernel) // stride + 1 for each in size))
    graph, is_int8 = Graph(), machine not in HALF_WIDTH
    dtype = "int8" if is_int8 else "float32"
    operands = [
        graph.tensor("x", (batch, channels, *size), dtype, is_input=True),
        graph.tensor("weight", (outputs, channels, kernel, kernel), dtype, is_param=True),
        *(graph.tensor("scales", (outputs,), is_param=True) for _ in range(is_int8)),
        graph.tensor("bias", (outputs,), is_param=True),
    ]
    window = {"stride": (stride, stride), "padding": (padding, padding)}
    y = graph.op(T.CONV_INT8 if is_int8 else T.CONV, operands, out, **window)
    y = graph.op(T.RELU, [y], out)
    return graph.whole(graph.op(T.QUANTIZE, [y], out, "int8", scale=1.0) if is_int8 else y)


def product(row, machine):
    graph = Graph()
    m, n, k = (int(row[name]) for name in "mnk")
    a, b = graph.tensor("a", (m, k), is_input=True), graph.tensor("b", (k, n), is_input=True)
    return graph.whole(graph.op(T.MATMUL, [a, b], (m, n)))


def add(row, machine):
    """Of two int8 tensors, with relu and an int8 result."""
    graph, shape = Graph(), (int(row["rows"]), int(row["columns"]))
    parts = []
    for name in "ab":
        graph.tensor(name, shape, "int8", is_input=True)
        parts.append(graph.tensor(f"{name}_float", shape))
        graph.ir.add_op(ACALSimOp(T.DEQUANTIZE, f"dequantize_{name}", (name,), (parts[-1],), {"scale": 0.5}))
    y = graph.op(T.RELU, [graph.op(T.ADD, parts, shape)], shape)
    return graph.whole(graph.op(T.QUANTIZE, [y], shape, "int8", scale=1.0))


def softmax(row, machine):
    graph, shape = Graph(), (int(row["rows"]), int(row["columns"]))
    x = graph.tensor("x", shape, is_input=True)
    return graph.whole(graph.op(T.SOFTMAX, [x], shape, dim=-1))


def layer_norm(row, machine):
    graph, shape = Graph(), (int(row["rows"]), int(row["columns"]))
    x = graph.tensor("x", shape, is_input=True)
    vectors = [graph.tensor(name, shape[1:], is_param=True) for name in ("gamma", "beta")]
    return graph.whole(graph.op(T.LAYER_NORM, [x, *vectors], shape, normalized_shape=shape[1:], eps=1e-5))


OPS = {each.__name__: each for each in (conv, product, add, softmax, layer_norm)}


def half_width(product):
    """The same product of elements of two bytes."""

    def half(part):
        return replace(part, dtype="bfloat16")

    results = tuple(replace(each, tile=half(each.tile)) for each in product.results)
    return replace(product, a=half(product.a), b=half(product.b), results=results)


class Timer:
    """Cycles of graphs of one kernel on a machine, from START until the CPU has seen the end."""

    def __init__(self, name, library=None):
        self.name, self.machine = name, load_machine(name)
        self.timer = timer_for(self.machine, library)

    def cycles(self, ir):
        target = Target(self.machine, self.timer)
        plan = make_schedule(ir, target)
        (kernel,) = plan.kernels
        if kernel.device is None:
            sys.exit(f"fidelity: machine '{self.name}' does not compute '{kernel.name}': {kernel.reason}")
        found = plan.offloaded[kernel.name]
        if found.product is not None and self.name in HALF_WIDTH:
            return target.choose(half_width(found.product))[1]
        ((device, commands),) = found.lists
        storages = {command.dram.storage for command in commands if command.dram}
        place = spread(storages, self.machine.ram.origin).__getitem__
        return self.timer.cycles([device], [packed(commands, place)])


def rows_of(path):
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def compared(machine, rows, library=None):
    """(row, measured, ours) of each; layers that are alike are planned once."""
    timer = Timer(machine, library)

    @lru_cache(None)
    def cycles(shape):
        fields = dict(shape)
        return timer.cycles(OPS[fields["op"]](fields, machine))

    for row in rows:
        shape = tuple((key, value) for key, value in row.items() if key not in ("layer", "cycles", "held"))
        yield row, int(float(row["cycles"])), cycles(shape)


def show(machine, rows):
    """Prints the table of a machine; returns the mean error of its rows that are held, without signs."""
    print(f"{machine:38} {'measured':>10} {'ours':>10} {'error':>8}")
    errors = []
    for row, measured, ours in compared(machine, rows):
        error, is_held = ours / measured - 1, row.get("held", "yes") == "yes"
        errors += [abs(error)] * is_held
        note = "" if is_held else "  not held"
        print(f"  {row['layer']:36} {measured:10,} {ours:10,} {error:+8.1%}{note}", flush=True)
    mean = sum(errors) / len(errors) if errors else 0.0
    print(f"  {f'mean of {len(errors)}':36} {'':10} {'':10} {mean:8.1%}\n")
    return mean


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("machines", nargs="*", default=MACHINES)
    parser.add_argument("--rows", type=Path, help="a file like those of bench/anchors")
    options = parser.parse_args()
    for machine in options.machines[: 1 if options.rows else None]:
        show(machine, rows_of(options.rows or ANCHORS / f"{machine}.csv"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
