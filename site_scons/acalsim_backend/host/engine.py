# SPDX-License-Identifier: Apache-2.0
"""Builds the embedded engine: C++ sources in, the Python extension `_embedded` out.

    python -m acalsim_backend.host.engine build OUTDIR    builds it there, by hand

SCons builds it by the same constants and functions. nanobind's own source is compiled with the engine's, so
that neither CMake nor a second library is needed.
"""

from __future__ import annotations

import sysconfig
from pathlib import Path

import nanobind

from ..errors import ServeError, ToolchainError, run_room
from ..files import StrPath, short_digest, write_if_changed
from ..machine.headers import interface_header, registers_header, tables_header
from ..paths import KERNELS, ROOT, SIM, cache_folder
from .compiler import CXX, MODEL_CXXFLAGS, compile_all, make
from .library import LIBRARY_NAME, find_library

ENGINE_SOURCES = tuple(sorted(SIM.glob("model/*.cc"))) + tuple(sorted(SIM.glob("embedded/*.cc")))
"""All of sim/model and sim/embedded: a new device model is compiled without being named here."""

INCLUDED = (*sorted(SIM.glob("*/*.hh")), *sorted(KERNELS.glob("*.h")))
"""Headers that the sources may include: the vector unit computes by the functions of the CPU's kernels."""

ENGINE_CXXFLAGS = MODEL_CXXFLAGS
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
    """The command that compiles one source to one object. `headers` holds those that are generated."""
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
    headers = write_headers(folder)
    objects = compile_all(
        sources(), folder, headers, lambda source, out: compile_command(source, out, folder)
    )
    library = folder / short_digest(*objects) / LIBRARY_NAME
    if not library.exists():
        library.parent.mkdir(exist_ok=True)
        make(library, lambda temporary: link_command(objects, temporary))
    return library


def build_program(folder: StrPath, source: Path, flags: tuple[str, ...]) -> Path:
    """Build a program of `source` and the engine, without Python and without a client, all with `flags`.

    Raises ToolchainError with the compiler's first error.
    """
    folder = Path(folder).absolute()
    models = tuple(path for path in ENGINE_SOURCES if path.parent.name == "model")
    engine = tuple(SIM / "embedded" / name for name in ("engine.cc", "guest_ram.cc"))
    objects = compile_all(
        (source, *models, *engine),
        folder,
        write_headers(folder),
        lambda each, out: [*compile_command(each, out, folder), *flags],
    )
    program = folder / f"{source.stem}-{short_digest(*objects)}"
    if not program.exists():
        make(program, lambda out: [CXX, *flags, *map(str, objects), "-o", str(out)])
    return program


def write_headers(folder: Path) -> str:
    """Write the generated headers; return a digest of these and of all others."""
    texts = {
        "registers.h": registers_header(),
        "tables.h": tables_header(),
        "interface.h": interface_header(),
    }
    for name, text in texts.items():
        write_if_changed(folder / name, text)
    return short_digest(*(folder / name for name in texts), *INCLUDED)


def main(arguments: list[str]) -> int:
    match arguments:
        case ["build", folder]:
            print(build(folder))
        case _:
            raise ToolchainError("usage: engine build OUTDIR")
    return 0


if __name__ == "__main__":
    run_room(main)
