# SPDX-License-Identifier: Apache-2.0
"""Generated programs compiled for the machine that the tests run on, and called there.

The kernels are portable C, so one shared library can hold the programs of many graphs; the very same
sources run on the emulated CPU in test_pipeline_report.py.
"""

import ctypes
import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from acalsim_backend.capture.model import capture_model
from acalsim_backend.capture.model_file import in_eval_mode
from acalsim_backend.capture.narrow import narrow
from acalsim_backend.codegen.program import c_header, c_source
from acalsim_backend.codegen.values import placed_inputs
from acalsim_backend.files import write_files
from acalsim_backend.host import toolchain
from acalsim_backend.machine.file import load_machine
from acalsim_backend.machine.headers import machine_header, registers_header
from acalsim_backend.paths import KERNELS
from acalsim_backend.schedule.passes import make_plan
from acalsim_backend.schedule.plan_rows import plan_file

HOST = """\
#include <setjmp.h>
static jmp_buf host_start;
static int64_t host_index, host_size;
_Noreturn void index_error(int64_t index, int64_t size)
{
    host_index = index, host_size = size;
    longjmp(host_start, 1);
}
int host_forward(const void *inputs, void *outputs, int64_t *wrong)
{
    if (setjmp(host_start)) {
        wrong[0] = host_index, wrong[1] = host_size;
        return 1;
    }
    graph_0_forward(inputs, outputs);
    return 0;
}
"""
"""Behind the program: its forward function, which an index out of range leaves."""


class Function(torch.nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, *values):
        return self.function(*values)


class Case:
    """Stands for a model file: a function or a module, and its inputs."""

    path = resolved = Path(__file__)
    further = ()

    def __init__(self, function, inputs):
        module = function if isinstance(function, torch.nn.Module) else Function(function)
        in_eval_mode(module)
        self.build = lambda: (module, inputs)

    def guard(self, _what, call):
        return call()

    def guard_dynamo(self, call):
        return call()

    def told(self, error):
        return error


class Library:
    """The programs of captured graphs by name, compiled for this machine and callable."""

    def __init__(self, folder, graphs, kernels=KERNELS, keep_all=False, optimise="-O1"):
        self.machine, self.kernels, self.keep_all, self.optimise = (
            load_machine("cpu"),
            kernels,
            keep_all,
            optimise,
        )
        self.graphs = graphs
        self.plans = {
            name: make_plan(captured.ir, self.machine, keep_all) for name, captured in graphs.items()
        }
        self.index = {name: index for index, name in enumerate(graphs)}
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            objects = list(
                pool.map(lambda name: self._object(folder / f"case_{self.index[name]}", name), graphs)
            )
        library = folder / "cases.so"
        subprocess.run(["gcc", "-shared", "-Wl,-Bsymbolic", "-o", library, *objects, "-lm"], check=True)
        self.library = ctypes.CDLL(library)

    def _object(self, place, name):
        ir, plan, index = self.graphs[name].ir, self.plans[name], self.index[name]
        write_files(
            {
                "graph_0.c": c_source(ir, plan, self.machine),
                "graph_0.h": c_header(ir, plan),
                "machine.h": machine_header(self.machine),
                "registers.h": registers_header(),
            },
            place,
        )
        symbols = [
            f"{ir.name}_{what}" for what in ("init", "forward", "cleanup", "inputs", "buffers", "outputs")
        ]
        renamed = [
            *symbols,
            *(name for name in ir.params if ir.tensors[name].elements),
            "main",
            "graph_symbols",
            "graph_symbol_count",
            "index_error",
            "host_forward",
        ]
        (place / "parameters.bin").write_bytes(
            b"".join(ir.constants[param].tobytes().ljust(1, b"\0") for param in ir.params)
        )
        (place / "host.c").write_text(
            "".join(f"#define {symbol} {symbol}_{index}\n" for symbol in renamed)
            + f'#include "graph_0.c"\nchar graph_0_inputs[{max(plan.blocks[".inputs"], 1)}];\n'
            + HOST
            + self._parameters(ir, place, index)
        )
        warnings = [flag for flag in toolchain.CFLAGS if flag.startswith(("-W", "-f", "-std"))]
        # gcc 12 for x86 may take an op for a function without effect, and leave out its call.
        warnings += ["-fno-ipa-pure-const", "-fno-ipa-modref"]
        flags = [
            *warnings,
            "-Wno-unused-function",
            self.optimise,
            "-fPIC",
            "-ffp-contract=fast",
            f"-I{self.kernels}",
            f"-I{place}",
        ]
        done = subprocess.run(
            ["gcc", *flags, "-c", place / "host.c", "-o", place / "host.o"], capture_output=True, text=True
        )
        assert not done.returncode, f"{name}: {done.stderr}"
        return place / "host.o"

    @staticmethod
    def _parameters(ir, place, index):
        lines, offset = [], 0
        for param in ir.params:
            size = max(ir.tensors[param].size_bytes, 1)
            lines.append(
                f'__asm__(".pushsection .rodata\\n.balign 64\\n.globl {param}_{index}\\n{param}_{index}:\\n'
                f'.incbin \\"{place}/parameters.bin\\", {offset}, {size}\\n.popsection");\n'
            )
            offset += size
        return "".join(lines)

    def block(self, name, inputs=None):
        """The output block that the program leaves, from the captured inputs or from others."""
        captured, plan = self.graphs[name], self.plans[name]
        given = captured.inputs if inputs is None else inputs
        block = placed_inputs(
            plan_file(captured.ir, plan, self.machine),
            [np.ascontiguousarray(array).tobytes() for array in given],
        )
        outputs, wrong = ctypes.create_string_buffer(max(plan.blocks[".outputs"], 1)), (ctypes.c_int64 * 2)()
        if getattr(self.library, f"host_forward_{self.index[name]}")(block, outputs, wrong):
            raise IndexError(f"index {wrong[0]} is out of bounds with size {wrong[1]}")
        return outputs.raw

    def run(self, name, inputs=None):
        """The outputs that the program computes. Raises IndexError where it looks up what is not there."""
        ir, plan, block = self.graphs[name].ir, self.plans[name], self.block(name, inputs)
        return [self._tensor(ir.tensors[out], plan.place(out), block) for out in ir.outputs]

    @staticmethod
    def _tensor(desc, place, block):
        return (
            np.frombuffer(block, desc.dtype, desc.elements, place.offset).reshape(desc.shape)
            if desc.elements
            else np.empty(desc.shape, desc.dtype)
        )


def f(*shape):
    """A random tensor, always the same one of a shape."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)))


def captured_function(function, inputs, keep_all=False):
    return capture_model(Case(function, inputs), keep_all=keep_all)


def captured_narrow(function, inputs, half="bfloat16"):
    """What is captured of float32, made a half type; of a model that has half types, only these."""
    captured = captured_function(function, inputs)
    narrow(captured.ir, None if captured.ir.narrow else half)
    return captured


def run_on_host(captured, folder):
    """The outputs of one captured graph's program."""
    return Library(folder, {"graph": captured}).run("graph")
