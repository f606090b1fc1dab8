# SPDX-License-Identifier: Apache-2.0
"""No program steps over its stack's guard unseen: frames and calls as the code has them."""

import re
import shutil
import subprocess

import pytest
from acalsim_backend.check.check import check
from acalsim_backend.check.elf import read_elf
from acalsim_backend.check.stack_rules import Depths, guard_bytes, read_functions
from acalsim_backend.errors import CheckError
from acalsim_backend.host import toolchain
from acalsim_backend.paths import KERNELS
from check_fixtures import CROSS, PROJECT

START = '__asm__(".section .text.init\\n.globl _start\\n.type _start,@function\\n_start: la sp, __stack_top\\ncall main\\n'
START += '.size _start, .-_start\\n.text");\n'
KEEP = "__attribute__((noinline)) void keep(volatile char *p) { *p = 1; }\n"
PLAN = {"stack_bytes": 0x4000}


@pytest.fixture
def compiled(bench, tmp_path):
    """Links C with a stack of 16 KiB; returns the ELF, and gcc's own -fstack-usage by function."""

    def compiled(source, *flags):
        file, elf = tmp_path / "program.c", tmp_path / "program.elf"
        file.write_text(START + KEEP + source)
        command = [
            f"{CROSS}gcc",
            "-march=rv64gc",
            "-mabi=lp64d",
            "-mcmodel=medany",
            "-O1",
            "-fno-inline",
            *flags,
        ]
        command += ["-ffreestanding", "-nostdlib", "-fstack-usage", "-Wl,--no-warn-rwx-segments"]
        subprocess.run([*command, "-T", bench.script(PROJECT), file, "-o", elf], check=True, cwd=tmp_path)
        (usage,) = tmp_path.glob("*.su")
        rows = (line.split("\t") for line in usage.read_text().splitlines())
        return elf, {name.rpartition(":")[2]: int(size) for name, size, _ in rows}

    return compiled


CHAIN = """\
__attribute__((noinline)) void leaf(void) {{ char a[{leaf}]; keep(a); keep(a + {leaf} - 1); }}
__attribute__((noinline)) void middle(void) {{ char a[{middle}]; keep(a); leaf(); keep(a + 1); }}
int main(void) {{ middle(); leaf(); return 0; }}
"""


@pytest.mark.parametrize("size", [16, 200, 256, 500, 513, 1000, 2000, 2100, 5000])
def test_frames_are_what_the_compiler_says(compiled, size):
    elf, usage = compiled(CHAIN.format(leaf=size, middle=32))
    found = {function.name: function.frame_bytes for function in read_functions(read_elf(elf)).values()}
    assert usage["leaf"] >= size and found.pop("_start") == 0
    assert found == usage


def test_depth_is_that_of_the_deepest_calls(compiled):
    elf, usage = compiled(CHAIN.format(leaf=300, middle=700))
    deepest = sum(usage[name] for name in ("main", "middle", "leaf", "keep"))
    layout = read_elf(elf)
    assert Depths(read_functions(layout)).needed(layout) == deepest


VECTORS = """
#include <stdint.h>
#include "int8.h"
INLINE void end(const void *y, long i, long channel, long row, long column, long s, int count, const float *sums) {
    (void)i, (void)s;
    for (int j = 0; j < count; j++) ((float *)y)[channel * 1024 + row * 32 + column + j] = sums[j];
}
void convolve(const int8_t *x, const int8_t *w, float *y) {
    const struct conv conv = {1, 1, 16, 32, 32, 32, 3, 3, 1, 1, 1, 1};
    conv2d_i8(x, 16 * 34 * 34, 34 * 34, 34, w, conv, end, y);
}
int main(void) { convolve((void *)0x80001000, (void *)0x80002000, (void *)0x80003000); return 0; }
"""


