# SPDX-License-Identifier: Apache-2.0
"""Whole models on this machine: captured, printed as C, compiled by its own gcc, run, and held to PyTorch."""

import functools
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
from acalsim_backend.capture.model import capture_model
from acalsim_backend.capture.model_file import ModelFile
from acalsim_backend.codegen.generator import code_files
from acalsim_backend.codegen.values import data_files, placed_inputs
from acalsim_backend.files import write_files
from acalsim_backend.machine.file import load_machine
from acalsim_backend.schedule.passes import make_plan
from acalsim_backend.schedule.plan_rows import plan_file
from conftest import ROOT
from host_fixtures import captured_function, run_on_host

MODELS = {path.stem: path for path in sorted((ROOT / "models").glob("[!_]*.py"))}


def loaded(path: Path) -> ModelFile:
    file = ModelFile(path)
    file.load()
    return file


@functools.cache
def captured_model(name):
    """A model of models/, captured once."""
    return capture_model(loaded(MODELS[name]))


def generate(captured, folder):
    """Plan a captured model and write its program, values included, into `folder`."""
    machine = load_machine("cpu")
    plan = make_plan(captured.ir, machine)
    weights = {name: captured.ir.constants[name].tobytes() for name in captured.ir.params}
    told = plan_file(captured.ir, plan, machine)
    inputs = placed_inputs(told, [array.tobytes() for array in captured.inputs])
    files = {**code_files(captured.ir, plan, machine, folder), **data_files(told, weights, inputs)}
    write_files(files, folder)


def relative_error(outputs, references):
    """The largest max|y - reference| / max|reference| of any output; infinite where one is not finite."""
    assert [(each.dtype, each.shape) for each in outputs] == [(each.dtype, each.shape) for each in references]
    assert references
    assert all(np.isfinite(each).all() for each in references)
    return max(_error(*pair) for pair in zip(outputs, references, strict=True))


def _error(output, reference):
    output, reference = output.astype(float), reference.astype(float)
    return (
        np.abs(output - reference).max() / max(np.abs(reference).max(), 1e-30)
        if np.isfinite(output).all()
        else np.inf
    )


class Programs:
    """The programs of the cases that a module's tests ask for; one is compiled while the next is captured.

    `build(case)` returns a module and its inputs.
    """

    def __init__(self, request, folder, build):
        cases = [item.callspec.params["case"] for item in request.session.items
                 if item.parent is request.node and request.fixturename in item.fixturenames]  # fmt: skip
        with ThreadPoolExecutor() as pool:
            self.errors = {
                case: self._begin(pool, case, folder / str(index), build) for index, case in enumerate(cases)
            }

    def _begin(self, pool, case, folder, build):
        try:
            captured = captured_function(*build(case))
        except Exception as error:
            failed = Future()
            failed.set_exception(error)
            return failed
        folder.mkdir()
        return pool.submit(lambda: relative_error(run_on_host(captured, folder), captured.references))

    def relative_error(self, case):
        return self.errors[case].result()
