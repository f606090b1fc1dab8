# SPDX-License-Identifier: Apache-2.0
"""A device of the user's beside the built-in ones, with the rule that gives it a model's softmaxes."""

import sys

import numpy as np
import pytest
import torch
from acalsim_backend import pipeline
from acalsim_backend.codegen.generator import timer_for
from acalsim_backend.machine.file import load_machine
from acalsim_backend.schedule.passes import make_plan
from conftest import ROOT
from host_fixtures import captured_function, f

MACHINE = str(ROOT / "examples/devices/softmax_py/softmax_py.toml")


@pytest.fixture
def vit(monkeypatch):
    monkeypatch.setattr(sys, "path", [str(ROOT / "models"), *sys.path])
    torch.manual_seed(0)
    namespace = {}
    exec((ROOT / "models/vit.py").read_text(), namespace)
    return captured_function(namespace["model"]().eval(), namespace["inputs"]())


def softmaxes(found):
    """Where each row of that type is."""
    return [op.placed_on for op in found if op.type == "SOFTMAX"]


def test_a_models_softmaxes_run_on_the_unit_and_equal_pytorchs(tmp_path):
    captured = captured_function(lambda a, b: torch.softmax(a @ b, -1) * 2, [f(9, 20), f(20, 16)])
    (y,), report = pipeline.run_graph(tmp_path, captured.ir, captured.inputs, captured.references, MACHINE)
    np.testing.assert_allclose(y, captured.references[0], rtol=1e-5)
    assert report.check.passed and softmaxes(report.ops) == ["softmax"]
    assert report.devices["softmax"]["elements"] == 9 * 16
    (op,) = (op for op in report.ops if op.placed_on == "softmax")
    assert (
        report.devices["softmax"]["busy_cycles"] <= op.cycles < report.devices["softmax"]["busy_cycles"] + 80
    )


def test_all_of_vits_softmaxes_go_there_and_nothing_else(vit, engine_library):
    machine = load_machine(MACHINE)
    plan = make_plan(vit.ir, machine, timer=timer_for(machine, engine_library))
    driven = [kernel for kernel in plan.kernels if kernel.driven]
    assert [(kernel.anchor.op_type.name, kernel.driven) for kernel in driven] == [("SOFTMAX", "softmax")] * 3


HALVES = '''
from acalsim_backend.rules import Op, Rule


class Halves(Rule):
    matches = "SOFTMAX"

    def driver(self, op: Op) -> str:
        x, half = op.inputs[0], op.output.elements // 2
        return f"""
            for (int i = 0; i < 2; i++) {{
                uintptr_t base = i ? TWO_DEVICE_BASE : ONE_DEVICE_BASE;
                WRITE(SOURCE, x0 + i * {half}), WRITE(TARGET, y + i * {half});
                WRITE(ROWS, {half // x.shape[-1]}), WRITE(COLUMNS, {x.shape[-1]});
                START();
            }}
            WAIT();
            device_wait(TWO_DEVICE_BASE, op);
        """
'''


def test_several_own_devices_work_at_the_same_time_beside_built_in_ones(tmp_path):
    (tmp_path / "rules.py").write_text(HALVES)
    unit = ROOT / "examples/devices/softmax_py/softmax_unit.py"
    tables = [
        f'[devices.{name}]\nmodel = "{unit}"\nlanes = {lanes}\n' for name, lanes in (("one", 4), ("two", 2))
    ]
    built_in = "[devices.echo]\nbase = 0x10200000\n[devices.compute]\nbase = 0x10300000\n"
    (tmp_path / "two.toml").write_text(f'{built_in}{tables[0]}rules = "rules.py"\n{tables[1]}')
    captured = captured_function(lambda a, b: torch.softmax(a @ b, -1), [f(8, 16), f(16, 24)])
    (y,), report = pipeline.run_graph(
        tmp_path / "run", captured.ir, captured.inputs, captured.references, str(tmp_path / "two.toml")
    )
    assert report.check.passed and [op.placed_on for op in report.ops] == ["compute", "one"]
    busy = [report.devices[name]["busy_cycles"] for name in ("one", "two")]
    assert [report.devices[name]["elements"] for name in ("one", "two")] == [96, 96]
    assert max(busy) < report.ops[-1].cycles < sum(busy)
