# SPDX-License-Identifier: Apache-2.0
"""The systolic array in SystemVerilog of examples/devices against the formulas of docs/timing.md, cycle by cycle."""

import time

import numpy as np
import pytest
import torch
from acalsim_backend import pipeline
from acalsim_backend.capture.quantise import quantise
from acalsim_backend.machine.file import load_machine
from acalsim_backend.own.bench import INTERRUPT, Bench
from conftest import ROOT
from host_fixtures import captured_function, f
from rtl_fixtures import library, machine_with
from simulator_fixtures import RAM, START
from sst_fixtures import needs_sst

SYSTOLIC = ROOT / "examples/devices/systolic/systolic.sv"
A, B, C = RAM, RAM + 0x40000, RAM + 0x80000


def ceil_divide(a, b):
    return -(-a // b)


def tiles_of(matrix, size):
    """B as the array takes it: filled up with zeros, column of tiles after column of tiles."""
    k, n = (ceil_divide(length, size) for length in matrix.shape)
    full = np.zeros((k * size, n * size), np.int8)
    full[: matrix.shape[0], : matrix.shape[1]] = matrix
    return full.reshape(k, size, n, size).transpose(2, 0, 1, 3)


class Product:
    """A product's operands, drawn."""

    def __init__(self, chooser, largest=100, tile_m=None):
        self.m, self.n, self.k = (int(length) for length in chooser.integers(1, largest + 1, 3))
        self.tile_m = int(chooser.choice([0, chooser.integers(1, self.m + 1)])) if tile_m is None else tile_m
        self.a = chooser.integers(-128, 128, (self.m, self.k), dtype=np.int8)
        self.b = chooser.integers(-128, 128, (self.k, self.n), dtype=np.int8)

    def run(self, array, ahead):
        """(whether the result is right, the array's cycles, busy cycles)"""
        size = array.device.parameters["size"]
        columns = ceil_divide(self.n, size) * size
        a = np.zeros((self.m, ceil_divide(self.k, size) * size), np.int8)
        a[:, : self.k] = self.a
        array.put(A, a)
        array.put(B, tiles_of(self.b, size))
        before = array.statistics["busy_cycles"]
        array.write(A=A, B=B, C=C, M=self.m, N=self.n, K=self.k, TILE_M=self.tile_m, AHEAD=int(ahead))
        array.write(CONTROL=START)
        assert array.read("RESULT")[0] == 0
        result = array.get(C, (self.m, columns), np.int32)[:, : self.n]
        right = (result == self.a.astype(np.int32) @ self.b.astype(np.int32)).all()
        cycles = array.read("ARRAY_CYCLES")[0]
        return right, cycles, array.statistics["busy_cycles"] - before

    def foretold(self, embedded, array, ahead):
        """The formula's cycles: operands always ready, or tiles of B fetched two ahead.

        RAM is asked line by line: behind its latency, a line of 64 bytes passes before the bus has its first beat.
        """
        parameters, ram = array.device.parameters, array.ram_timing
        size = parameters["size"]
        overlap = ("serial", "single", "double")[parameters["overlap"]]
        line = min(64, size * min(size, 16))
        fetch = (
            (0, 0, 2)
            if ahead
            else (size, ram["latency_cycles"] + ceil_divide(line, ram["bytes_per_cycle"]), 2)
        )
        case = ("ws", overlap, size, size, self.m, self.n, self.k, self.tile_m, *fetch)
        return embedded.array_cycles([case])[0]


def compare(embedded, array, count, largest=100):
    chooser = np.random.default_rng(1)
    for index in range(count):
        product, ahead = Product(chooser, largest), index % 2 == 0
        right, cycles, _ = product.run(array, ahead)
        assert right, vars(product)
        assert cycles == product.foretold(embedded, array, ahead), (
            product.m,
            product.n,
            product.k,
            product.tile_m,
            ahead,
        )


def test_two_hundred_random_products_take_the_cycles_of_the_formulas(embedded, plugged):
    compare(embedded, plugged(SYSTOLIC), 200, largest=64)


@pytest.mark.parametrize(("size", "overlap"), [(4, "serial"), (8, "single")])
def test_without_overlap_and_in_other_sizes_too(embedded, plugged, size, overlap):
    array = plugged(SYSTOLIC, size=size, overlap=overlap, ram={"latency_cycles": 33, "bytes_per_cycle": size})
    compare(embedded, array, 40, largest=40)


def test_a_slow_ram_is_foretold_as_well(embedded, plugged):
    """256 bytes a tile at 8 bytes a cycle, and few rows to stream: the channel sets the pace."""
    array = plugged(SYSTOLIC, ram={"latency_cycles": 100, "bytes_per_cycle": 8})
    chooser = np.random.default_rng(3)
    for _ in range(10):
        product = Product(chooser, 50)
        right, cycles, _ = product.run(array, ahead=False)
        slow = ("ws", "double", 16, 16, product.m, product.n, product.k, product.tile_m, 8, 100 + 4, 2)
        assert right and cycles == embedded.array_cycles([slow])[0]


def test_the_whole_command_is_the_array_and_two_streams_around_it(embedded, plugged):
    """What the CPU waits for: A in, the array's work, C out, each with the RAM's latency, and a constant."""
    array = plugged(SYSTOLIC)
    chooser = np.random.default_rng(2)
    for _ in range(20):
        product = Product(chooser, 64)
        _, cycles, busy = product.run(array, ahead=False)
        a_beats = product.m * ceil_divide(product.k, 16)
        c_beats = 4 * product.m * ceil_divide(product.n, 16)
        assert busy == a_beats + cycles + c_beats + 2 * 20 + 13


def test_64_cubed_takes_less_than_five_seconds(plugged):
    array = plugged(SYSTOLIC)
    product = Product(np.random.default_rng(4), tile_m=0)
    product.m = product.n = product.k = 64
    product.a = np.ones((64, 64), np.int8)
    product.b = np.full((64, 64), -3, np.int8)
    start = time.process_time()
    assert product.run(array, ahead=False)[0]
    assert time.process_time() - start < 5


def test_what_does_not_fit_is_refused(plugged):
    array = plugged(SYSTOLIC)
    good = dict(A=A, B=B, C=C, M=4, N=4, K=4, TILE_M=0, AHEAD=0)
    for change, error in (
        (dict(M=0), 1),
        (dict(K=0), 1),
        (dict(M=65535), 1),
        (dict(A=A + 1), 2),
        (dict(B=B + 16), 2),
    ):
        array.write(**{**good, **change}, CONTROL=START)
        assert array.read("RESULT")[0] == error and array.read("STATUS")[0] == 4
    array.write(**good, CONTROL=START)
    assert array.read("RESULT")[0] == 0 and array.read("STATUS")[0] == 2


@pytest.mark.parametrize(
    ("asked", "m", "raised"), [(INTERRUPT, 4, True), (INTERRUPT, 0, True), (0, 4, False)]
)
def test_it_interrupts_at_the_end_when_asked(verilog, engine_library, tmp_path, asked, m, raised):
    machine = machine_with(tmp_path, SYSTOLIC)
    with Bench(machine, "mine", options=["--library", str(engine_library)]) as bench:
        for name, value in dict(A=A, B=B, C=C, M=m, N=4, K=4).items():
            bench.write(name, value)
        answers = [bench.write("CONTROL", START | asked), bench.read("RESULT"), bench.read("STATUS")]
        assert any(answer.interrupted for answer in answers) == raised
        assert bench.read("CONTROL").value == START | asked


ENGINES = ["embedded", pytest.param("sst", marks=needs_sst)]


@pytest.fixture(scope="session")
def quantised_model(verilog, engine_library, tmp_path_factory):
    """A program of two products of int8 for the example's machine, and its inputs and outputs."""
    layers = torch.nn.Linear(40, 24), torch.nn.ReLU(), torch.nn.Linear(24, 10)
    captured = captured_function(torch.nn.Sequential(*layers), [f(9, 40)], keep_all=True)
    named = dict(zip(captured.ir.inputs, captured.inputs, strict=True))
    quantise(captured.ir, {**named, **captured.intermediates})
    machine = str(SYSTOLIC.with_name("systolic.toml"))
    library(load_machine(machine))
    folder = tmp_path_factory.mktemp("systolic")
    return pipeline.build_graph(folder, captured.ir, captured.inputs, machine), captured


@pytest.mark.parametrize("engine", ENGINES)
def test_products_of_a_model_run_on_it_and_take_the_cycles_of_the_formulas(
    quantised_model, embedded, request, monkeypatch, engine
):
    if engine == "sst":
        monkeypatch.setenv("ACALSIM_SST_LIBRARY", str(request.getfixturevalue("sst_library")))
    program, captured = quantised_model
    _, report = pipeline.run_program(program, captured.inputs, captured.references, engine, tolerance=0.05)
    assert report.check.passed
    on_it = [op.type for op in report.ops if op.placed_on == "systolic"]
    assert on_it == ["GEMM_INT8", "GEMM_INT8"]
    ready, foretold = 40 + ceil_divide(64, 32), 0  # the RAM's latency, and a line of it
    for m, n, k in ((9, 24, 40), (9, 10, 24)):
        fetch = (16, ready, 2)
        (cycles,) = embedded.array_cycles([("ws", "double", 16, 16, m, n, k, 0, *fetch)])
        foretold += m * ceil_divide(k, 16) + cycles + 4 * m * ceil_divide(n, 16) + 2 * ready + 5
    assert report.devices["systolic"]["busy_cycles"] == foretold


@pytest.mark.quick
def test_the_rule_and_its_driver_are_at_most_thirty_lines_long():
    lines = SYSTOLIC.with_name("rules.py").read_text().splitlines()
    assert len([line for line in lines if line.strip() and not line.startswith("#")]) <= 30
