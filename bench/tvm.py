# SPDX-License-Identifier: Apache-2.0
"""Guest instructions a multiply-accumulate in TVM's convolutions, counted as bench/instructions.py does.

    python3 -m venv /tmp/tvm && /tmp/tvm/bin/pip install apache-tvm numpy
    ./run python bench/tvm.py --python /tmp/tvm/bin/python

TVM's default schedule makes C code for the convolutions of bench/models. That code takes the place of ours in
the program and is compiled with the same flags.
"""

import argparse
import itertools
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "site_scons"))

from acalsim_backend.capture.model import capture_model  # noqa: E402
from acalsim_backend.capture.model_file import ModelFile  # noqa: E402
from acalsim_backend.pipeline import build_elf, build_graph, run_program  # noqa: E402

MODELS = {
    "conv3x3": ("conv2d_nchw", (32, 16, 3, 3)),
    "depthwise3x3": ("depthwise_conv2d_nchw", (64, 1, 3, 3)),
}
GENERATE = """
import sys, tvm
from tvm import te, topi
kind, *weight = sys.argv[1], *map(int, sys.argv[2:])
x = te.placeholder((1, 16 if kind == "conv2d_nchw" else 64, 32, 32), name="x")
w, b = te.placeholder(weight, name="w"), te.placeholder((weight[0],), name="b")
y = getattr(topi.nn, kind)(x, w, 1, 1, 1)
z = te.compute(y.shape, lambda n, c, i, j: y[n, c, i, j] + b[c], name="z")
function = te.create_prim_func([x, w, b, z]).with_attr("global_symbol", "main")
print(tvm.compile(tvm.IRModule({"main": function}), target="c").mod.inspect_source())
"""


def tvm_loops(python, kind, weight):
    """TVM's C statements that compute z from x, w and b. Their workspace becomes static arrays."""
    command = [python, "-c", GENERATE, kind, *map(str, weight)]
    source = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    buffers = re.findall(
        r"float\* (\w+) = .*TVMBackendAllocWorkspace\(1, dev_id, \(uint64_t\)(\d+)ULL", source
    )
    loops = source[source.index("  for (") : source.index("  if (TVMBackendFreeWorkspace")]
    return "".join(f"    static float {name}[{int(size) // 4}];\n" for name, size in buffers) + loops


def replaced(text, loops):
    """Our program, with the kernels of its convolution emptied and TVM's loops in the last of them."""
    head = r"(OP void kernel_conv_0(_pad)?\([^)]*\)\n\{\n)(.*?)(\n\}\n)"
    given = (
        "    const float *x = (const float *)graph_0_inputs, *w = p1, *b = p2;\n"
        "    float *z = p3;\n"
        "    (void)p0;\n"
    )

    def body(found):
        unused = "".join(f"    (void){name};\n" for name in re.findall(r"\*(p\d)", found[1]))
        return found[1] + (unused if found[2] else given + loops) + found[4]

    text = re.sub(head, body, text, flags=re.DOTALL)
    head = '#pragma GCC diagnostic ignored "-Wunused-function"\n#include <math.h>\n#include "graph_0.h"'
    return text.replace("#include <math.h>", head, 1)


def measured(python, name, machine, folder):
    """[multiply-accumulates, instructions] of a model on a machine."""
    file = ModelFile(ROOT / f"bench/models/{name}.py")
    file.load()
    captured = capture_model(file)
    program = build_graph(folder, captured.ir, captured.inputs, machine)
    source = folder / "graph_0.c"
    source.write_text(replaced(source.read_text(), tvm_loops(python, *MODELS[name])))
    build_elf(folder)
    _, report = run_program(program, captured.inputs, captured.references)
    assert report.check.passed, report.check
    return [sum(op.macs for op in report.ops), sum(op.counters.instructions for op in report.ops)]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--python", default=sys.executable, help="an interpreter that has apache-tvm")
    python = parser.parse_args().python
    for machine, name in itertools.product(("cpu", "vector"), MODELS):
        with tempfile.TemporaryDirectory() as folder:
            macs, instructions = measured(python, name, machine, Path(folder))
        print(f"{machine:8} {name:14} {macs:10,} {instructions:13,} {instructions / macs:8.3f}")


if __name__ == "__main__":
    main()
