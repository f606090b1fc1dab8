# SPDX-License-Identifier: Apache-2.0
"""Runs an ELF on QEMU beside the simulator and keeps what both said.

In: an ELF that passed the placement check, a machine, an engine. Out: RUN/run.json (the
simulator's statistics and the guest's counters), RUN/spans.bin (what happened when),
RUN/outputs.bin (the output tensors as the guest left them in RAM), RUN/console.log,
RUN/simulator.log and RUN/host.json (wall-clock times).
Runs share nothing: each has its own socket and guest RAM file in a private folder.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from .. import doors
from ..errors import SimulateError
from ..host.qemu import find_qemu, option_value
from ..host.tools import Tools
from ..machine.machine import Machine
from ..paths import PYTHONPATH
from ..processes import die_with_parent
from .firmware import Firmware, trap_message
from .folder import run_folder
from .monitor import guest_pc
from .progress import EVERY_S, Clocks
from .run_file import Statistics

DEFAULT_TIMEOUT_S = 600.0
SIMULATOR_LOST = 70
"""QEMU's exit status when the plugin lost the simulator."""
LONGEST_S = 1e9
"""Decades: more than that, and the operating system's clocks overflow."""
GRACE_S = 2.0
"""How long one of the two processes may outlive the other."""

Process = subprocess.Popen[bytes]


@dataclass(frozen=True)
class Run:
    """What a finished simulation left behind; `outputs` is the guest's output block, `spans` the file that
    span_file.py reads, if one was asked for."""

    statistics: Statistics
    outputs: bytes
    wall_s: float
    spans: bytes | None = None


def simulate(
    elf: Path,
    machine: Machine,
    engine: str,
    tools: Tools,
    inputs: bytes | None = None,
    timeout_s: float = DEFAULT_TIMEOUT_S,
    verbose: bool = False,
    engine_options: Sequence[str] = (),
    trace: Path | None = None,
    spans: bool = False,
    keep_logs: Callable[[str, str], None] = lambda console, log: None,
    debugger: Callable[[Path], None] | None = None,
    progress: Callable[[int], None] | None = None,
) -> Run:
    """Run `elf` to its end. `inputs` replaces the example inputs baked into the ELF.

    `engine_options` are more options for `serve`. `keep_logs` is given the guest's console and the
    simulator's log, however the run ends. With a `debugger`, the CPU waits for one before its first
    instruction: it is called with the Unix socket that gdb connects to. `progress` is told now and then at which
    cycle the run is. Raises SimulateError with one line when the guest traps, never ends, or either side dies.
    """
    firmware = Firmware(elf)
    firmware.refuse_collision(machine)
    copied = elf.stat().st_size if inputs is not None else 0
    with run_folder(machine.ram.size_bytes, firmware.memory_bytes + copied) as folder:
        if inputs is not None:
            elf = firmware.with_inputs(inputs, folder / "guest.elf")
        recording = folder / "spans.bin" if spans else None
        options = [engine, *engine_options, *(["--spans", str(recording)] if recording else [])]
        session = _Session(folder, elf, firmware, machine, options, tools, verbose, trace, debugger, progress)
        started = time.perf_counter()
        try:
            session.run(timeout_s)
        finally:
            keep_logs(session.console(), session.log())
        wall_s = time.perf_counter() - started
        outputs = firmware.output_block(folder / "ram", machine.ram.origin)
        statistics = doors.read(folder / "statistics.json", Statistics, SimulateError)
        return Run(statistics, outputs, wall_s, recording.read_bytes() if recording else None)


