# SPDX-License-Identifier: Apache-2.0
"""The simulator's side of the socket: a machine in, one client served, statistics out.

    python -m acalsim_backend.serve --machine default --engine embedded --socket PATH
        [--stats FILE] [--spans FILE] [--verbose] [--library FILE.so] [--device NAME=FILE.so]
        [--waves START] [--record FILE] [--clock FILE]
        [--sst-options OPTIONS] [--sst-launcher COMMAND]

Prints `listening on PATH`, serves one client as docs/protocol.md says, prints the statistics. Its
status is 0 only when the firmware ended the simulation by writing 0xDEADBEEF to the Echo device.
"""

from __future__ import annotations

import argparse
import errno
import json
import os
import shlex
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from . import doors
from .cli import Parser
from .errors import ServeError, ToolchainError, printable, run_room
from .files import write_atomic
from .host.library import find_library, load
from .host.own import libraries, models
from .host.sst import CONFIG, find_sst, find_sst_library
from .machine.file import load_machine
from .machine.machine import Machine
from .processes import die_with_parent
from .simulate.run_file import Statistics

GRACE_S = 1.0
"""How long the engine may go on after a signal."""

LONGEST_SOCKET_PATH = 107
"""Bytes that the system has room for in a Unix socket's address."""

PLACE = "acalsim is at "
"""What a line of SST's begins with that says where it is."""

NO_OBJECT = "the client's statistics are not a JSON object"

Serve = Callable[[str], Statistics]
"""Says that it listens at a path, serves one client there; returns what --stats is to hold."""


def embedded(machine: Machine, options: argparse.Namespace) -> Serve:
    """The project's own event engine, a library loaded into this process."""
    if machine.sst_config:
        raise ServeError(f"{machine.path}: sst.config says more than this engine knows; it needs ENGINE=sst")
    library = load(find_library(options.library))
    simulator = library.Engine(**machine.ram.timing)
    simulator.log = print_event if options.verbose else None
    if options.spans:
        simulator.keep_spans()
    if options.clock:
        simulator.tell(lambda cycle: Path(options.clock).write_text(str(cycle)))
    own = libraries(machine, given_libraries(options), bool(options.waves))
    known = models(machine, own)
    for device in machine.devices:
        try:
            simulator.add_device(known[device.name], device.name, device.base, dict(device.parameters))
        except ValueError as error:
            raise ServeError(f"{machine.path}: {error}") from None
        except library.SimulationError as error:  # of a device of the user's, in Python
            raise ServeError(str(error)) from None

    def serve(path: str) -> Statistics:
        with listening(path) as listener, ending_in_time(path, simulator.place):
            print(f"listening on {path}", flush=True)
            try:
                description, records = machine.description_text(), options.record is not None
                served = simulator.serve(listener.fileno(), description, records)
            except library.SimulationError as error:
                raise ServeError(str(error)) from None
            except (RuntimeError, LookupError, ValueError) as error:  # of a device of the user's, in C++
                if not own:
                    raise
                raise ServeError(f"{simulator.place()}: {error}") from None
        if options.spans:
            write_atomic(options.spans, served.pop("spans"))
        if records:
            write_atomic(options.record, served.pop("recording"))
        return embedded_results(served)

    return serve


def sst(machine: Machine, options: argparse.Namespace) -> Serve:
    """The Structural Simulation Toolkit, where a user has it: a process of its own, which listens itself."""
    if options.record is not None:
        raise ServeError("--record needs the embedded engine")
    try:
        program, library = find_sst(), find_sst_library()
    except ToolchainError as error:
        raise ServeError(str(error)) from None
    command = [*shlex.split(options.sst_launcher), program, *shlex.split(options.sst_options)]
    command += [f"--add-lib-path={library.parent}", str(machine.sst_config or CONFIG)]
    command += ["--", "--machine", str(machine.path)] + ["--verbose"] * options.verbose
    command += ["--spans", str(options.spans)] if options.spans else []
    for name, path in libraries(machine, given_libraries(options), bool(options.waves)).items():
        command += ["--device", f"{name}={path}"]

    def serve(path: str) -> Statistics:
        refuse_bad_path(path)
        with tempfile.TemporaryDirectory(prefix="acalsim-") as folder:
            results = Path(folder, "results.json")
            try:
                complaint = run_sst([*command, "--socket", path, "--stats", str(results)])
            finally:
                remove_unserved(path)
            if not results.exists():
                raise ServeError(": ".join(["SST ended before the simulation did", *complaint[:1]]))
            return sst_results(results)

    return serve


