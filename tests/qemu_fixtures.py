# SPDX-License-Identifier: Apache-2.0
"""Plugin, firmware and a simulator of the tests' own, so that QEMU's side is judged by nobody of its kin."""

import json
import signal
import socket
import struct
import subprocess
import threading
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from acalsim_backend.host import qemu, toolchain
from acalsim_backend.machine.file import load_machine
from acalsim_backend.machine.headers import machine_header
from conftest import ROOT

KERNELS = ROOT / "kernels"
ECHO, COMPUTE = 0x10200000, 0x10300000
END = 0xDEADBEEF
TIMEOUT_S = 60

LATENCY = {
    "integer": 1, "load": 2, "load_narrow": 3, "store": 1, "multiply": 4, "divide": 34, "branch": 1,
    "branch_mispredict": 3, "jump": 1, "f32_add": 4, "f32_multiply": 5, "f32_divide": 20, "f64_add": 6,
    "f64_multiply": 7, "f64_divide": 30, "float_other": 2, "atomic": 5, "system": 5, "trap": 10, "vector": 4,
}  # fmt: skip

LINKER_SCRIPT = """
OUTPUT_ARCH(riscv)
ENTRY(_start)
MEMORY { RAM (rwx) : ORIGIN = 0x80000000, LENGTH = 16M }
SECTIONS
{
  .text : {
    KEEP(*(.text.init))
    __graph_text_start = .; *(.text.graph) __graph_text_end = .;
    *(.text .text.*)
  } > RAM
  .rodata : { *(.rodata .rodata.* .srodata .srodata.*) } > RAM
  .weights : { *(.weights) } > RAM
  .data : { *(.data .data.* .sdata .sdata.*) } > RAM
  .inputs : { *(.inputs) } > RAM
  .bss (NOLOAD) : ALIGN(16) {
    __bss_start = .; *(.bss .bss.* .sbss .sbss.* COMMON) . = ALIGN(16); __bss_end = .;
  } > RAM
  .buffers (NOLOAD) : { *(.buffers) } > RAM
  .outputs (NOLOAD) : { *(.outputs) } > RAM
  .stack (NOLOAD) : ALIGN(16) { __stack_bottom = .; . += 0x4000; __stack_top = .; } > RAM
}
"""

PREAMBLE = """
#include <math.h>
#include <string.h>
#include "compute.h"
#include "console.h"
#include "mmio.h"
#include "runtime.h"
#define GRAPH __attribute__((noinline, noclone, section(".text.graph")))
#define ECHO(offset) (ECHO_DEVICE_BASE + (offset))
"""

NO_SYMBOLS = """
const struct symbol graph_symbols[] = {{0, 0}};
const unsigned graph_symbol_count = 0;
"""


def description(latency=LATENCY, devices=(("echo", ECHO), ("compute", COMPUTE))) -> str:
    lines = [f"device {name} {base:#x} 0x1000" for name, base in devices]
    return "\n".join(lines + [f"latency {name} {cycles}" for name, cycles in latency.items()]) + "\n"


@dataclass
class Simulator(threading.Thread):
    """A simulator of the wire protocol and no device behind it; remembers all that it was told."""

    path: Path
    stall: int = 1
    value: int = 42
    text: str = field(default_factory=description)
    refuse: tuple = ()  # addresses answered with success = 0
    legacy: bool = False  # knows only reads and writes
    sources: tuple = ()  # answers to the CPU's waits for interrupts; then it closes the connection
    sleepless: bool = False  # never answers a wait
    die_at: int | None = None  # closes the connection instead of answering this access
    die_after_s: float | None = None  # closes it so long after the first access
    silent: bool = False  # never answers an access

    def __post_init__(self):
        super().__init__(daemon=True)
        self.types, self.accesses, self.advances, self.moved, self.texts = [], [], [], [], {}
        self.hello = None
        self.accessed, self.asleep = threading.Event(), threading.Event()
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(self.path))
        self.listener.listen()
        self.start()

    def __hash__(self):
        return id(self)

    @property
    def statistics(self):
        return json.loads(self.texts[2])

    def run(self):
        link, _ = self.listener.accept()
        with link, link.makefile("rb") as stream:
            while frame := stream.read(20):
                if not self.answer(link, stream, *struct.unpack("<BBHQQ", frame)):
                    return

    def answer(self, link, stream, kind, size, reserved, address, data):
        self.types.append(kind)
        if kind == 3:
            self.hello = address
            text = b"" if self.legacy else self.text.encode()
            link.sendall(struct.pack("<B7xQ", not self.legacy, len(text)) + text)
        elif kind == 2:
            self.advances.append(data)
            self.moved.append(address >> 32)
        elif kind == 5:
            return self.sleep(link)
        elif kind == 4:
            self.texts[size] = stream.read(data).decode()
        else:
            return self.access(link, kind, size, address, data)
        return True

    def sleep(self, link):
        self.accesses.append(("S", 0, 0, 0))
        self.asleep.set()
        if self.sleepless:
            return True
        slept = sum(1 for kind, *_ in self.accesses if kind == "S")
        if slept > len(self.sources):
            return False
        link.sendall(struct.pack("<B6sBQ", 1, self.stall.to_bytes(6, "little"), 0, self.sources[slept - 1]))
        return True

    def access(self, link, kind, size, address, data):
        self.accesses.append(("RW"[kind], address, size, data))
        self.accessed.set()
        if self.silent:
            return True
        if self.die_after_s is not None:
            threading.Timer(self.die_after_s, link.shutdown, [socket.SHUT_RDWR]).start()
        if self.die_at is not None and len(self.accesses) > self.die_at:
            return False
        ended = not self.legacy and kind == 1 and address == ECHO and data == END
        stall = 0 if self.legacy else self.stall
        success = address not in self.refuse
        link.sendall(struct.pack("<B6sBQ", success, stall.to_bytes(6, "little"), ended, self.value))
        return True

    def written(self, address):
        """What the guest wrote to a register, in order."""
        return [data for kind, where, _, data in self.accesses if (kind, where) == ("W", address)]


