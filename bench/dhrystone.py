# SPDX-License-Identifier: Apache-2.0
"""Cycles an instruction of the simulated CPU in a whole program, beside those of Rocket, a core of its kind.

    git clone --recursive https://github.com/riscv-software-src/riscv-tests
    ./run python bench/dhrystone.py --riscv-tests riscv-tests

The program is Rocket's own benchmark: Dhrystone of riscv-tests with its start-up code, C library and flags.
The CPU is that of `default`. Rocket's figures are counters of its RTL in Verilator, as
github.com/chipsalliance/rocket-chip/issues/2202 reports them. Another compiler made that program, so that
cycles an instruction are to be compared, not cycles.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "site_scons"))

from acalsim_backend.host import qemu, toolchain  # noqa: E402
from engine_roundtrips import serve_command  # noqa: E402

RTL_CYCLES, RTL_INSTRUCTIONS = 241_070, 199_268
"""What Rocket counts between the program's two readings of its counters."""
RUNS = 500
"""Runs of Dhrystone between these two readings."""
VAX = 1757
"""Dhrystones a second of the VAX 11/780, by which DMIPS are defined."""
FLAGS = [
    "-DPREALLOCATE=1",
    "-mcmodel=medany",
    "-static",
    "-std=gnu99",
    "-O2",
    "-ffast-math",
    "-fno-common",
    "-fno-builtin-printf",
    "-fno-tree-loop-distribute-patterns",
    "-Wno-implicit-int",
    "-Wno-implicit-function-declaration",
    "-march=rv64gc",
    "-mabi=lp64d",
    "-w",
]
SHIM = """
#define READ(csr) ({ long value; __asm__ volatile("csrr %0, " #csr : "=r"(value)); value; })
static long cycles, instructions;

/* Called before and after what is measured. */
void __wrap_setStats(int enable) {
    cycles = READ(mcycle) - cycles;
    instructions = READ(minstret) - instructions;
}

static void print(long number, char end) {
    volatile char *const serial = (char *)0x10000000;
    if (number >= 10) print(number / 10, '0' + number % 10);
    else *serial = '0' + number;
    *serial = end;
}

/* The program prints to a host that reads its memory, and there is none here. Its last line begins with D:
   then the counts go to the serial port, and the simulation is ended. */
int __wrap_printf(const char *format) {
    if (format[0] != 'D') return 0;
    print(cycles, ' ');
    print(instructions, ' ');
    *(volatile int *)0x10200000 = 0xdeadbeef;
    for (;;);
}
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--riscv-tests", type=Path, required=True, help="a checkout of riscv-tests")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        plugin = qemu.build_plugin(folder)
        cycles, instructions = counted(folder, plugin, build(folder, options.riscv_tests / "benchmarks"))
    print(f"{'':12} {'cycles':>8} {'instructions':>13} {'cycles an instruction':>22} {'DMIPS/MHz':>10}")
    for name, *row in (("default", cycles, instructions), ("Rocket, RTL", RTL_CYCLES, RTL_INSTRUCTIONS)):
        print(f"{name:12} {row[0]:8,} {row[1]:13,} {row[0] / row[1]:22.3f} {RUNS * 1e6 / row[0] / VAX:10.2f}")
    print(f"cycles an instruction: {cycles / instructions / (RTL_CYCLES / RTL_INSTRUCTIONS) - 1:+.1%}")


def build(folder, benchmarks):
    (folder / "shim.c").write_text(SHIM)
    sources = [
        *(benchmarks / "dhrystone").glob("*.c"),
        *(benchmarks / "common").glob("*.[cS]"),
        folder / "shim.c",
    ]
    if len(sources) < 5:
        sys.exit(f"dhrystone: there is no riscv-tests in '{benchmarks.parent}'")
    elf = folder / "dhrystone.elf"
    include = [f"-I{benchmarks / name}" for name in ("../env", "common", "dhrystone")] + [
        "-isystem",
        f"{toolchain.PICOLIBC}/include",
    ]
    link = [
        "-nostdlib",
        "-nostartfiles",
        "-T",
        benchmarks / "common/test.ld",
        "-Wl,--wrap=printf,--wrap=setStats",
        "-Wl,--no-warn-rwx-segments",
    ]
    subprocess.run(
        ["riscv64-unknown-elf-gcc", *FLAGS, *include, *link, *sources, "-lgcc", "-o", elf], check=True
    )
    return elf


def counted(folder, plugin, elf):
    """Simulated (cycles, instructions) of all RUNS."""
    socket = folder / "socket"
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "site_scons"), "VERBOSE": "0"}
    with subprocess.Popen(
        serve_command(str(socket)), stdout=subprocess.PIPE, text=True, env=environment
    ) as simulator:
        simulator.stdout.readline()
        command = [qemu.find_qemu(), "-M", "virt", "-bios", "none", "-display", "none"]
        command += ["-serial", "stdio", "-monitor", "none"]
        command += ["-kernel", elf, "-plugin", plugin, "-device", f"sst-device,socket={socket}"]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    if not re.fullmatch(r"\d+ \d+ ", done.stdout):
        sys.exit(f"dhrystone: QEMU ended with {done.returncode}: {done.stdout}{done.stderr}")
    return map(int, done.stdout.split())


if __name__ == "__main__":
    main()
