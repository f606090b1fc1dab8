# SPDX-License-Identifier: Apache-2.0
"""One base error, one subclass a room; every error is one line that a person can act on."""

from __future__ import annotations

import sys
from collections.abc import Callable


class AcalsimError(Exception):
    """What was found and what would be right, in one line. `room` names the stage that found it."""

    room = "acalsim"


class MachineError(AcalsimError):
    room = "machine"


class DeviceError(AcalsimError):
    room = "device"


class CaptureError(AcalsimError):
    room = "capture"


class IRError(AcalsimError):
    room = "ir"


class PlanError(AcalsimError):
    room = "plan"


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


def run_room(main: Callable[[list[str]], int | None]) -> None:
    """Run a room's command line, then end the process with its exit status.

    An AcalsimError becomes `room: message` on stderr and status 1; a message of several lines becomes
    as many such lines. Ctrl-C becomes status 130. Any other exception is a bug and shows its traceback.
    """
    try:
        status = main(sys.argv[1:])
    except AcalsimError as error:
        for line in str(error).splitlines():
            print(f"{error.room}: {line}", file=sys.stderr)
        status = 1
    except KeyboardInterrupt:
        status = 130
    sys.exit(status or 0)
