# SPDX-License-Identifier: Apache-2.0
"""Elementary functions give the same bits on emulated CPUs, on this computer and in the vector unit."""

import ctypes
import shutil
import subprocess
from dataclasses import replace

import numpy as np
import pytest
from acalsim_backend.host import engine, toolchain
from acalsim_backend.machine.file import load_machine
from acalsim_backend.machine.headers import registers_header
from acalsim_backend.paths import KERNELS, SIM
from kernel_fixtures import FUNCTIONS, GELUS

FOR_VECTORS = (*FUNCTIONS, *GELUS)
"""Functions that the vector unit has, too."""
ROWS = (*FOR_VECTORS, "exp_negative")
ROUNDINGS = ("rounded", "truncated", "floored", "ceiled", "quantise_i8", "whole_of", "whole_i32_of")
"""One float in, a number out that float64 holds."""
DIVISIONS = ("remainder_f32", "divide_floor_f32", "divide_trunc_f32", "larger", "smaller")
"""Two floats in; the second is a neighbour of the first."""
SAMPLES, BLOCK = 1 << 18, 1 << 13

EDGES = """
    0 0x80000000 1 0x80000001 3 0x80000003 0x7fffff 0x807fffff 0x800000 0x80800000 0x3f800000 0xbf800000
    0x3f7fffff 0x3f800001 0xbf7fffff 0xbf800001 0x7f7fffff 0xff7fffff 0x7f800000 0xff800000 0x7fc00000
    0xffc00000 0x7fa00001 0x42b17217 0x42b17218 0x42b17219 0xc2aeac4f 0xc2aeac50 0xc2cff1b4 0xc2cff1b5
    0x42b20000 0xc2b00000 0xc2d00000 0x3f6d7fff 0x3f6d8000 0x3f6d8001 0x3f2aaaaa 0x3f2aaaab 0x3faaaaaa
    0x3faaaaab 0x41200000 0xc1900000 0x4b000000 0xcb000000 0x4f000000 0xcf000000 0x5f000000 0xdf000000
"""
"""Bits of floats at which some function changes its way, or its result its kind."""

PROGRAM = """
#include "divide.h"
#include "elementary.h"
#include "rounding.h"
static const uint32_t edges[] = {{{edges}}};
/* Edges, then numbers from -12 to 12, then numbers of every exponent and both signs. */
INLINE float sample(uint32_t i) {{
    if (i < sizeof edges / sizeof *edges) return float_of((int32_t)edges[i]);
    if (i < {samples} / 2) return (float)((int32_t)i - {samples} / 4) * 0x1.8p-13f;
    return float_of((int32_t)(i * 2u * (0xffffffffu / {samples}) + i));
}}
INLINE uint64_t mark_f32(float y) {{ return y != y ? 1u : (uint32_t)bits_of(y); }}
static float x[{samples} + 1], y[{samples}];
/* One number for every block of results. */
#define MARK(value)                                                          \\
    for (uint32_t i = 0, j = 0; i < {samples}; j++) {{                          \\
        uint64_t sum = 0;                                                    \\
        for (; i < (j + 1) * {block}; i++) sum += (value) * (2 * (uint64_t)i + 1); \\
        emit(sum);                                                           \\
    }}
static void fill(void) {{
    for (uint32_t i = 0; i <= {samples}; i++) x[i] = sample(i);
}}
static void marks(void) {{
{rounding}
{division}
}}
"""


def program():
    """C and C++ that computes marks of everything but the row functions."""
    rounding = [f"    MARK((uint64_t)(int64_t){n}(x[i]))" for n in ROUNDINGS[4:]]
    rounding += [f"    MARK(mark_f32({n}(x[i])))" for n in ROUNDINGS[:4]]
    division = [f"    MARK(mark_f32({n}(x[i], x[i + 1])))" for n in DIVISIONS]
    return PROGRAM.format(
        edges=", ".join(f"{edge}u" for edge in EDGES.split()),
        samples=SAMPLES,
        block=BLOCK,
        rounding="\n".join(rounding),
        division="\n".join(division),
    )


NAMES = (*ROWS, *ROUNDINGS[4:], *ROUNDINGS[:4], *DIVISIONS)
"""In the order in which programs give their marks."""


def call(name):
    """A loop over the header's own function."""
    function = name if name == "exp_negative" else f"{name}_f32"
    return f"for (long i = 0; i < {SAMPLES}; i++) y[i] = {function}(x[i]);"