@pytest.mark.skipif(shutil.which(toolchain.CLANG) is None, reason=f"needs {toolchain.CLANG}")
def test_frames_of_vectors_are_counted_in_their_bytes(bench, tmp_path):
    """Those of an int8 convolution, whose vectors clang keeps on the stack."""
    (tmp_path / "program.c").write_text(START + VECTORS)
    flags = [
        "--target=riscv64-unknown-elf",
        "-march=rv64gcv_zvl256b",
        "-mabi=lp64d",
        "-mcmodel=medany",
        "-O3",
        "-w",
    ]
    flags += ["-mllvm", "-riscv-v-register-bit-width-lmul=4", "-ffreestanding", "-I", KERNELS, "program.c"]
    for output in ("-S", "-c"):
        subprocess.run([toolchain.CLANG, *flags, output], check=True, cwd=tmp_path)
    subprocess.run(
        [f"{CROSS}gcc", "-nostdlib", "-T", bench.script(PROJECT), "program.o", "-o", "elf"],
        check=True,
        cwd=tmp_path,
    )
    prologue = (tmp_path / "program.s").read_text().split("\nconvolve:")[1].split("\tvset")[0]
    scalar = int(re.search(r"addi\tsp, sp, -(\d+)", prologue)[1])
    vectors = int(re.search(r"vlenb\n\tli\t(\w+), (\d+)\n\tmul\t.*\n\tsub\tsp, sp", prologue)[2])
    for vector_bytes in (32, 128):
        functions = read_functions(read_elf(tmp_path / "elf"), vector_bytes).values()
        (frame,) = (each.frame_bytes for each in functions if each.name == "convolve")
        assert frame == scalar + vectors * vector_bytes


def test_far_calls_are_followed(compiled):
    """Through auipc and jalr, as the linker leaves them without relaxation."""
    elf, usage = compiled(CHAIN.format(leaf=300, middle=700), "-Wl,--no-relax")
    layout = read_elf(elf)
    assert Depths(read_functions(layout)).needed(layout) >= usage["middle"] + usage["leaf"]


def judged(elf, bench, **plan):
    try:
        check(elf, bench.script(PROJECT), {**PLAN, **plan})
    except CheckError as error:
        return str(error)
    return ""


def test_small_frames_are_the_guards_to_catch(compiled, bench):
    elf, _ = compiled("int main(void) { char a[200]; keep(a); return main() + a[0]; }")
    assert judged(elf, bench) == ""


def test_a_large_frame_passes_where_the_stack_surely_suffices(compiled, bench):
    elf, _ = compiled(CHAIN.format(leaf=2000, middle=2000))
    assert judged(elf, bench) == ""


def test_a_large_frame_is_refused_where_calls_need_more_than_there_is(compiled, bench):
    elf, _ = compiled(CHAIN.format(leaf=2000, middle=2000))
    assert re.fullmatch(
        r"function '(leaf|middle)' has a stack frame of 0x7[de]0 bytes, which could step over the guard of 0x100: calls "
        r"may need 0xf[0-9a-f]0 bytes of stack, above its guard there are 0xa00; a larger one is firmware\.stack_bytes in "
        r"the machine file",
        judged(elf, bench, stack_bytes=0xB00),
    )


UNKNOWN = {
    "calls itself": "int main(void) { char a[400]; keep(a); return main() + a[0]; }",
    "calls through a pointer": "void (*volatile f)(void); int main(void) { char a[400]; keep(a); f(); return a[0]; }",
    "of any size": "int main(void) { volatile int n = 9; char a[n]; keep(a); return a[0]; }",
}


@pytest.mark.parametrize("how", UNKNOWN)
def test_a_large_frame_is_refused_where_nobody_knows_how_deep_calls_go(compiled, bench, how):
    elf, _ = compiled(UNKNOWN[how])
    assert "how deep calls go is not known" in judged(elf, bench)


def test_the_guard_is_the_reset_codes_own():
    assert guard_bytes() == 256


def test_a_frame_that_aligns_itself_is_known(compiled):
    """The compiler keeps the old stack pointer in s0, cuts off the new one's last bits, and goes back by s0."""
    source = CHAIN.format(leaf=32, middle=32).replace(
        "char a[32]; keep(a); keep", "LARGE char a[300]; keep(a); keep", 1
    )
    elf, usage = compiled(source, "-DLARGE=__attribute__((aligned(64)))", "-fno-omit-frame-pointer")
    found = {function.name: function.frame_bytes for function in read_functions(read_elf(elf)).values()}
    assert usage["leaf"] >= 300 and usage["leaf"] <= found["leaf"] <= usage["leaf"] + 128
