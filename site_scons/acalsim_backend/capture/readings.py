# SPDX-License-Identifier: Apache-2.0
"""What a capture read: noted after it, compared with what is there before the next build.

In: the watcher's list. Out: read.txt and installed.txt, a line for each thing that was asked for:

    file STAMP DIGEST PATH      the content of a file
    folder STAMP DIGEST PATH    the names in a folder
    looked STAMP - PATH         what stat tells of a file: its kind, and of a regular one its size and time
    link - DIGEST PATH          where a symbolic link leads
    none - - PATH               there was nothing of that name
    changed - - PATH            it changed while it was read, so that nobody knows what was read
    unwatched - - WORDS         what no list of files tells: the capture is redone in every build

A file is what it was if its stamp is (size, inode, times to the nanosecond; no edit keeps them all), else if its
digest is. installed.txt has what belongs to Python and the system, thousands of files, by stamps alone.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib.util
import os
import stat
import time
from collections.abc import Iterable
from pathlib import Path

from ..files import sha256, write_atomic
from ..watch import Asked, Seen
from .places import is_below, is_installed, is_ours

READ, INSTALLED = "read.txt", "installed.txt"
UNWATCHED = "unwatched - -"
TOO_NEW = "new"
"""The stamp of what is so young that a further change might carry the same times."""
YOUNG_NS = 2_000_000_000

_LINKER_CACHE = "/etc/ld.so.cache"
"""Written anew with every package that is installed; the libraries that it led to are noted themselves."""


# --- after a capture ----------------------------------------------------------------------------


def write_readings(seen: Seen, out: Path) -> list[str]:
    """Note in the folder `out` what was read, as it is now; return what could not be watched, in words.

    `out` itself is no input.
    """
    asked = _by_path(seen.asked, str(out.absolute()))
    written = _Written(seen.asked)
    users = [f"{UNWATCHED} {words}" for words in seen.unwatched]
    installed: list[str] = []
    for row in asked.values():
        is_foreign = is_installed(row.path)
        (installed if is_foreign else users).extend(_lines(row, written, is_foreign))
    write_atomic(out / READ, _text(users))
    write_atomic(out / INSTALLED, _text(_needed(installed)))
    return [_path_of(line) for line in users + installed if line.startswith(UNWATCHED)]


def _by_path(asked: Iterable[Asked], out: str) -> dict[str, Asked]:
    """What counts as input, by path: a cached .pyc stands for its source, and nothing for what the model made."""
    found: dict[str, Asked] = {}
    for row in asked:
        path = row.path
        if "b" in row.ways or row.ways == "w" or _is_ignored(path, out):
            continue
        if "/__pycache__" in path:
            if "r" not in row.ways or not path.endswith(".pyc"):
                continue
            path = importlib.util.source_from_cache(path)
            row = _as_it_is(path, "r")
        if path in found:
            first = found[path] if found[path].mode else row
            row = first._replace(ways=found[path].ways + row.ways)
        found[path] = row
    return found


def _is_ignored(path: str, out: str) -> bool:
    """The build's own files, and what torch keeps by the digest of its content."""
    ours = is_ours(path) or is_below(path, out)
    return ours or path == _LINKER_CACHE or any(part.startswith("torchinductor_") for part in path.split("/"))


def _as_it_is(path: str, ways: str) -> Asked:
    try:
        now = os.stat(path)
    except OSError:
        return Asked(ways, 0, 0, 0, 0, 0, path)
    return Asked(ways, now.st_mode, now.st_size, now.st_ino, now.st_mtime_ns, now.st_ctime_ns, path)


class _Written:
    """Whether the model itself made or changed a file, under whatever name."""

    def __init__(self, asked: Iterable[Asked]):
        self._paths = {row.path for row in asked if "w" in row.ways}

    @functools.cached_property
    def _real_paths(self) -> set[str]:
        return {os.path.realpath(path) for path in self._paths}

    def __contains__(self, path: str) -> bool:
        return path in self._paths or os.path.realpath(path) in self._real_paths


