# SPDX-License-Identifier: Apache-2.0
"""QEMU's plugin and the embedded engine, built once in the user's cache, where SCons does not build them."""

from __future__ import annotations

import fcntl
import functools
import hashlib
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version as package_version
from pathlib import Path

from .. import doors
from ..errors import ToolchainError
from ..files import sha256
from ..machine.headers import registers_header, tables_header
from ..paths import KERNELS, ROOT, SIM, cache_folder
from . import engine as embedded
from . import qemu
from .library import LIBRARY_NAME
from .tools import Tools


@dataclass(frozen=True)
class BuiltFile:
    """What the cache's note of one state of the sources says: where its tools lie in the cache, and their digests."""

    plugin: str
    library: str
    plugin_sha256: str
    library_sha256: str


@functools.cache
def host_tools() -> Tools:
    """QEMU's plugin and the embedded engine, built if the cache does not hold them for the present sources.

    The cache is $XDG_CACHE_HOME/acalsim, or else ~/.cache/acalsim. Several processes may call this at once.
    Raises QemuError or ToolchainError where something cannot be built or QEMU does not take the plugin.
    """
    cache = cache_folder()
    index = cache / f"{_tools_key()}.json"
    with _locked(cache):
        if not _is_whole(index):
            _take_away(cache, index)
            print(
                f"acalsim: building the simulator in {cache} (once; about 15 s)", file=sys.stderr, flush=True
            )
            _build_tools(cache, index)
    built = doors.read(index, BuiltFile, ToolchainError)
    return Tools(cache / built.plugin, cache / built.library)


def _tools_key() -> str:
    """A digest of the sources, flags and versions that the tools are made from."""
    parts = [
        registers_header(),
        tables_header(),
        str(embedded.ENGINE_CXXFLAGS),
        str(qemu.PLUGIN_CFLAGS),
        LIBRARY_NAME,
    ]
    parts += [sys.prefix, package_version("nanobind"), qemu.installed_version()]
    digest = hashlib.sha256("\n".join(parts).encode())
    rooms = (SIM / "model", SIM / "embedded", SIM / "qemu", KERNELS)
    for path in sorted(path for room in rooms for path in room.rglob("*.*")):
        digest.update(f"\n{path.relative_to(ROOT)}\n".encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def _is_whole(index: Path) -> bool:
    """Whether the tools are there, as they were built: a full disk or a power cut may have left half of one."""
    try:
        built = doors.read(index, BuiltFile, ToolchainError)
        digests = [sha256(index.parent / path) for path in (built.plugin, built.library)]
    except (ToolchainError, OSError):
        return False
    return digests == [built.plugin_sha256, built.library_sha256]


def _take_away(cache: Path, index: Path) -> None:
    """Remove what is damaged, and what it was made of, which may be so as well."""
    if index.exists():
        for folder in (cache / index.stem, cache / "engine"):
            shutil.rmtree(folder, ignore_errors=True)
        index.unlink()


def _build_tools(cache: Path, index: Path) -> None:
    """Build both, try the plugin on QEMU, then write `index`: it exists only when both are usable."""
    if shutil.which("gcc") is None:
        raise ToolchainError("no C compiler 'gcc'; install it (Debian: apt install gcc g++)")
    folder = cache / index.stem
    folder.mkdir(exist_ok=True)
    plugin = qemu.build_plugin(folder)
    qemu.check_plugin(qemu.find_qemu(), plugin)
    library = embedded.build(cache / "engine")
    where, what = (str(path.relative_to(cache)) for path in (plugin, library))
    doors.write(index, BuiltFile(where, what, sha256(plugin), sha256(library)))


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    with open(folder / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