class _Session:
    """The two processes of one run; whatever happens, neither outlives it."""

    def __init__(
        self,
        folder: Path,
        elf: Path,
        firmware: Firmware,
        machine: Machine,
        engine: Sequence[str],
        tools: Tools,
        verbose: bool,
        trace: Path | None,
        debugger: Callable[[Path], None] | None,
        progress: Callable[[int], None] | None,
    ):
        self.folder, self.elf, self.firmware, self.machine = folder, elf, firmware, machine
        self.engine, self.tools, self.verbose, self.trace = engine, tools, verbose, trace
        self.debugger, self.progress = debugger, progress
        self.clocks = Clocks(folder) if progress else None
        self.simulator: Process | None = None
        self.qemu: Process | None = None

    def run(self, timeout_s: float) -> None:
        try:
            self.simulator = self.start_simulator()
            self.qemu = self.start("qemu", qemu_command(self))
            if self.debugger is not None:
                self.await_debugger(self.folder / "gdb", self.qemu, self.debugger)
            if not self.await_end([self.qemu, self.simulator], timeout_s):
                raise SimulateError(self.never_ended(timeout_s))
            for process in (self.qemu, self.simulator):
                wait_any([process], GRACE_S)
            self.judge(self.qemu.poll(), self.simulator.poll())
        finally:
            self.stop()

    def await_end(self, processes: Sequence[Process], timeout_s: float) -> bool:
        """wait_any, telling meanwhile at which cycle the run is."""
        if self.progress is None or self.clocks is None:
            return wait_any(processes, timeout_s)
        deadline = time.monotonic() + timeout_s
        while (left := deadline - time.monotonic()) > 0:
            if wait_any(processes, min(left, EVERY_S)):
                return True
            self.progress(self.clocks.cycle())
        return False

    def stop(self) -> None:
        for process in (self.qemu, self.simulator):
            if process is not None:
                process.kill()
                process.wait()

    def start(self, name: str, command: list[str], environment: dict[str, str] | None = None) -> Process:
        with open(self.folder / f"{name}.out", "wb") as out, open(self.folder / f"{name}.err", "wb") as err:
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                env=environment,
                preexec_fn=die_with_parent,
            )

    def start_simulator(self) -> Process:
        """Start `serve` and return once its socket takes connections."""
        command = [sys.executable, "-m", "acalsim_backend.serve"]
        command += ["--machine", str(self.machine.path), "--engine", *self.engine]
        command += ["--socket", str(self.folder / "socket"), "--stats", str(self.folder / "statistics.json")]
        command += ["--library", str(self.tools.library)] + ["--verbose"] * self.verbose
        command += ["--clock", str(self.clocks.engine)] if self.clocks else []
        search = os.pathsep.join(filter(None, [str(PYTHONPATH), os.environ.get("PYTHONPATH")]))
        process = self.start("simulator", command, {**os.environ, "PYTHONPATH": search})
        deadline = time.monotonic() + 60
        while not (self.folder / "simulator.out").read_bytes().count(b"listening on "):
            if wait_any([process], 0.005):
                raise SimulateError(f"the simulator did not start: {self.said('simulator')}")
            if time.monotonic() > deadline:
                raise SimulateError("the simulator did not listen within 60 s")
        return process

    def await_debugger(self, socket: Path, qemu: Process, debugger: Callable[[Path], None]) -> None:
        while not socket.exists():
            if wait_any([qemu], 0.005):
                return
        debugger(socket)

    def judge(self, qemu: int | None, simulator: int | None) -> None:
        """Return if both ended well, else raise what went wrong first."""
        if qemu == 0 and simulator == 0:
            return
        if simulator is not None and simulator < 0:
            raise SimulateError(self.killed("simulator", simulator))
        if qemu is not None and qemu < 0:
            raise SimulateError(self.killed("qemu", qemu))
        if simulator and qemu in (None, 0, SIMULATOR_LOST):
            raise SimulateError(f"the simulator failed: {self.said('simulator')}")
        if qemu and self.said("qemu"):
            raise SimulateError(f"QEMU ended with status {qemu}: {self.said('qemu')}")
        if qemu:
            raise SimulateError(trap_message(self.console(), self.firmware, self.machine))
        raise SimulateError(f"the run did not end cleanly (QEMU {qemu}, simulator {simulator})")

    def never_ended(self, timeout_s: float) -> str:
        pc = guest_pc(self.folder / "monitor", GRACE_S)
        where = self.firmware.place(pc) if pc is not None else "an access that the simulator does not answer"
        return (
            f"the guest had not ended after {timeout_s:g} s; it is in {where}{self.simulators_place()}; "
            "a larger limit is TIMEOUT=SECONDS"
        )

    def simulators_place(self) -> str:
        """What the simulator says of where it is, if it says something."""
        assert self.simulator is not None
        before = self.said("simulator")
        self.simulator.send_signal(signal.SIGUSR1)
        deadline = time.monotonic() + GRACE_S
        while self.said("simulator") == before and time.monotonic() < deadline:
            if wait_any([self.simulator], 0.01):
                return ""
        said = self.said("simulator").removeprefix("serve: ")
        return f", at {said}" if said != before else ""

    def killed(self, name: str, status: int) -> str:
        last_words = self.said(name)
        who = {"qemu": "QEMU", "simulator": "the simulator"}[name]
        return (
            f"{who} was killed by {signal_name(status)} in the middle of the run"
            + f": {last_words}" * bool(last_words)
        )

    def said(self, name: str) -> str:
        """The last line a process wrote to stderr."""
        lines = (self.folder / f"{name}.err").read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else ""

    def console(self) -> str:
        path = self.folder / "console.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def log(self) -> str:
        path = self.folder / "simulator.out"
        return path.read_text(errors="replace") if path.exists() else ""


def qemu_command(session: _Session) -> list[str]:
    folder, machine = option_value(session.folder), session.machine
    size = machine.ram.size_bytes
    cpu = f"rv64,v=true,vext_spec=v1.0,vlen={machine.cpu.vlen}" if machine.cpu.vlen else "rv64"
    plugin = option_value(session.tools.plugin)
    plugin += f",trace={option_value(session.trace)}" if session.trace else ""
    plugin += f",clock={option_value(session.clocks.cpu)}" if session.clocks else ""
    return [
        str(find_qemu()),
        *("-object", f"memory-backend-file,id=ram,size={size},mem-path={folder}/ram,share=on"),
        *("-M", "virt,memory-backend=ram", "-m", f"{size}B", "-cpu", cpu, "-smp", "1"),
        *("-bios", "none", "-kernel", str(session.elf), "-display", "none"),
        *("-serial", f"file:{session.folder / 'console.log'}", "-monitor", "none"),
        *("-qmp", f"unix:{folder}/monitor,server=on,wait=off"),
        *("-plugin", plugin),
        *("-device", f"sst-device,socket={folder}/socket"),
        *(["-S", "-gdb", f"unix:{folder}/gdb,server=on,wait=off"] if session.debugger else []),
    ]


def wait_any(processes: Sequence[Process], timeout_s: float) -> bool:
    """Wait until one of `processes` has ended; False when `timeout_s` passed first."""
    handles = [os.pidfd_open(process.pid) for process in processes if process.poll() is None]
    try:
        ended = len(handles) < len(processes)
        return ended or bool(select.select(handles, [], [], min(timeout_s, LONGEST_S))[0])
    finally:
        for handle in handles:
            os.close(handle)


def signal_name(status: int) -> str:
    return signal.Signals(-status).name
