# SPDX-License-Identifier: Apache-2.0
"""The softmax unit of examples/devices, in Python and in C++: the same cycles, and those of the documented formula."""

import random

import numpy as np
import pytest
from acalsim_backend.machine.file import load_machine
from acalsim_backend.own.bench import Bench
from acalsim_backend.paths import ROOT

EXAMPLES = ROOT / "examples/devices"
MACHINES = {name: EXAMPLES / f"{name}/{name}.toml" for name in ("softmax_py", "softmax_cc")}
LANES, LATENCY = 4, 20
DMA_LATENCY, DMA_BYTES = 40, 32
SHAPES = [(1, 1), (1, 7), (3, 80), (5, 200), (64, 129), (2, 1000)]
"""Of one row, or of rows whose work takes longer than their way in and the last one's way out."""


@pytest.fixture(params=MACHINES)
def bench(request, engine_library, tmp_path):
    """Of the example's machine, but for its lanes."""
    path = MACHINES[request.param]
    text = path.read_text().replace('"softmax_unit', f'"{path.parent}/softmax_unit')
    text = text.replace('rules = "', f'rules = "{path.parent}/')
    head, _, softmax = text.partition("[devices.softmax]")
    (tmp_path / path.name).write_text(
        f"{head}[devices.softmax]{softmax.replace('lanes = 16', f'lanes = {LANES}')}"
    )
    with Bench(tmp_path / path.name, "softmax", options=["--library", str(engine_library)]) as bench:
        yield bench


def rows_of(rows, columns):
    return np.random.default_rng(rows * columns).standard_normal((rows, columns)).astype("f4") * 4


def softmax(bench, x):
    bench.put(bench.ram, x)
    rows, columns = x.shape
    job = bench.run(SOURCE=bench.ram, TARGET=bench.ram + 0x100000, ROWS=rows, COLUMNS=columns)
    return job, bench.get(bench.ram + 0x100000, x.size, "f4").reshape(x.shape)


def cycles(rows, columns):
    """From START to RESULT."""
    moved = -(-4 * columns // DMA_BYTES)
    work = LATENCY + 2 * -(-columns // LANES)
    assert rows == 1 or work >= 2 * moved + DMA_LATENCY
    return 1 + 2 * (moved + DMA_LATENCY) + rows * work


def test_values_and_cycles_are_those_of_the_page(bench):
    for rows, columns in SHAPES:
        x = rows_of(rows, columns)
        job, y = softmax(bench, x)
        wanted = np.exp(x.astype("f8") - x.max(1, keepdims=True))
        assert job.result == 0 and np.abs(y - wanted / wanted.sum(1, keepdims=True)).max() < 1e-6
        assert job.cycles == cycles(rows, columns), (rows, columns)
    assert bench.end()["elements"] == sum(rows * columns for rows, columns in SHAPES)


def test_python_and_cpp_take_the_same_cycles_for_any_latencies(engine_library, tmp_path):
    chance = random.Random(1)
    found = {}
    for language in ("py", "cc"):
        chance.seed(1)
        found[language] = []
        for turn in range(3):
            table = f"lanes = {chance.randint(1, 40)}\nlatency_cycles = {chance.randint(1, 99)}\n"
            ram = f"[ram]\nchannels = {chance.randint(1, 3)}\nlatency_cycles = {chance.randint(0, 99)}\nrow_bytes = 512\nrow_miss_cycles = 9\n"
            source = EXAMPLES / f"softmax_{language}/softmax_unit.{language}"
            path = tmp_path / f"{language}{turn}.toml"
            path.write_text(
                f'{ram}[devices.echo]\nbase = 0x10200000\n[devices.softmax]\nmodel = "{source}"\n{table}'
            )
            with Bench(path, "softmax", options=["--library", str(engine_library)]) as bench:
                shapes = [(chance.randint(1, 9), chance.randint(1, 300)) for _ in range(6)]
                found[language] += [softmax(bench, rows_of(*shape))[0] for shape in shapes]
    assert found["py"] == found["cc"] and len({job.cycles for job in found["py"]}) > 10


@pytest.mark.parametrize("registers", [{"SOURCE": 0}, {"TARGET": 0x8FFFFFF0}, {"ROWS": 0}, {"COLUMNS": 0}])
def test_what_cannot_be_done_is_refused_alike(bench, registers):
    good = {"SOURCE": bench.ram, "TARGET": bench.ram + 4096, "ROWS": 2, "COLUMNS": 8}
    job = bench.run(**{**good, **registers})
    assert (job.result, job.status, job.cycles) == (2, 4, 2)


def test_the_sketch_is_at_most_thirty_lines_long():
    lines = (EXAMPLES / "softmax_py/softmax_unit.py").read_text().splitlines()
    assert len([line for line in lines if line.strip() and not line.startswith("#")]) <= 30


def test_both_declare_the_same():
    py, cc = (load_machine(str(path)).devices[2].own for path in MACHINES.values())
    assert py.parameters == cc.parameters and py.registers == cc.registers and cc.sketch == py.source