@dataclass(frozen=True)
class Outcome:
    status: int
    console: str
    errors: str
    simulator: Simulator


@pytest.fixture(scope="session")
def plugin(made_once) -> Path:
    return made_once("plugin", qemu.build_plugin) / qemu.PLUGIN_NAME


@pytest.fixture(scope="session")
def firmware(tmp_path_factory):
    """Compiles a program, C and assembly, with the firmware's runtime into an ELF."""
    return firmware_of(load_machine("default"), tmp_path_factory.mktemp("firmware"))


def firmware_of(machine, folder):
    """What compiles programs for that machine, into `folder`."""
    (folder / "test.ld").write_text(LINKER_SCRIPT)
    (folder / "machine.h").write_text(machine_header(machine))
    qemu.write_atomic(folder / "registers.h", qemu.registers_header())
    flags = ["-march=rv64gc", "-mabi=lp64d", "-mcmodel=medany", "-O2", "-Wall", "-Wextra", "-ffreestanding"]
    flags += ["--specs=picolibc.specs", "-nostartfiles", f"-I{KERNELS}", f"-I{folder}"]
    runtime = []
    for source in toolchain.RUNTIME_SOURCES:
        runtime.append((folder / source).with_suffix(".o"))
        cross("gcc", *flags, "-Werror", "-c", KERNELS / source, "-o", runtime[-1])

    def compile_firmware(name, c="", assembly="", symbols=NO_SYMBOLS, extra=()):
        sources = [folder / f"{name}.c", folder / f"{name}_asm.S"]
        sources[0].write_text(PREAMBLE + symbols + c)
        sources[1].write_text(assembly)
        elf = folder / f"{name}.elf"
        link = ["-T", folder / "test.ld", "-Wl,--no-warn-rwx-segments", "-Wl,--gc-sections"]
        cross("gcc", *flags, *extra, *link, *runtime, *sources, "-lm", "-o", elf)
        return elf

    return compile_firmware


def cross(tool, *arguments, **options):
    command = [f"riscv64-unknown-elf-{tool}", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, **options)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def start(plugin, tmp_path):
    """Starts QEMU on an ELF against a simulator; what is left over is killed at the end."""
    started = []

    def start_qemu(elf, simulator, options="", arguments=()):
        command = ["qemu-system-riscv64", "-M", "virt", "-m", "16M", "-bios", "none", "-kernel", str(elf)]
        command += ["-display", "none", "-serial", "stdio", "-monitor", "none", *arguments]
        command += ["-plugin", f"{plugin}{options}", "-device", f"sst-device,socket={simulator.path}"]
        pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        started.append(subprocess.Popen(command, text=True, **pipes))
        return started[-1]

    yield start_qemu
    for process in started:
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        process.stderr.close()


@pytest.fixture
def run(start, tmp_path):
    """Runs QEMU on an ELF against a simulator to its end."""
    sockets = iter(range(1000))

    def run_qemu(elf, options="", arguments=(), **behaviour):
        simulator = Simulator(tmp_path / f"socket{next(sockets)}", **behaviour)
        process = start(elf, simulator, options, arguments)
        console, errors = process.communicate(timeout=TIMEOUT_S)
        simulator.join(TIMEOUT_S)
        return Outcome(process.returncode, console, errors, simulator)

    return run_qemu


SIZE = ECHO + 0x10

HELLO = r"""
int main(void) {
    print("hello\n");
    MMIO_WRITE32(ECHO(REG_SIZE), MMIO_READ32(ECHO(REG_STATUS)));
    return 0;
}
"""


@pytest.fixture(scope="module")
def hello(firmware):
    return firmware("hello", HELLO)


WORK = """
static float a[300], b[300];
static double d[40];
static volatile char bytes[64];
static volatile int word;
GRAPH float op_dot(void) { float s = 0; for (int i = 0; i < 300; i++) s += a[i] * b[i]; return s; }
GRAPH void op_exp(void) { for (int i = 0; i < 40; i++) d[i] = exp(d[i]) + expf(a[i]); }
GRAPH void op_move(void) { memcpy(a, b, sizeof a); memmove(a + 3, a, 100); }
GRAPH void op_never(void) { word++; }
GRAPH void op_device(void) { MMIO_READ32(COMPUTE_DEVICE_BASE + REG_RESULT); }
GRAPH void graph_0_forward(void) {
    op_move(); a[0] = op_dot(); op_exp(); op_device(); op_device();
    for (int i = 0; i < 64; i++) bytes[i] = bytes[63 - i] + 1;
    __atomic_fetch_add(&word, 1, __ATOMIC_SEQ_CST);
    op_move();
}
int main(int argc, char **argv) { graph_0_forward(); if (argc == 77 && argv) op_never(); return 0; }
"""


@pytest.fixture(scope="module")
def work(firmware):
    return firmware("work", WORK)