def main_part(loops):
    return "".join(f"    {loop}\n    MARK(mark_f32(y[i]))\n" for loop in loops)


def guest_program():
    return (
        '#include "console.h"\nstatic void emit(unsigned long sum) { print_hex(sum); print("\\n"); }\n'
        f"{program()}int main(void) {{\n    fill();\n{main_part(map(call, ROWS))}    marks();\n    return 0;\n}}\n"
    )


def host_program():
    """all_marks(): of the vector unit's functions, where it has them and `unit` is set, else of the headers'."""
    loops = [
        f"if (unit) compute(FUNCTION_{name.upper()}, x, x, y, {SAMPLES}); else {call(name)}"
        if name in FOR_VECTORS
        else call(name)
        for name in ROWS
    ]
    return (
        '#include "model/elementwise.hh"\n#include "registers.h"\nusing acalsim::compute;\n'
        "static unsigned long *out;\nstatic void emit(unsigned long sum) { *out++ = sum; }\n"
        f"{program()}"
        'extern "C" __attribute__((visibility("default"))) void all_marks(unsigned long *to, int unit) {\n'
        f"    out = to;\n    fill();\n{main_part(loops)}    marks();\n}}\n"
    )


def in_blocks(numbers):
    """Marks by function, a row of blocks each."""
    return dict(zip(NAMES, np.array(numbers, "u8").reshape(len(NAMES), -1), strict=True))


def assert_same(found, expected):
    wrong = {name: np.flatnonzero(found[name] != expected[name]) * BLOCK for name in NAMES}
    assert {name: list(samples) for name, samples in wrong.items() if samples.size} == {}


def host_library(folder, compiler):
    """The vector unit's functions by that compiler and the engine's flags."""
    (folder / "host.cc").write_text(host_program())
    library = folder / f"{compiler}.so"
    (folder / "registers.h").write_text(registers_header())
    sources = [SIM / "model/elementwise.cc", folder / "host.cc"]
    include = [f"-I{path}" for path in (SIM, SIM.parent, KERNELS, folder)]
    command = [compiler, *engine.ENGINE_CXXFLAGS, "-Werror", *include, "-shared", *sources, "-o", library]
    subprocess.run(command, check=True)
    return ctypes.CDLL(str(library)).all_marks


def host_marks(all_marks, unit=True):
    marks = (ctypes.c_ulong * (len(NAMES) * SAMPLES // BLOCK))()
    all_marks(marks, int(unit))
    return in_blocks(marks)


@pytest.fixture(scope="module")
def simulators(tmp_path_factory):
    """The marks of the vector unit's functions as they are built here."""
    return host_marks(host_library(tmp_path_factory.mktemp("host"), engine.CXX))


def test_hosts_without_fused_multiply_adds_get_the_same_bits(tmp_path, simulators):
    assert_same(host_marks(host_library(tmp_path, engine.CXX), unit=False), simulators)


@pytest.mark.skipif(shutil.which("clang++-16") is None, reason="needs clang++-16")
def test_another_compiler_gives_the_same_bits(tmp_path, simulators):
    assert_same(host_marks(host_library(tmp_path, "clang++-16")), simulators)


needs_clang = pytest.mark.skipif(shutil.which(toolchain.CLANG) is None, reason=f"needs {toolchain.CLANG}")
CPUS = [
    load_machine("cpu").cpu,
    pytest.param(replace(load_machine("vector").cpu, vlen=256), marks=needs_clang),
]


@pytest.mark.parametrize("cpu", CPUS, ids=lambda cpu: cpu.isa)
def test_the_guest_computes_the_simulators_bits(cpu, firmware, run, tmp_path, simulators):
    (tmp_path / "guest.c").write_text(guest_program())
    compiler = toolchain.find_gcc() if toolchain.c_compiler(cpu) == "gcc" else toolchain.CLANG
    command = [compiler, *toolchain.c_flags(cpu), f"-I{KERNELS}", "-c", "guest.c", "-o", "guest.o"]
    subprocess.run(command, cwd=tmp_path, check=True)
    vectors = ["-cpu", f"rv64,v=true,vext_spec=v1.0,vlen={cpu.vlen}"] if cpu.vlen else []
    console = run(firmware(f"bits{cpu.isa}", extra=[tmp_path / "guest.o"]), arguments=vectors).console
    assert_same(in_blocks([int(line, 16) for line in console.split()]), simulators)
