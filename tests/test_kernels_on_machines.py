# SPDX-License-Identifier: Apache-2.0
"""kernels/matmul.h and elementary.h on emulated CPUs: vector code computes what scalar code does."""

import shutil
import subprocess
from dataclasses import replace

import pytest
import torch
from acalsim_backend.errors import ToolchainError
from acalsim_backend.host import toolchain
from acalsim_backend.machine.file import load_machine
from acalsim_backend.pipeline import build_graph
from host_fixtures import captured_function
from kernel_fixtures import FUNCTIONS, GELUS, LOOP, MOST, PRODUCTS
from qemu_fixtures import KERNELS

CHECK = """
#include "console.h"
#include "runtime.h"
#include "matmul.h"
#include "elementary.h"
float a[{most}], b[{most}], y[{most}];
{products}
static int wrong;
static void judge(const char *name, int is_right) {{
    if (!is_right) print(name), print("\\n"), wrong = 1;
}}
/* Whole numbers, whose sums are exact in any order. */
static float plain_sum(const long *s, long t, long i, long j, long k) {{
    float sum = 0.0f;
    _Pragma("clang loop vectorize(disable)")
    for (long l = 0; l < k; l++) sum += a[t * s[0] + i * s[1] + l * s[2]] * b[t * s[3] + l * s[4] + j * s[5]];
    return sum;
}}
static int is_product(const long *s, long batches, long m, long n, long k) {{
    for (long t = 0; t < batches; t++)
        for (long i = 0; i < m; i++)
            for (long j = 0; j < n; j++)
                if (y[(t * m + i) * n + j] != 2.0f * plain_sum(s, t, i, j, k) + (float)j) return 0;
    return batches * m * n == {most} || y[batches * m * n] == -1.0f;
}}
{loops}
static float found[1000], want[1000];
static int are_same(void) {{
    for (int i = 0; i < 1000; i++)
        if (bits_of(found[i]) != bits_of(want[i]) && (found[i] == found[i] || want[i] == want[i])) return 0;
    return 1;
}}
int main(void) {{
    for (int i = 0; i < {most}; i++) a[i] = (float)(i * 7 % 13 - 6), b[i] = (float)(i * 5 % 11 - 5);
    {calls}
    for (int i = 0; i < 1000; i++)
        a[i] = i < 600 ? (i - 300) * 0.07f : float_of((int32_t)((uint32_t)i * 4294968u));
    {compares}
    return wrong;
}}
"""


def check_program(products):
    names = (*FUNCTIONS, *GELUS)
    plain = LOOP.replace("_loop(", "_plain(").replace(
        "UNROLL_SCALAR(4)", '_Pragma("clang loop vectorize(disable)")'
    )
    calls = [
        f"for (int i = 0; i < {MOST}; i++) y[i] = -1.0f;\n    {p.name}();\n"
        f"    {{ const long strides[] = {{ {', '.join(map(str, p.strides))} }};"
        f' judge("{p.name}", is_product(strides, {p.batches}, {p.m}, {p.n}, {p.k})); }}'
        for p in products
    ]
    compares = [
        f'{n}_loop(a, found, 1000); {n}_plain(a, want, 1000); judge("{n}", are_same());' for n in names
    ]
    return CHECK.format(
        most=MOST,
        products="".join(p.code() for p in products),
        loops="".join(LOOP.format(n) + "__attribute__((noinline)) " + plain.format(n) for n in names),
        calls="\n    ".join(calls),
        compares="\n    ".join(compares),
    )


def vector_cpu(vlen):
    return replace(load_machine("vector").cpu, vlen=vlen)


def compiled(folder, source, cpu):
    """An object file for that CPU, warnings being errors."""
    compiler = toolchain.find_gcc() if toolchain.c_compiler(cpu) == "gcc" else toolchain.CLANG
    (folder / "program.c").write_text(source)
    command = [
        compiler,
        *toolchain.c_flags(cpu),
        f"-I{KERNELS}",
        "-c",
        folder / "program.c",
        "-o",
        folder / "program.o",
    ]
    subprocess.run(command, check=True)
    return folder / "program.o"


def test_machines_with_vectors_name_the_compiler_they_miss(monkeypatch, tmp_path):
    (tmp_path / "riscv64-unknown-elf-gcc").symlink_to(toolchain.find_gcc())
    monkeypatch.setenv("PATH", str(tmp_path))
    toolchain.find_compiler("rv64gc")
    with pytest.raises(
        ToolchainError,
        match=r"^no compiler 'clang-16', which machines with vectors need; .*apt install clang-16\)$",
    ):
        toolchain.find_compiler("rv64gcv")


def arguments(cpu):
    return ["-cpu", f"rv64,v=true,vext_spec=v1.0,vlen={cpu.vlen}"] if cpu.vlen else []


needs_clang = pytest.mark.skipif(shutil.which(toolchain.CLANG) is None, reason=f"needs {toolchain.CLANG}")


@needs_clang
@pytest.mark.parametrize("vlen", [128, 256, 512])
def test_vector_code_computes_what_scalar_code_does(firmware, run, tmp_path, vlen):
    cpu = vector_cpu(vlen)
    elf = firmware(f"vector{vlen}", extra=[compiled(tmp_path, check_program(PRODUCTS), cpu)])
    outcome = run(elf, arguments=arguments(cpu))
    assert (outcome.console, outcome.status) == ("", 0)


def test_no_vector_conversion_truncates_which_this_qemu_may_fail_at(tmp_path):
    """QEMU 7.2 ends with a failed assertion where one is a block's first vector instruction of floats."""

    def every(x, y):
        functions = [
            "exp",
            "log",
            "sin",
            "cos",
            "tanh",
            "erf",
            "sigmoid",
            "expm1",
            "log1p",
            "floor",
            "round",
            "trunc",
        ]
        found = [getattr(torch, name)(x) for name in functions]
        return *found, x.abs() ** y, x**3.5, torch.nn.functional.gelu(x), x.int(), x.long(), x.to(torch.int8)

    captured = captured_function(every, (torch.rand(300), torch.rand(300)))
    program = build_graph(tmp_path, captured.ir, captured.inputs, "vector")
    text = subprocess.run(
        [f"{toolchain.PREFIX}objdump", "-d", program.elf], check=True, capture_output=True, text=True
    ).stdout
    assert "vfmacc" in text and "vfcvt" in text
    assert ".rtz." not in text
