# SPDX-License-Identifier: Apache-2.0
"""One base error, one subclass a room; every error is one line that a person can act on."""

from __future__ import annotations

import errno
import os
import signal
import sys
from collections.abc import Callable


class AcalsimError(Exception):
    """What was found and what would be right, in one line. `room` names the stage that found it."""

    room = "acalsim"


class MachineError(AcalsimError):
    room = "machine"


class UnknownKeyError(MachineError):
    """A machine file has a key that nothing knows."""


class DeviceError(AcalsimError):
    room = "device"


class RuleError(AcalsimError):
    """A user's rule, or the file that has it."""

    room = "rule"


class CaptureError(AcalsimError):
    room = "capture"


class IRError(AcalsimError):
    room = "ir"


class PlanError(AcalsimError):
    room = "plan"


class UnfitError(PlanError):
    """A graph that the machine, or what the user has chosen of it, does not fit; another form of it may."""


class CodegenError(AcalsimError):
    room = "codegen"


class ToolchainError(AcalsimError):
    room = "toolchain"


class QemuError(AcalsimError):
    room = "qemu"


class CheckError(AcalsimError):
    room = "check"


class ServeError(AcalsimError):
    room = "serve"


class SimulateError(AcalsimError):
    room = "simulate"


class CostError(AcalsimError):
    room = "cost"


class TimingError(AcalsimError):
    room = "timing"


class ReportError(AcalsimError):
    room = "report"


class VerifyError(AcalsimError):
    room = "verify"


class CompareError(AcalsimError):
    room = "compare"


class BaselineError(AcalsimError):
    room = "baseline"


class SweepError(AcalsimError):
    room = "sweep"


class AdviseError(AcalsimError):
    room = "advise"


_OBEYED = (
    range(0x20),
    range(0x7F, 0xA0),
    range(0x61C, 0x61D),
    range(0x200B, 0x2010),
    range(0x2028, 0x202F),
    range(0x2060, 0x2070),
    range(0xFEFF, 0xFF00),
    range(0xD800, 0xE000),
)
"""What a terminal obeys instead of showing it: control characters, directions of writing, halves of characters."""


class _Escapes(dict[int, str]):
    """What str.translate asks for each sign, found when it first comes."""

    def __missing__(self, sign: int) -> str:
        is_obeyed = any(sign in each for each in _OBEYED) and chr(sign) not in "\t\n"
        self[sign] = chr(sign).encode("unicode_escape").decode() if is_obeyed else chr(sign)
        return self[sign]


_ESCAPES = _Escapes()


def printable(text: str) -> str:
    """The text with escapes for what a terminal would obey: it may come from a guest, a file or its name."""
    return text.translate(_ESCAPES)


def run_room(main: Callable[[list[str]], int | None]) -> None:
    """Run a room's command line and leave the process with its status.

    An AcalsimError becomes `room: message` on stderr and status 1, line by line where a room
    found several things wrong, and so does a disk that is full or may not be written; Ctrl-C becomes
    status 130. Other exceptions are bugs and show their traceback.
    """
    _interrupt_once()
    try:
        status = main(sys.argv[1:])
    except AcalsimError as error:
        status = _complain(error.room, str(error))
    except OSError as error:
        status = _complain(_room_name(), disk_trouble(error))
    except KeyboardInterrupt:
        status = 130
    sys.exit(status or 0)


_DISK_TROUBLES = (
    *(errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO),
    *(errno.EROFS, errno.EACCES, errno.EPERM),
)


def disk_trouble(error: OSError) -> str:
    """What is wrong with the disk, in words; raises the error where it is another."""
    if error.errno not in _DISK_TROUBLES:
        raise error
    where = f"cannot use '{error.filename}': " if error.filename else ""
    return f"{where}{error.strerror}"


def _complain(room: str, text: str) -> int:
    for line in text.splitlines():
        print(printable(f"{room}: {line}"), file=sys.stderr)
    return 1


def _room_name() -> str:
    """Of the room that runs as a program, from the file that Python was given."""
    folder, name = os.path.split(os.path.splitext(sys.argv[0])[0])
    return os.path.basename(folder) if name == "__main__" else name


def _interrupt_once() -> None:
    """Let the first SIGINT, SIGTERM or SIGHUP end the room, and no later one disturb its cleaning up.

    Who was started with one of them ignored goes on ignoring it.
    """

    def interrupt(*_: object) -> None:
        for number in heeded:
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    ends = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    heeded = [number for number in ends if signal.getsignal(number) != signal.SIG_IGN]
    for number in heeded:
        signal.signal(number, interrupt)
