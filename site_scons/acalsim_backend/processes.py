# SPDX-License-Identifier: Apache-2.0
"""What every child process of ours needs."""

from __future__ import annotations

import ctypes
import signal


def die_with_parent() -> None:
    """In a child: be killed when the parent is, however that happens."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)
