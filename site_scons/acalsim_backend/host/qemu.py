# SPDX-License-Identifier: Apache-2.0
"""QEMU and its plugin: finds QEMU, compiles the plugin, and tries whether that QEMU works with it.

    python -m acalsim_backend.host.qemu check PLUGIN.so OUT.json   try the plugin, write down QEMU's version
    python -m acalsim_backend.host.qemu build OUTDIR               compile the plugin there, by hand

SCons compiles the plugin by the same constants.
"""

from __future__ import annotations

import functools
import json
import os
import re
import shutil
import socket
import struct
import subprocess
import tempfile
import threading
from pathlib import Path
from typing import Any, BinaryIO

from .. import doors
from ..errors import AcalsimError, QemuError, run_room
from ..files import write_atomic
from ..machine.headers import registers_header
from ..machine.models import DEFAULT_BASES
from ..machine.registers import END_OF_SIMULATION
from ..paths import SIM
from .qemu_file import QemuFile

QEMU_NAME = "qemu-system-riscv64"
BY_HAND = "/sim/qemu/bin"
"""How the folder ends that ./run puts on PATH."""
PLUGIN_NAME = "sst_device.so"
PLUGIN_API = 1
PLUGIN_SOURCES = tuple(sorted(SIM.glob("qemu/*.c")))
PLUGIN_CFLAGS = (
    "-std=gnu11",
    "-O2",
    "-fPIC",
    "-pthread",
    # QEMU exports 17,000 names: a name of ours that is one of them would resolve to QEMU's function.
    "-fvisibility=hidden",
    "-Wall",
    "-Wextra",
)
PLUGIN_LINKFLAGS = ("-pthread",)

ADVICE = "Debian 12's qemu-system-misc (QEMU 7.2) is known to work"
TIMEOUT_S = 60


def find_qemu() -> Path:
    """The program that the variable QEMU names, else QEMU_NAME on PATH. Raises QemuError if there is none.

    What ./run puts there, for calls by hand, is passed over: it would only go on to QEMU.
    """
    wanted = os.environ.get("QEMU") or QEMU_NAME
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    path = os.pathsep.join(folder for folder in folders if not folder.endswith(BY_HAND))
    found = shutil.which(wanted, path=path)
    if found is None:
        raise QemuError(
            f"no program '{wanted}'; install it (Debian: apt install qemu-system-misc) or name it in QEMU"
        )
    return Path(found)


def version(qemu: Path) -> str:
    """The version that QEMU prints, with the distribution's own part."""
    try:
        said = subprocess.run([qemu, "--version"], capture_output=True, text=True, timeout=TIMEOUT_S)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise QemuError(f"'{qemu}' cannot be run: {error}") from None
    found = re.search(r"version (.+)", said.stdout)
    if found is None:
        raise QemuError(
            f"'{qemu} --version' does not answer like QEMU: {_last_line(said.stdout + said.stderr)}"
        )
    return found.group(1).strip()


@functools.cache
def installed_version() -> str:
    """The version of the QEMU that find_qemu finds."""
    return version(find_qemu())


def option_value(value: str | Path) -> str:
    """A value as QEMU's options take it: they are separated by commas."""
    return str(value).replace(",", ",,")


