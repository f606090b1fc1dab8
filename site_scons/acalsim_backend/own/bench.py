# SPDX-License-Identifier: Apache-2.0
"""A device on the bench: a machine's simulator, in either engine, asked as a CPU asks it.

    with Bench("machine.toml", "softmax") as bench:
        bench.put(bench.ram, rows)
        job = bench.run(SOURCE=bench.ram, TARGET=bench.ram + 0x1000, ROWS=2, COLUMNS=8)
        assert job.result == 0 and job.cycles == 139
        print(bench.get(bench.ram + 0x1000, 16, "f4"))

The simulator is a process of its own, so that whatever a device does is told in one line.
"""

from __future__ import annotations

import json
import mmap
import os
import socket
import struct
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DeviceError
from ..files import StrPath
from ..machine.file import load_machine
from ..machine.machine import Device, Machine
from ..machine.protocol import REQUEST_TYPES, RESPONSE_FLAGS
from ..machine.registers import END_OF_SIMULATION, REGISTERS, Register
from ..paths import PYTHONPATH
from ..processes import die_with_parent

TYPES = {flag.name.removeprefix("REQUEST_"): flag.value for flag in REQUEST_TYPES}
IS_INTERRUPTED = next(flag.value for flag in RESPONSE_FLAGS if flag.name == "RESPONSE_INTERRUPT")
LIMIT_S = 20.0
"""How long an access may take, unless the bench is told otherwise."""
START, RESET, INTERRUPT = 1, 2, 4
BUSY, DATA_READY, ERROR = 1, 2, 4


@dataclass(frozen=True)
class Answer:
    """What an access was answered with."""

    success: bool
    value: int
    stall_cycles: int
    interrupted: bool


@dataclass(frozen=True)
class Job:
    """What a device's work came to: RESULT, STATUS, and the cycles from START until RESULT was there."""

    result: int
    status: int
    cycles: int


