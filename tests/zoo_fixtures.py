# SPDX-License-Identifier: Apache-2.0
"""Whole models on this machine: captured, printed as C, compiled by its own gcc, run, and held to PyTorch."""

import ctypes
import subprocess
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
from acalsim_backend import toolchain
from acalsim_backend.capture import capture_model
from acalsim_backend.codegen import code_files, data_files, placed_inputs, write_files
from acalsim_backend.machine import load_machine
from acalsim_backend.paths import KERNELS
from acalsim_backend.plan import make_plan

HOST = """\
#define main graph_0_main
#include "graph_0.c"
#include "graph_0_weights.c"
#include "graph_0_inputs.c"
#include <stdlib.h>
void index_error(int64_t index, int64_t size)
{
    (void)index, (void)size;
    abort();
}
"""


class Given:
    """Stands for a model file: a module and its inputs."""

    path = Path(__file__)

    def __init__(self, module, inputs):
        self.build = lambda: (module, inputs)

    def guard(self, _what, call):
        return call()

    def guard_dynamo(self, call):
        return call()


def generate(captured, folder):
    """Plan a captured model and write its program, values included, into `folder`; returns the plan."""
    machine = load_machine("cpu")
    plan = make_plan(captured.ir, machine)
    weights = {name: captured.ir.constants[name].tobytes() for name in captured.ir.params}
    inputs = placed_inputs(captured.ir, plan, [array.tobytes() for array in captured.inputs])
    files = {**code_files(captured.ir, plan, machine, folder), **data_files(captured.ir, plan, weights, inputs)}
    write_files(files, folder)
    return plan


def run_on_host(captured, folder):
    """The outputs, numpy arrays, that a captured model's program computes when this machine runs it."""
    plan = generate(captured, folder)
    (folder / "host.c").write_text(HOST)
    warnings = [flag for flag in toolchain.CFLAGS if flag.startswith(("-W", "-f", "-std"))]
    flags = [*warnings, "-O1", "-fPIC", "-shared", "-Wl,-Bsymbolic", "-ffp-contract=fast", f"-I{KERNELS}", "-I."]
    done = subprocess.run(["gcc", *flags, "host.c", "-o", "host.so", "-lm"], cwd=folder, capture_output=True, text=True)
    assert not done.returncode, done.stderr
    library = ctypes.CDLL(folder / "host.so")
    inputs = (ctypes.c_char * max(plan.blocks[".inputs"], 1)).in_dll(library, "graph_0_inputs")
    outputs = ctypes.create_string_buffer(max(plan.blocks[".outputs"], 1))
    library.graph_0_forward(inputs, outputs)
    return [_tensor(captured.ir.tensors[name], plan.place(name), outputs.raw) for name in captured.ir.outputs]


def _tensor(desc, place, block):
    return np.frombuffer(block, desc.dtype, desc.elements, place.offset).reshape(desc.shape)


def relative_error(outputs, references):
    """The largest max|y - reference| / max|reference| of any output; infinite where one is not finite."""
    assert [(each.dtype, each.shape) for each in outputs] == [(each.dtype, each.shape) for each in references]
    assert references
    assert all(np.isfinite(each).all() for each in references)
    return max(_error(*pair) for pair in zip(outputs, references, strict=True))


def _error(output, reference):
    output, reference = output.astype(float), reference.astype(float)
    return np.abs(output - reference).max() / max(np.abs(reference).max(), 1e-30) if np.isfinite(output).all() else np.inf


class Programs:
    """The programs of the cases that a module's tests ask for; one is compiled while the next is captured.

    `build(case)` returns a module and its inputs.
    """

    def __init__(self, request, folder, build):
        cases = [item.callspec.params["case"] for item in request.session.items
                 if item.parent is request.node and request.fixturename in item.fixturenames]  # fmt: skip
        with ThreadPoolExecutor() as pool:
            self.errors = {case: self._begin(pool, case, folder / str(index), build) for index, case in enumerate(cases)}

    def _begin(self, pool, case, folder, build):
        try:
            captured = capture_model(Given(*build(case)))
        except Exception as error:
            failed = Future()
            failed.set_exception(error)
            return failed
        folder.mkdir()
        return pool.submit(lambda: relative_error(run_on_host(captured, folder), captured.references))

    def relative_error(self, case):
        return self.errors[case].result()