def build_plugin(folder: Path, compiler: str = "gcc") -> Path:
    """Compile the plugin into `folder`; return its path. Raises QemuError with the compiler's last line."""
    write_atomic(folder / "registers.h", registers_header())
    plugin = folder / PLUGIN_NAME
    command: list[str | Path] = [
        compiler,
        *PLUGIN_CFLAGS,
        *PLUGIN_LINKFLAGS,
        "-shared",
        f"-I{folder}",
        *PLUGIN_SOURCES,
        "-o",
        plugin,
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise QemuError(f"the plugin does not compile: {_last_line(done.stderr)}")
    return plugin


# The program that check_plugin runs, one instruction a word: it reads the Echo device's DATA_OUT, writes that
# value to SIZE, and ends the simulation.
ANSWER = 0x5A5A1234
PROBE = (
    DEFAULT_BASES["echo"] | 0x2B7,  # lui t0, echo
    0x0042A303,  # lw t1, 4(t0)
    0x0062A823,  # sw t1, 16(t0)
    0xDEADC3B7,  # lui t2, 0xdeadc
    0xEEF38393,  # addi t2, t2, -273
    0x0072A023,  # sw t2, 0(t0)
    0x0000006F,  # j .
)
DESCRIPTION = f"device echo {DEFAULT_BASES['echo']:#x} 0x1000\n".encode()


def check_plugin(qemu: Path, plugin: Path) -> None:
    """Run a few instructions on `qemu` with `plugin`. Raises QemuError, in one line, if anything goes wrong.

    The plugin calls functions of QEMU that no version of it promises. That it works is shown only by running
    it: a device access arrives, its answer comes back, and the count of instructions is right.
    """
    with tempfile.TemporaryDirectory(prefix="acalsim-") as folder:
        probe = Path(folder) / "probe.bin"
        probe.write_bytes(struct.pack(f"<{len(PROBE)}I", *PROBE))
        simulator = _Simulator(Path(folder) / "socket")
        command: list[str | Path] = [qemu, "-M", "virt", "-bios", "none"]
        command += ["-display", "none", "-serial", "none", "-monitor", "none"]
        command += ["-device", f"loader,file={option_value(probe)},addr=0x80000000,force-raw=on"]
        command += ["-plugin", option_value(plugin.absolute())]
        command += ["-device", f"sst-device,socket={option_value(simulator.path)}"]
        try:
            done = subprocess.run(
                command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=TIMEOUT_S
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise QemuError(f"'{qemu}' cannot be run with the plugin: {error}") from None
        finally:
            simulator.stop()
    if done.returncode:
        raise QemuError(_explain(qemu, done))
    simulator.judge(qemu)


class _Simulator(threading.Thread):
    """A simulator of one device for one client: it answers reads with ANSWER and notes what is written."""

    def __init__(self, path: Path):
        super().__init__(daemon=True)
        self.path = path
        self.written: list[int] = []
        self.statistics: dict[str, Any] | None = None
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.listener.listen()
        self.start()

    def run(self) -> None:
        try:
            link, _ = self.listener.accept()
            with link, link.makefile("rb") as stream:
                while self.statistics is None:
                    self.serve(link, stream)
        except (OSError, struct.error, ValueError):
            return  # QEMU ended, or does not speak the protocol: judge() finds what is missing

    def serve(self, link: socket.socket, stream: BinaryIO) -> None:
        kind, size, _, _, data = struct.unpack("<BBHQQ", stream.read(20))
        if kind == 3:
            link.sendall(bytes([1]) + bytes(7) + struct.pack("<Q", len(DESCRIPTION)) + DESCRIPTION)
        elif kind == 4:
            text = stream.read(data)
            self.statistics = json.loads(text) if size == 2 else None
        elif kind in (0, 1):
            self.written += [data] * kind
            ended = kind == 1 and data == END_OF_SIMULATION.value
            link.sendall(struct.pack("<B6sBQ", 1, (1).to_bytes(6, "little"), ended, ANSWER))

    def stop(self) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.join()
        self.listener.close()

    def judge(self, qemu: Path) -> None:
        if self.written != [ANSWER, END_OF_SIMULATION.value] or self.statistics is None:
            raise QemuError(f"'{qemu}' takes the plugin, but device accesses get lost on the way; {ADVICE}")
        counted = self.statistics["instructions"]
        if counted != len(PROBE):
            raise QemuError(f"'{qemu}' counts {counted} instructions where {len(PROBE)} ran; {ADVICE}")


def _explain(qemu: Path, done: subprocess.CompletedProcess[str]) -> str:
    """Why QEMU ended with an error, in one line."""
    said = done.stderr
    if re.search(r"-plugin: invalid option|plugin interface not enabled", said):
        return f"'{qemu}' was built without plugins; {ADVICE}"
    if missing := re.search(r"undefined symbol: (\w+)", said):
        return f"'{qemu}' does not offer the plugin its function '{missing.group(1)}'; {ADVICE}"
    if api := re.search(r"requires API version (\d+), but this QEMU supports only (.+)", said):
        newest = api.group(2).split()[-1]
        return f"'{qemu}' takes plugins of API version {newest}; this one has {api.group(1)}; {ADVICE}"
    return f"'{qemu}' with the plugin ended with status {done.returncode}: {_last_line(said)}"


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1] if lines else "it said nothing"


def main(arguments: list[str]) -> int:
    match arguments:
        case ["check", plugin, out]:
            qemu = find_qemu()
            check_plugin(qemu, Path(plugin))
            doors.write(out, QemuFile(str(qemu), version(qemu), PLUGIN_API))
        case ["build", folder]:
            build_plugin(Path(folder))
        case _:
            raise AcalsimError("usage: qemu check PLUGIN.so OUT.json | qemu build OUTDIR")
    return 0


if __name__ == "__main__":
    run_room(main)