class Bench:
    """One device of a machine, whose registers go by name or offset. Raises DeviceError where the simulator fails."""

    def __init__(
        self,
        machine: StrPath | Machine,
        device: str,
        engine: str = "embedded",
        options: Sequence[str] = (),
        limit_s: float = LIMIT_S,
    ):
        self.machine = machine if isinstance(machine, Machine) else load_machine(os.fspath(machine))
        self.device = _device(self.machine, device)
        self.ram = self.machine.ram.origin
        self.registers = {row.name: row for row in registers_of(self.device)}
        self.cycles = 0
        self.folder = tempfile.TemporaryDirectory(prefix="acalsim-bench-")
        self.limit_s = limit_s
        try:
            self._memory = self._shared_memory()
            self._process = self._serve(engine, options)
            self._socket = self._connected()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Bench:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- The device ---------------------------------------------------------------------------

    def write(self, register: str | int, value: int, after: int = 0, size_bytes: int = 4) -> Answer:
        """Write a register, `after` so many cycles of the CPU's own."""
        return self._ask(TYPES["WRITE"], self._address(register), value, after, size_bytes)

    def read(self, register: str | int, after: int = 0, size_bytes: int = 4) -> Answer:
        """Read a register."""
        return self._ask(TYPES["READ"], self._address(register), 0, after, size_bytes)

    def run(self, **registers: int) -> Job:
        """Set registers, start, and wait for the end by reading RESULT."""
        for name, value in registers.items():
            self._done(self.write(name, value), f"write of {name}")
        begin = self.cycles
        self._done(self.write("CONTROL", START), "START")
        result = self._done(self.read("RESULT"), "read of RESULT").value
        cycles = self.cycles - begin
        return Job(result, self._done(self.read("STATUS"), "read of STATUS").value, cycles)

    # --- RAM ----------------------------------------------------------------------------------

    def put(self, address: int, data: Any) -> None:
        """Put an array's bytes into RAM."""
        raw = np.ascontiguousarray(data).tobytes()
        self._memory[address - self.ram : address - self.ram + len(raw)] = raw

    def get(self, address: int, count: int, dtype: str = "u1") -> np.ndarray[Any, Any]:
        """A copy of `count` elements in RAM."""
        place = address - self.ram
        return np.frombuffer(self._memory[place : place + count * np.dtype(dtype).itemsize], dtype)

    # --- The end ------------------------------------------------------------------------------

    def end(self) -> Mapping[str, int]:
        """End the simulation; what the report's `devices` would say of the device."""
        echo = next(device for device in self.machine.devices if device.model == "echo")
        self._ask(TYPES["WRITE"], echo.base, END_OF_SIMULATION.value, 0, 4)
        self._socket.close()
        if self._process.wait(self.limit_s):
            raise DeviceError(self._complaint())
        statistics = json.loads(Path(self.folder.name, "stats.json").read_bytes())
        found: Mapping[str, int] = statistics["devices"][self.device.name]
        return found

    def close(self) -> None:
        """Leave nothing behind."""
        for name in ("_socket", "_memory"):
            if hasattr(self, name):
                getattr(self, name).close()
        if hasattr(self, "_process"):
            self._process.kill()
            self._process.communicate()
        self.folder.cleanup()

    # --- The wire -----------------------------------------------------------------------------

    def _shared_memory(self) -> mmap.mmap:
        path = Path(self.folder.name, "ram")
        with open(path, "w+b") as file:
            file.truncate(self.machine.ram.size_bytes)
            return mmap.mmap(file.fileno(), 0)

    def _serve(self, engine: str, options: Sequence[str]) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "acalsim_backend.serve", "--machine", str(self.machine.path)]
        command += ["--engine", engine, "--socket", f"{self.folder.name}/socket"]
        command += ["--stats", f"{self.folder.name}/stats.json", *options]
        search = os.pathsep.join(filter(None, [str(PYTHONPATH), os.environ.get("PYTHONPATH")]))
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": search, "VERBOSE": ""},
            preexec_fn=die_with_parent,
        )
        assert process.stdout is not None
        if not process.stdout.readline():
            self._process = process
            raise DeviceError(self._complaint())
        return process

    def _connected(self) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(self.limit_s)
        connection.connect(f"{self.folder.name}/socket")
        text = f"{self.ram:#x} {self.machine.ram.size_bytes:#x} 0x0 {self.folder.name}/ram".encode()
        connection.sendall(_frame(TYPES["TEXT"], data=len(text), size=1) + text)
        return connection

    def _ask(self, kind: int, address: int, data: int, after: int, size_bytes: int) -> Answer:
        try:
            self._socket.sendall(
                _frame(TYPES["ADVANCE"], data=after) + _frame(kind, address, data, size_bytes)
            )
            answer = b""
            while len(answer) < 16:
                part = self._socket.recv(16 - len(answer))
                if not part:
                    raise DeviceError(self._complaint())
                answer += part
        except TimeoutError:
            raise DeviceError(
                f"device '{self.device.name}' has not answered within {self.limit_s:g} s"
            ) from None
        except (BrokenPipeError, ConnectionResetError):
            raise DeviceError(self._complaint()) from None
        success, reserved, value = struct.unpack("<B7sQ", answer)
        stall = int.from_bytes(reserved[:6], "little")
        self.cycles += after + stall
        return Answer(bool(success), value, stall, bool(reserved[6] & IS_INTERRUPTED))

    def _complaint(self) -> str:
        """What the simulator said last."""
        try:
            said = self._process.communicate(timeout=self.limit_s)[1].strip().splitlines()
        except subprocess.TimeoutExpired:
            return f"device '{self.device.name}': the simulator neither answers nor ends"
        status = self._process.returncode
        killed = f"the simulator was killed by signal {-status}" if status < 0 else ""
        return killed or (
            said[-1].removeprefix("serve: ") if said else f"the simulator ended with status {status}"
        )

    def _address(self, register: str | int) -> int:
        if isinstance(register, int):
            return self.device.base + register
        if register not in self.registers:
            known = ", ".join(self.registers)
            raise DeviceError(f"device '{self.device.name}' has no register '{register}'; it has {known}")
        return self.device.base + self.registers[register].offset

    def _done(self, answer: Answer, what: str) -> Answer:
        if not answer.success:
            raise DeviceError(f"device '{self.device.name}' refuses the {what}")
        return answer


def registers_of(device: Device) -> tuple[Register, ...]:
    """All registers of a device, those that every device has first."""
    return (*REGISTERS, *(device.own.registers if device.own else ()))


def _device(machine: Machine, name: str) -> Device:
    for device in machine.devices:
        if device.name == name:
            return device
    known = ", ".join(device.name for device in machine.devices)
    raise DeviceError(f"machine '{machine.name}' has no device '{name}'; it has {known}")


def _frame(kind: int, address: int = 0, data: int = 0, size: int = 4) -> bytes:
    return struct.pack("<BBHQQ", kind, size, 0, address, data)
