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
