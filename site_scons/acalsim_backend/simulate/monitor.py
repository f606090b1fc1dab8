# SPDX-License-Identifier: Apache-2.0
"""Asks a running QEMU, over its QMP monitor socket, where its CPU is."""

from __future__ import annotations

import json
import re
import socket
from pathlib import Path
from typing import TextIO


def guest_pc(monitor: Path, timeout_s: float) -> int | None:
    """The guest CPU's pc, or None when QEMU does not answer within `timeout_s`."""
    commands = (
        {"execute": "qmp_capabilities"},
        {"execute": "human-monitor-command", "arguments": {"command-line": "info registers"}},
    )
    try:
        with socket.socket(socket.AF_UNIX) as link:
            link.settimeout(timeout_s)
            link.connect(str(monitor))
            with link.makefile("rw") as stream:
                for command in commands:
                    stream.write(json.dumps(command) + "\n")
                stream.flush()
                return _first_pc(stream)
    except (OSError, ValueError):
        return None


def _first_pc(stream: TextIO) -> int | None:
    for line in stream:
        answer = json.loads(line).get("return")
        if isinstance(answer, str):
            found = re.search(r"^\s*pc\s+([0-9a-f]+)", answer, re.MULTILINE)
            return int(found.group(1), 16) if found else None
    return None