def run_sst(command: list[str]) -> list[str]:
    """Run SST to its end, with one line if that was none, and return its lines to stderr.

    It never outlives this process. SIGUSR1 has SST's components say where they are.
    """
    process = subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, errors="replace", preexec_fn=die_with_parent
    )
    signal.signal(signal.SIGUSR1, lambda *_: process.send_signal(signal.SIGUSR2))
    assert process.stderr is not None
    complaint = []
    try:
        for line in map(str.rstrip, process.stderr):
            if line.startswith(PLACE):
                print(f"serve: {line.removeprefix(PLACE)}", file=sys.stderr, flush=True)
            elif line:
                complaint.append(line)
        process.wait()
    finally:
        process.kill()
        process.wait()
    if process.returncode:
        own = [line.removeprefix("acalsim: ") for line in complaint if line.startswith("acalsim: ")]
        fatal = [line for line in complaint if "FATAL" in line]
        raise ServeError(
            (own or fatal or complaint[-1:] or [f"SST ended with status {process.returncode}"])[0]
        )
    return complaint


def sst_results(path: Path) -> Statistics:
    """What the bridge wrote; the client's text stands in it as the client sent it."""
    results = from_client(path.read_bytes())
    return statistics_of(results, results["guest"])


ENGINES: dict[str, Callable[[Machine, argparse.Namespace], Serve]] = {"embedded": embedded, "sst": sst}


def main(arguments: list[str]) -> int:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        signal.signal(signal.SIGHUP, signal.default_int_handler)
    options = parse(arguments)
    if options.engine not in ENGINES:
        raise ServeError(f"there is no engine '{options.engine}'; there are: {', '.join(ENGINES)}")
    machine = load_machine(options.machine)
    if options.waves:
        os.environ["ACALSIM_WAVES"] = os.path.abspath(options.waves)
    statistics = ENGINES[options.engine](machine, options)(options.socket)
    if options.stats:
        doors.write(options.stats, statistics)
    print(statistics_text(statistics), flush=True)
    return 0


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = Parser(ServeError, prog="serve", description=__doc__.splitlines()[0])
    parser.add_argument("--machine", default="default", help="a name in sim/machines/, or a path")
    parser.add_argument("--engine", default="embedded", help=" or ".join(ENGINES))
    parser.add_argument("--socket", required=True, help="where to listen; created, and removed at the end")
    parser.add_argument("--stats", help="JSON file for the results")
    parser.add_argument("--spans", help="file for what happened when, as span_file.py reads them")
    parser.add_argument(
        "--clock", help="file that has, now and then, the cycle at which the embedded engine is"
    )
    parser.add_argument("--record", help="file for the accesses and their answers, for simulate.replay")
    parser.add_argument("--library", help="the embedded engine's library, if not build/host's")
    parser.add_argument(
        "--device",
        action="append",
        default=[],
        metavar="NAME=FILE.so",
        help="the library of an own device, if not the cache's",
    )
    parser.add_argument(
        "--sst-options", default="", help="more options for `sst`, as a shell would take them"
    )
    parser.add_argument("--sst-launcher", default="", help="what starts `sst`, say 'mpirun -n 2'")
    parser.add_argument(
        "--waves", help="devices in SystemVerilog leave waveforms, START.NAME.fst (their libraries can)"
    )
    parser.add_argument("--verbose", action="store_true", help="print every access and state change")
    options = parser.parse_args(arguments)
    options.verbose |= os.environ.get("VERBOSE", "") not in ("", "0")
    return options


def given_libraries(options: argparse.Namespace) -> dict[str, Path]:
    """The libraries of own devices that the command line names."""
    return {name: Path(path).absolute() for name, _, path in (text.partition("=") for text in options.device)}


