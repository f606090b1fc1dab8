# SPDX-License-Identifier: Apache-2.0
"""The folder of one run, guest RAM in it: private, gone when the run ends, and asked for room before it begins.

Where a run was killed, the next one takes its folder away: whoever uses a folder holds a lock on it.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ..errors import SimulateError

SHARED_MEMORY = Path("/dev/shm")
PREFIX = "acalsim-run-"
YOUNG_S = 60.0
"""A folder that was changed so lately may be about to be locked."""
ROOM_FOR_LOGS = 4 << 20


@contextmanager
def run_folder(ram_bytes: int, touched_bytes: int) -> Iterator[Path]:
    """A folder of mode 0700, in memory where guest RAM surely fits there.

    Of guest RAM a run touches about `touched_bytes`. Raises SimulateError where there is no room for these.
    """
    parent = Path(tempfile.gettempdir())
    if os.access(SHARED_MEMORY, os.W_OK) and _free_bytes(SHARED_MEMORY) > 2 * ram_bytes:
        parent = SHARED_MEMORY
    _remove_abandoned(parent)
    needed, free = touched_bytes + ROOM_FOR_LOGS, _free_bytes(parent)
    if free < needed:
        raise SimulateError(
            f"guest RAM and logs need {needed >> 20} MiB in '{parent}', where {free >> 20} MiB are free; "
            "TMPDIR=DIR chooses another folder"
        )
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
    try:
        with _locked(folder):
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _free_bytes(folder: Path) -> int:
    free = os.statvfs(folder)
    return free.f_bavail * free.f_frsize


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Raises OSError where somebody else holds the lock, or where it is no folder that this user may open."""
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(opened)


def _remove_abandoned(parent: Path) -> None:
    for folder in parent.glob(f"{PREFIX}*"):
        with suppress(OSError):
            if time.time() - folder.lstat().st_mtime > YOUNG_S:
                with _locked(folder):
                    shutil.rmtree(folder, ignore_errors=True)
