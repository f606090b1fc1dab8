# SPDX-License-Identifier: Apache-2.0
"""Builds the embedded engine: C++ sources in, the Python extension `_embedded` out.

    python -m acalsim_backend.host.engine build OUTDIR    builds it there, by hand

SCons builds it by the same constants and functions. nanobind's own source is compiled with the engine's, so
that neither CMake nor a second library is needed.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sysconfig
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nanobind

from ..errors import ServeError, ToolchainError, run_room
from ..files import StrPath, short_digest, write_if_changed
from ..machine.headers import registers_header, tables_header
from ..paths import KERNELS, ROOT, SIM, cache_folder
from .library import LIBRARY_NAME, find_library

CXX = os.environ.get("CXX", "g++")

ENGINE_SOURCES = tuple(sorted(SIM.glob("model/*.cc"))) + tuple(sorted(SIM.glob("embedded/*.cc")))
"""All of sim/model and sim/embedded: a new device model is compiled without being named here."""

INCLUDED = (*sorted(SIM.glob("*/*.hh")), *sorted(KERNELS.glob("*.h")))
"""Headers that the sources may include: the vector unit computes by the functions of the CPU's kernels."""

ENGINE_CXXFLAGS = (
    "-std=c++17",
    "-O3",
    # Products and sums are rounded one by one, even where the host could fuse them: results are the same
    # on every host.
    "-ffp-contract=off",
    # No model reads errno or the floating-point exceptions, and loops vectorise.
    "-fno-math-errno",
    "-fno-trapping-math",
    "-fPIC",
    "-fvisibility=hidden",
    "-Wall",
    "-Wextra",
)
NANOBIND_CXXFLAGS = (
    "-std=c++17",
    "-O2",
    "-fPIC",
    "-fvisibility=hidden",
    "-fno-strict-aliasing",
    "-ffunction-sections",
    "-fdata-sections",
    "-DNDEBUG",
    "-DNB_COMPACT_ASSERTIONS",
)
ENGINE_LINKFLAGS = ("-shared", "-Wl,-s", "-Wl,--gc-sections")


def nanobind_source() -> Path:
    """nanobind's own single source file."""
    return Path(nanobind.source_dir()) / "nb_combined.cpp"


def system_include_dirs() -> tuple[Path, ...]:
    """The header folders of nanobind, of what it includes, and of Python."""
    root = Path(nanobind.include_dir())
    return (root, root.parent / "ext/robin_map/include", Path(sysconfig.get_path("include")))


def sources() -> tuple[Path, ...]:
    """Everything that is compiled, the largest file first, so that the longest compilation starts first."""
    return tuple(sorted((nanobind_source(), *ENGINE_SOURCES), key=lambda path: -path.stat().st_size))


def cxxflags(source: Path) -> tuple[str, ...]:
    """The compiler flags of one source, without include folders."""
    return NANOBIND_CXXFLAGS if source == nanobind_source() else ENGINE_CXXFLAGS


def compile_command(source: Path, target: Path, headers: Path) -> list[str]:
    """The command that compiles one source to one object. `headers` holds registers.h and tables.h."""
    includes = [
        f"-I{SIM}",
        f"-I{ROOT}",
        f"-I{headers}",
        *(f"-isystem{path}" for path in system_include_dirs()),
    ]
    return [CXX, *cxxflags(source), *includes, "-c", str(source), "-o", str(target)]


def link_command(objects: list[Path], library: Path) -> list[str]:
    """The command that links the objects to the library."""
    return [CXX, *ENGINE_LINKFLAGS, *map(str, objects), "-o", str(library)]


def library_for_compiling() -> Path:
    """The library that find_library finds; where there is none, one that is built in the user's cache."""
    try:
        return find_library()
    except ServeError:
        return build(cache_folder() / "engine")


def build(folder: StrPath) -> Path:
    """Build the library in `folder` and return its path.

    The names of objects hold a digest of all that they are made from, so that only what changed is compiled.
    Raises ToolchainError with the compiler's first error.
    """
    folder = Path(folder).absolute()
    headers = _write_headers(folder)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        objects = list(pool.map(lambda source: _compile(source, folder, headers), sources()))
    library = folder / short_digest(*objects) / LIBRARY_NAME
    if not library.exists():
        library.parent.mkdir(exist_ok=True)
        _make(library, lambda temporary: link_command(objects, temporary))
    return library


def build_program(folder: StrPath, source: Path, flags: tuple[str, ...]) -> Path:
    """Build a program of `source` and the engine, without Python and without a client, all with `flags`.

    Raises ToolchainError with the compiler's first error.
    """
    folder = Path(folder).absolute()
    headers = _write_headers(folder)
    models = tuple(path for path in ENGINE_SOURCES if path.parent.name == "model")
    engine = tuple(SIM / "embedded" / name for name in ("engine.cc", "guest_ram.cc"))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        made = pool.map(lambda each: _compile(each, folder, headers, flags), (source, *models, *engine))
        objects = list(made)
    program = folder / f"{source.stem}-{short_digest(*objects)}"
    if not program.exists():
        _make(program, lambda temporary: [CXX, *flags, *map(str, objects), "-o", str(temporary)])
    return program


def _write_headers(folder: Path) -> str:
    """Write the generated headers; return a digest of these and of all others."""
    write_if_changed(folder / "registers.h", registers_header())
    write_if_changed(folder / "tables.h", tables_header())
    return short_digest(folder / "registers.h", folder / "tables.h", *INCLUDED)


def _compile(source: Path, folder: Path, headers: str, flags: tuple[str, ...] = ()) -> Path:
    compiled = lambda target: [*compile_command(source, target, folder), *flags]  # noqa: E731
    command = " ".join(compiled(folder))
    key = hashlib.sha256(f"{short_digest(source)} {headers} {command}".encode()).hexdigest()[:16]
    target = folder / f"{source.stem}-{key}.o"
    if not target.exists():
        _make(target, compiled)
    return target


def _make(target: Path, command: Callable[[Path], list[str]]) -> None:
    """Make `target` by `command` of a temporary path: it appears whole or not at all."""
    temporary = target.with_name(f".{os.getpid()}-{target.name}")
    try:
        done = subprocess.run(command(temporary), capture_output=True, text=True)
    except FileNotFoundError:
        raise ToolchainError(f"no C++ compiler '{CXX}' (Debian's package is g++)") from None
    if done.returncode:
        complaint = next((line for line in done.stderr.splitlines() if "error" in line), done.stderr)
        raise ToolchainError(f"{target.name} cannot be built: {complaint.strip()}")
    os.replace(temporary, target)


def main(arguments: list[str]) -> int:
    match arguments:
        case ["build", folder]:
            print(build(folder))
        case _:
            raise ToolchainError("usage: engine build OUTDIR")
    return 0


if __name__ == "__main__":
    run_room(main)
