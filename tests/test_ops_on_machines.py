# SPDX-License-Identifier: Apache-2.0
"""All cases of all ops as one model on simulated machines: compiled by gcc and by clang, and on vector units."""

import json
import sys
from pathlib import Path

import pytest
from acalsim_backend import doors
from acalsim_backend.capture.capture_file import CaptureFile
from acalsim_backend.capture.model_file import DEFAULT_TOLERANCE
from acalsim_backend.errors import ReportError
from acalsim_backend.mapped import mapped, tensors
from acalsim_backend.report.compare import compare
from acalsim_backend.schedule.plan_file import PlanFile
from pipeline_fixtures import models_option

MODEL = f"""
import sys

from torch import nn

sys.path[:0] = {[str(Path(__file__).parent), *sys.path]}
from op_cases import CASES, DECOMPOSED
from op_cases.together import together

cases = [case for type, cases in CASES.items() if type not in DECOMPOSED for case in cases.values()]
every, values = together(cases)


class Every(nn.Module):
    def forward(self, *values):
        return every(*values)


def model():
    return Every()


def inputs():
    return values
"""


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    return models_option(tmp_path_factory, every=MODEL)


def worst_output(build, capture):
    """The largest error of any output, relative to that output's own largest value, and which output it is."""
    plan = doors.read(build / "every/plan.json", PlanFile, ReportError)
    found = doors.read(capture / "every/capture.json", CaptureFile, ReportError)
    outputs = tensors(mapped(build / "every/run/outputs.bin"), plan.outputs)
    references = tensors(mapped(capture / "every/outputs.bin"), found.outputs)
    errors = [
        compare([output], [reference], [""], 0).max_rel_error
        for output, reference in zip(outputs, references, strict=True)
    ]
    assert len(errors) > 1000 and None not in errors, errors.index(None)
    return max((error, place) for place, error in enumerate(errors))


@pytest.mark.parametrize(
    "machine",
    ["default", *(pytest.param(name, marks=pytest.mark.slow) for name in ("cpu", "vector", "edge"))],
)
def test_a_machine_computes_what_pytorch_computes(host_tree, models, machine):
    """Each output by itself: beside those of thousands, one that is small could be quite wrong."""
    host_tree.scons(models, f"MACHINE={machine}", "sim-every", timeout=900)
    build = host_tree / ("build" if machine == "default" else f"build/{machine}")
    report = json.loads((build / "reports/every.json").read_text())
    assert len({op["type"] for op in report["ops"]}) > 100
    error, place = worst_output(build, host_tree / "build/capture")
    assert error <= DEFAULT_TOLERANCE, f"output {place}"
