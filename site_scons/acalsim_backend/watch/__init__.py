# SPDX-License-Identifier: Apache-2.0
"""The watcher, a C program that runs a command and lists the files which it and its children ask for.

    gcc watch.c seen.c -o watch;  ./watch LIST COMMAND...

watch.c says what the list holds and how it is made; here it is read. SCons builds the program from these constants.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

SOURCES = tuple(sorted(Path(__file__).parent.glob("*.c")))
CFLAGS = ("-std=gnu11", "-O2", "-Wall", "-Wextra")
NAME = "watcher"
FAILED = 125
"""The watcher's exit status where it could not do its own part."""


class Asked(NamedTuple):
    """A name that was asked for: in which ways, and the file as it was at the first time; mode 0: there was none."""

    ways: str
    mode: int
    size: int
    inode: int
    mtime_ns: int
    ctime_ns: int
    path: str


class Seen(NamedTuple):
    """All that was seen of a command. `unwatched` says in words what the names do not tell."""

    asked: list[Asked]
    unwatched: list[str]


def read_seen(path: Path) -> Seen:
    """The watcher's list."""
    asked, unwatched = [], []
    for record in path.read_bytes().decode(errors="surrogateescape").split("\0")[:-1]:
        if record.startswith("! "):
            unwatched.append(record[2:])
        else:
            ways, mode, size, inode, mtime, ctime, name = record.split(" ", 6)
            asked.append(Asked(ways, int(mode), int(size), int(inode), int(mtime), int(ctime), name))
    return Seen(asked, unwatched)
