# SPDX-License-Identifier: Apache-2.0
"""The softmax unit in SystemVerilog of examples/devices: its results, its cycles, what it refuses, its page."""

import os
import re
import subprocess
import sys

import numpy as np
import pytest
import torch
from acalsim_backend import pipeline
from acalsim_backend.machine.file import load_machine
from acalsim_backend.own import checks, conform
from conftest import ROOT
from host_fixtures import captured_function, f
from simulator_fixtures import RAM, START

UNIT = ROOT / "examples/devices/softmax_sv"
MACHINE = str(UNIT / "softmax_sv.toml")
PAGE = (ROOT / "docs/own_rtl.md").read_text()
ERROR = float(re.search(r"every result is right to (\S+) of itself", PAGE)[1])
TARGET = RAM + 0x80000
SHAPES = [(1, 1), (5, 1), (9, 3), (1, 15), (4, 16), (7, 17), (12, 65), (3, 1024)]


@pytest.fixture
def unit(plugged):
    return plugged(UNIT / "softmax_unit.sv", ram_size_mib=1, not_ready_percent=0)


def softmax(unit, x, target=TARGET, source=RAM):
    unit.put(source, x)
    rows, columns = x.shape
    before = unit.statistics["busy_cycles"]
    unit.write(SOURCE=source, TARGET=target, ROWS=rows, COLUMNS=columns, CONTROL=START)
    assert unit.read("RESULT")[0] == 0
    return unit.get(target, x.shape, np.float32), unit.statistics["busy_cycles"] - before


def right(x):
    wanted = np.exp(x.astype("f8") - x.max(1, keepdims=True))
    return wanted / wanted.sum(1, keepdims=True)


def test_every_result_is_as_right_as_the_page_says(unit):
    chooser = np.random.default_rng(1)
    worst = 0.0
    for scale in (1e-3, 1, 10, 20, 1e4):
        for shape in SHAPES:
            x = (chooser.standard_normal(shape) * scale).astype("f4")
            y, wanted = softmax(unit, x)[0], right(x)
            near = x.max(1, keepdims=True).astype("f8") - x < 64
            worst = max(worst, (np.abs(y - wanted)[near] / wanted[near]).max())
            assert (y[~near] == 0).all()
    assert ERROR / 10 < worst < ERROR


def test_differences_of_large_numbers_zeros_and_masks_are_exact(unit):
    x = np.array([[1e6 + 1, 1e6, 1e6 - 2.5, -1e30], [0, -0.0, 1e-40, -np.inf], [-3e38, -3e38, 3e38, 1]], "f4")
    np.testing.assert_allclose(softmax(unit, x)[0], right(x), rtol=ERROR)


def test_a_row_takes_a_cycle_an_element_and_unaligned_rows_do_too(unit):
    chooser = np.random.default_rng(2)
    for columns in (16, 65, 100):
        x = chooser.standard_normal((40, columns)).astype("f4")
        for source, target in ((RAM, TARGET), (RAM + 4, TARGET + 60), (RAM + 8, RAM + 8)):
            y, cycles = softmax(unit, x, target, source)
            np.testing.assert_allclose(y, right(x), rtol=ERROR)
            assert 0 < cycles - 40 * columns < 2 * columns + 100, (columns, cycles)


def test_a_ram_that_is_seldom_ready_changes_no_value(plugged):
    unit = plugged(UNIT / "softmax_unit.sv", ram_size_mib=1, not_ready_percent=60)
    for shape in SHAPES[:-1]:
        x = np.random.default_rng(3).standard_normal(shape).astype("f4") * 5
        np.testing.assert_allclose(softmax(unit, x)[0], right(x), rtol=ERROR)


def test_what_cannot_be_done_is_refused(unit):
    good = dict(SOURCE=RAM, TARGET=TARGET, ROWS=2, COLUMNS=8)
    for change, error in (
        (dict(SOURCE=0), 2),
        (dict(SOURCE=RAM + 2), 2),
        (dict(TARGET=RAM + (1 << 20) - 60), 2),
        (dict(ROWS=0), 2),
        (dict(ROWS=0xFFFFFFFF, COLUMNS=0xFFFFFFFF), 2),
        (dict(COLUMNS=1025), 4),
    ):
        unit.write(**{**good, **change}, CONTROL=START)
        assert unit.read("RESULT")[0] == error and unit.read("STATUS")[0] == 4, change
    unit.write(**good, CONTROL=START)
    assert unit.read("RESULT")[0] == 0 and unit.read("STATUS")[0] == 2


def test_it_declares_the_sketchs_registers():
    sv, py = (
        load_machine(str(UNIT.parent / f"{name}/{name}.toml")).devices[2].own
        for name in ("softmax_sv", "softmax_py")
    )
    assert sv.sketch == py.source
    assert [(row.name, row.offset) for row in sv.registers] == [
        (row.name, row.offset) for row in py.registers
    ]


def test_a_models_softmaxes_run_on_it_and_equal_pytorchs(verilog, tmp_path):
    captured = captured_function(lambda a, b: torch.softmax(a @ b, -1) * 2, [f(9, 20), f(20, 16)])
    (y,), report = pipeline.run_graph(tmp_path, captured.ir, captured.inputs, captured.references, MACHINE)
    np.testing.assert_allclose(y, captured.references[0], rtol=1e-5)
    assert report.check.passed
    assert [op.placed_on for op in report.ops if op.type == "SOFTMAX"] == ["softmax"]
    assert report.devices["softmax"]["dma_bytes_written"] == 4 * 9 * 16


def test_the_pages_cycles_are_those_of_the_three(verilog, engine_library):
    (listing,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    told = {"PYTHONPATH": str(ROOT / "site_scons"), "ACALSIM_ENGINE": str(engine_library)}
    command = [sys.executable, "-c", listing]
    done = subprocess.run(command, cwd=ROOT, env={**os.environ, **told}, capture_output=True, text=True)
    said = re.search(r"cycles:\n\n((?:    .*\n)+)", PAGE)[1]
    assert done.stdout == re.sub("^    ", "", said, flags=re.MULTILINE), done.stderr


def test_it_keeps_a_devices_promises(verilog, engine_library, tmp_path):
    options = ["--library", str(engine_library)]
    trial = checks.trial_of(load_machine(MACHINE), "softmax", str(tmp_path), "embedded", options)
    for check in (*conform.ALWAYS[:4], *conform.WITH_JOB, checks.values_are_those_of_the_sketch):
        check(trial)