@contextmanager
def listening(path: str) -> Iterator[socket.socket]:
    """A socket that listens at `path`, for this user only; gone again afterwards."""
    refuse_bad_path(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    mask = os.umask(0o177)
    try:
        listener.bind(path)
    except OSError as error:
        raise ServeError(f"cannot listen on '{path}': {error.strerror}") from None
    finally:
        os.umask(mask)
    own = os.lstat(path).st_ino
    try:
        listener.listen(1)
        yield listener
    finally:
        listener.close()
        if os.path.lexists(path) and os.lstat(path).st_ino == own:
            os.unlink(path)


@contextmanager
def ending_in_time(path: str, place: Callable[[], str]) -> Iterator[None]:
    """Let SIGUSR1 print the simulation's `place`, and a signal end the process also while the engine computes, which may be for hours: it notices signals where
    it waits. Who has not noticed after GRACE_S is left, and the socket at `path` removed."""
    heard, tell = os.pipe()
    os.set_blocking(tell, False)
    over = threading.Event()

    def leave() -> None:
        while (number := os.read(heard, 1)) == bytes([signal.SIGUSR1]):
            print(f"serve: {place()}", file=sys.stderr, flush=True)
        if number and not over.wait(GRACE_S):
            Path(path).unlink(missing_ok=True)
            os._exit(130)

    before = signal.set_wakeup_fd(tell, warn_on_full_buffer=False)
    signal.signal(signal.SIGUSR1, lambda *_: None)  # so that it is heard
    thread = threading.Thread(target=leave, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        signal.set_wakeup_fd(before)
        os.close(tell)
        thread.join()  # it holds the engine, whose end writes the last of the waveforms


def refuse_bad_path(path: str) -> None:
    """Raise ServeError where `path` cannot become a socket; remove a socket that nobody serves."""
    if len(os.fsencode(path)) > LONGEST_SOCKET_PATH:
        raise ServeError(
            f"socket path '{path}' has {len(os.fsencode(path))} bytes; "
            f"at most {LONGEST_SOCKET_PATH} are possible"
        )
    if not os.path.lexists(path):
        return
    if not stat.S_ISSOCK(os.lstat(path).st_mode):
        raise ServeError(f"'{path}' exists and is no socket; give another path")
    if not remove_unserved(path):
        raise ServeError(f"socket '{path}' is in use by another simulator; give another path")


def remove_unserved(path: str) -> bool:
    """Remove the socket at `path`, unless somebody serves it."""
    if os.path.lexists(path) and is_served(path):
        return False
    Path(path).unlink(missing_ok=True)
    return True


def is_served(path: str) -> bool:
    """Whether a process listens at `path`. It is not disturbed: to be connected to, even for a
    moment, would be a client to it. A datagram socket is told that the type is wrong if somebody
    is there, and that nobody is otherwise."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as probe:
        return probe.connect_ex(path) != errno.ECONNREFUSED


def embedded_results(served: dict[str, Any]) -> Statistics:
    """What the embedded engine returned."""
    text, transactions = served.pop("statistics"), served.pop("transactions")
    guest = from_client(text) if text else None
    return statistics_of({"device_transactions": transactions, **served}, guest)


def from_client(text: bytes | str) -> Any:
    """What JSON says that a client sent, if it can be said again."""
    try:
        found = json.loads(text)
        doors.text(found)
    except (ValueError, RecursionError):
        raise ServeError(NO_OBJECT) from None
    return found


def statistics_of(results: dict[str, Any], guest: Any) -> Statistics:
    """What --stats writes, from an engine's results and what the client sent."""
    if not isinstance(guest, dict | None):
        raise ServeError(NO_OBJECT)
    return doors.from_json({**results, "guest": guest}, Statistics, "the engine's results", ServeError)


def statistics_text(statistics: Statistics) -> str:
    guest = statistics.guest or {}
    rows: list[tuple[str, object]] = [("Total cycles", statistics.total_cycles)]
    rows += [
        (f"Memory {what}", guest[f"memory_{what}"])
        for what in ("reads", "writes")
        if f"memory_{what}" in guest
    ]
    rows += [("Device transactions", statistics.counters.device_transactions)]
    return "\n".join(["Statistics:", *(f"  {name}: {printable(str(value))}" for name, value in rows)])


def print_event(cycle: int, who: str, text: str) -> None:
    print(f"[Cycle {cycle}] {who}: {text}" if who else f"[Cycle {cycle}] {text}", flush=True)


if __name__ == "__main__":
    run_room(main)
