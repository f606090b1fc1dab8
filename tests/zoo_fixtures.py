# SPDX-License-Identifier: Apache-2.0
"""Whole models on this machine: captured, printed as C, compiled by its own gcc, run, and held to PyTorch."""

import functools
import pickle
from pathlib import Path

import numpy as np
import pytest
from acalsim_backend.capture.model import capture_model
from acalsim_backend.capture.model_file import ModelFile
from acalsim_backend.codegen.generator import code_files
from acalsim_backend.codegen.values import data_files, placed_inputs
from acalsim_backend.files import write_files
from acalsim_backend.machine.file import load_machine
from acalsim_backend.schedule.passes import make_plan
from acalsim_backend.schedule.plan_rows import plan_file
from conftest import ROOT

MODELS = {path.stem: path for path in sorted((ROOT / "models").glob("[!_]*.py"))}


def loaded(path: Path) -> ModelFile:
    file = ModelFile(path)
    file.load()
    return file


@pytest.fixture(scope="session")
def captured_model(made_once):
    """captured_model(name): a model of models/, captured once for all workers."""

    def capture(folder, name):
        (folder / "captured").write_bytes(pickle.dumps(capture_model(loaded(MODELS[name]))))

    @functools.cache
    def captured(name):
        folder = made_once(f"captured-{name}", functools.partial(capture, name=name))
        return pickle.loads((folder / "captured").read_bytes())

    return captured


def generate(captured, folder):
    """Plan a captured model and write its program, values included, into `folder`."""
    machine = load_machine("cpu")
    plan = make_plan(captured.ir, machine)
    told = plan_file(captured.ir, plan, machine)
    inputs = placed_inputs(told, [array.tobytes() for array in captured.inputs])
    files = {
        **code_files(captured.ir, plan, machine, folder),
        **data_files(told, captured.ir.constants, inputs),
    }
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