def _lines(row: Asked, written: _Written, by_stamp: bool) -> list[str]:
    now = _as_it_is(row.path, row.ways)
    lines = []
    if "l" in row.ways and os.path.islink(row.path):
        lines.append(_line("link", "-", _digest(os.readlink(row.path)), row.path))
        if row.ways == "l":
            return lines
    if "r" in now.ways and stat.S_IFMT(now.mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
        return [*lines, f"{UNWATCHED} what comes through {_escaped(row.path)}, which is no regular file"]
    if _has_changed(row, now) and row.path not in written:
        return [*lines, _line("changed", "-", "-", row.path)]
    return [*lines, _state(now, by_stamp)]


def _has_changed(before: Asked, now: Asked) -> bool:
    if stat.S_ISDIR(before.mode) and stat.S_ISDIR(now.mode):
        return "r" in before.ways and before.mtime_ns != now.mtime_ns
    return before[1:5] != now[1:5]


def _state(now: Asked, by_stamp: bool) -> str:
    """The line of something as it is."""
    if not now.mode:
        return _line("none", "-", "-", now.path)
    if "r" not in now.ways:
        return _line("looked", _look(now), "-", now.path)
    if stat.S_ISDIR(now.mode):
        return _line("folder", _stamp(now), _names_digest(now.path), now.path)
    return _line("file", _stamp(now), "-" if by_stamp else sha256(now.path), now.path)


def _needed(lines: list[str]) -> list[str]:
    """Without names that were missing from a folder whose names are noted."""
    listed = {line.split(" ", 3)[3] for line in lines if line.startswith("folder ")}
    return [
        line
        for line in lines
        if not (line.startswith("none ") and os.path.dirname(line.split(" ", 3)[3]) in listed)
    ]


def _stamp(now: Asked) -> str:
    is_young = max(now.mtime_ns, now.ctime_ns) > time.time_ns() - YOUNG_NS
    return TOO_NEW if is_young else _marks(now.size, now.inode, now.mtime_ns, now.ctime_ns)


def _marks(size: int, inode: int, mtime_ns: int, ctime_ns: int) -> str:
    return f"{size}.{inode}.{mtime_ns}.{ctime_ns}"


def _look(now: Asked) -> str:
    kind = stat.S_IFMT(now.mode)
    return f"{kind:o}.{now.size}.{now.mtime_ns}" if stat.S_ISREG(now.mode) else f"{kind:o}"


def _names_digest(folder: str) -> str:
    names = sorted(name for name in os.listdir(folder) if name != "__pycache__")
    return _digest("\0".join(names))


def _digest(text: str) -> str:
    return hashlib.sha256(os.fsencode(text)).hexdigest()


def _line(kind: str, stamp: str, digest: str, path: str) -> str:
    return f"{kind} {stamp} {digest} {_escaped(_from_here(path))}"


def _from_here(path: str) -> str:
    """Relative where it lies in the working folder, so that a copy of the whole tree looks at its own files."""
    here = f"{os.getcwd()}/"
    return path[len(here) :] if path.startswith(here) and len(path) > len(here) else path


def _escaped(path: str) -> str:
    return path.replace("\\", "\\\\").replace("\n", "\\n")


def _unescaped(path: str) -> str:
    return path.replace("\\\\", "\0").replace("\\n", "\n").replace("\0", "\\") if "\\" in path else path


def _text(lines: Iterable[str]) -> bytes:
    return os.fsencode("".join(f"{line}\n" for line in sorted(lines, key=_path_of)))


def _path_of(line: str) -> str:
    return line.split(" ", 3)[3]


# --- before a build -----------------------------------------------------------------------------

_LOOKED_AT: set[str] = set()
"""Lines about installed files that hold during this build."""


def is_unchanged(out: Path, may_write: bool) -> bool:
    """Whether all that the capture in `out` read is what it was; False also where nothing says what it was.

    With `may_write` the stamps of files that were only touched are put right, so that they are not hashed again.
    """
    try:
        return _installed_holds((out / INSTALLED).read_bytes()) and _holds(out / READ, may_write)
    except (FileNotFoundError, ValueError):
        return False


def _installed_holds(text: bytes) -> bool:
    """Captures of one build mostly read the same packages: each file of theirs is looked at once."""
    lines = set(os.fsdecode(text).split("\n")[:-1])
    if not all(_has_its_stamp(line) or _refreshed(line) for line in lines - _LOOKED_AT):
        return False
    _LOOKED_AT.update(lines)
    return True


def _holds(path: Path, may_write: bool) -> bool:
    text = path.read_bytes()
    refreshed = []
    for line in os.fsdecode(text).split("\n")[:-1]:
        now = _refreshed(line)
        if now is None:
            return False
        refreshed.append(now)
    if may_write and _text(refreshed) != text:
        with contextlib.suppress(OSError):  # what is looked at once more is as right
            write_atomic(path, _text(refreshed))
    return True


def _has_its_stamp(line: str) -> bool:
    """Of the line of a file whether that is as it was: what nearly always holds, told fast."""
    kind, stamp, _, path = line.split(" ", 3)
    if kind != "file" or "\\" in path:
        return False
    try:
        now = os.stat(path)
    except OSError:
        return False
    return _marks(now.st_size, now.st_ino, now.st_mtime_ns, now.st_ctime_ns) == stamp


def _refreshed(line: str) -> str | None:
    """The line with the stamp as it is now, or None where the line does not hold any more."""
    kind, stamp, digest, escaped = line.split(" ", 3)
    if kind in ("changed", "unwatched"):
        return None
    path = _unescaped(escaped)
    try:
        if kind == "link":
            return line if _digest(os.readlink(path)) == digest else None
        now = _as_it_is(path, "")
        if kind == "none" or not now.mode:
            return line if kind == "none" and not now.mode else None
        if kind == "looked":
            return line if _look(now) == stamp else None
        fresh = _stamp(now)
        if fresh == stamp != TOO_NEW:
            return line
        if kind == "folder":
            is_same = _names_digest(path) == digest
        else:
            is_same = digest != "-" and stat.S_ISREG(now.mode) and sha256(path) == digest
    except OSError:
        return None
    return f"{kind} {fresh} {digest} {escaped}" if is_same else None
