# SPDX-License-Identifier: Apache-2.0
"""Builds the devices of the user's: a machine in, a shared library for each of them out, which both engines load.

    python -m acalsim_backend.host.own MACHINE DEVICE OUT.so [--waves]    builds one, by hand

A library has the user's source, its own copy of sim/model/device.cc with the registers that are declared, and
sim/own/entry.cc, through which the engine gets in.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import sysconfig
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ..errors import DeviceError, ToolchainError, run_room
from ..files import short_digest, write_if_changed
from ..machine.file import load_machine
from ..machine.headers import c_string, declared_header, interface_header, registers_header, tables_header
from ..machine.machine import Device, Machine
from ..machine.own import Own
from ..paths import KERNELS, PYTHONPATH, ROOT, SIM, cache_folder
from . import verilator
from .compiler import CXX, MODEL_CXXFLAGS, compile_all, make

SOURCES = (SIM / "model/device.cc", SIM / "model/span_log.cc", SIM / "own/entry.cc")
PYTHON_SOURCES = (SIM / "own/python_device.cc",)
HEADERS = (*sorted(SIM.glob("*/*.hh")), *sorted(KERNELS.glob("*.h")))
LINKFLAGS = ("-shared", "-Wl,--gc-sections", "-Wl,-z,defs")


@dataclass(frozen=True)
class Recipe:
    """What a language's devices are compiled from. `sources` may make some in the given folder."""

    sources: Callable[[Own, Mapping[str, int], Path], tuple[Path, ...]]
    includes: Callable[[Own], tuple[Path, ...]] = lambda own: ()
    cxxflags: tuple[str, ...] = ()
    linkflags: tuple[str, ...] = ()
    ours: tuple[Path, ...] = ()
    """Sources of this project among them."""
    headers: tuple[Path, ...] = ()
    """Those that the sources include beside HEADERS."""
    common: Callable[[], tuple[Path, ...]] = tuple
    """Sources that know nothing of the device: compiled once for all of them."""
    version: Callable[[], str] = str
    """Of the tool that makes sources."""
    compiles_source: bool = True
    """Whether the library is another one when the source changes."""
    bakes_parameters: bool = False
    """Whether the library is another one for other parameters."""

    def inputs(self, device: Device, own: Own) -> tuple[tuple[Path, ...], str]:
        """What of the user's the library is made from: files, and text."""
        if not self.compiles_source:
            return (), ""
        baked = str(dict(device.parameters)) * self.bakes_parameters
        return own.reads, declared_header(own) + baked + self.version()

    def told(self, own: Own) -> str:
        """What a library that serves every device of the language is told of this one, by lines."""
        rows = (f"{row.name} {row.offset} {row.access}" for row in own.registers)
        return "" if self.compiles_source else "\n".join(["", str(own.source), *rows])


def _cc_sources(own: Own, parameters: Mapping[str, int], folder: Path) -> tuple[Path, ...]:
    return (own.source, *own.uses)


def _py_sources(own: Own, parameters: Mapping[str, int], folder: Path) -> tuple[Path, ...]:
    """The source is read when the device runs. SST's Python is told where this one finds its modules."""
    places = ":".join(os.path.abspath(place) for place in (str(PYTHONPATH), *sys.path) if place)
    write_if_changed(folder / "python_path.h", f"#define ACALSIM_PYTHON_PATH {c_string(places)}\n")
    return PYTHON_SOURCES


def _verilog(waves: bool) -> Recipe:
    return Recipe(
        partial(verilator.sources, waves=waves),
        lambda own: verilator.find_verilator().includes,
        cxxflags=(*verilator.CXXFLAGS, f"-DVM_TRACE={int(waves)}", f"-DVM_TRACE_FST={int(waves)}"),
        linkflags=(*verilator.LINKFLAGS, *(["-lz"] if waves else [])),
        ours=(*verilator.HARNESS, *verilator.LIBRARY_FILES),
        common=lambda: (*verilator.HARNESS, *verilator.find_verilator().runtime(waves)),
        version=verilator.version,
        bakes_parameters=True,
    )


RECIPES: dict[str, Recipe] = {
    "cc": Recipe(_cc_sources),
    "py": Recipe(
        _py_sources,
        lambda own: (Path(sysconfig.get_path("include")),),
        ours=PYTHON_SOURCES,
        linkflags=("-Wl,-z,undefs",),  # Python is there already: this process, or SST's
        compiles_source=False,
    ),
    "sv": _verilog(waves=False),
}
"""By language. A device in another one needs a row here."""
WITH_WAVES = {**RECIPES, "sv": _verilog(waves=True)}
"""The same for runs that leave waveforms."""


def library_of(device: Device, own: Own, waves: bool = False) -> Path:
    """The library of one device, built in the user's cache unless it is there. Raises DeviceError."""
    return build(device, own, _libraries_folder(), waves)


def _libraries_folder() -> Path:
    return cache_folder() / "devices"


def libraries(machine: Machine, given: Mapping[str, Path], waves: bool = False) -> dict[str, Path]:
    """The library of each own device of the machine by the device's name: the given one, or one that is built."""
    return {
        device.name: given.get(device.name) or library_of(device, device.own, waves)
        for device in machine.devices
        if device.own
    }


def serve_options(machine: Machine) -> list[str]:
    """What tells `serve` where the libraries of own devices are, which are built first: it is to listen soon."""
    return [f"--device={name}={path}" for name, path in libraries(machine, {}).items()]


def models(machine: Machine, libraries: Mapping[str, Path]) -> dict[str, str]:
    """What an engine takes for the model of each device, by the device's name: a built-in one's name, or a library
    and what that is told."""
    return {
        device.name: f"{libraries[device.name]}{recipe_of(device.own).told(device.own)}"
        if device.own
        else device.model
        for device in machine.devices
    }


def build(device: Device, own: Own, folder: Path, waves: bool = False) -> Path:
    """Build the library in `folder`, whose files are named by what they are made from, and return its path.

    With `waves`, a device in SystemVerilog can leave a waveform. Raises DeviceError with the compiler's first complaint.
    """
    recipe = recipe_of(own, waves)
    folder = folder.absolute()
    headers = written_headers(own if recipe.compiles_source else None, folder)
    made = recipe.sources(own, device.parameters, headers)
    common = common_folder()
    files, _ = recipe.inputs(device, own)
    version = recipe.version()
    of_all = short_digest(*sorted(common.glob("*.h")), *HEADERS, *recipe.headers) + version
    seen = of_all + short_digest(*(path for path in sorted(headers.iterdir()) if path.is_file()))
    flags = [*MODEL_CXXFLAGS, *recipe.cxxflags, f"-I{SIM}", f"-I{ROOT}"]
    flags += [f"-isystem{path}" for path in recipe.includes(own)]
    of_device = [*flags, "-DACALSIM_OWN", f"-I{headers}"]
    of_user = [*of_device, *([f"-I{own.source.parent}"] if recipe.compiles_source else [])]
    try:
        objects = [
            *compile_all(made, folder, seen + short_digest(*files), _compiling(of_user)),
            *compile_all(SOURCES, folder, seen, _compiling(of_device)),
            *compile_all(recipe.common(), common, of_all, _compiling([*flags, f"-I{common}"])),
        ]
        stem = own.source.stem if recipe.compiles_source else own.language
        library = folder / f"{stem}-{short_digest(*objects)}.so"
        if not library.exists():
            linking = [CXX, *LINKFLAGS, *map(str, objects), *recipe.linkflags]
            make(library, lambda out: [*linking, "-o", str(out)])
    except ToolchainError as error:
        advice = (
            "; waveforms need zlib (Debian's package is zlib1g-dev)" if waves and "zlib" in str(error) else ""
        )
        raise DeviceError(f"'{device.name}': {error}{advice}") from None
    return library


def _compiling(flags: list[str]) -> Callable[[Path, Path], list[str]]:
    return lambda source, out: [CXX, *flags, "-c", str(source), "-o", str(out)]


def common_folder() -> Path:
    """Where in the user's cache what knows nothing of the device is, with the headers that it needs."""
    folder = cache_folder() / "devices/common"
    for name, text in of_the_engine().items():
        write_if_changed(folder / name, text)
    return folder


def recipe_of(own: Own, waves: bool = False) -> Recipe:
    """How the device is built. Raises DeviceError for a language without a recipe."""
    if own.language not in RECIPES:
        raise DeviceError(f"{own.source}: there is no way yet to build a device in this language")
    return (WITH_WAVES if waves else RECIPES)[own.language]


def of_the_engine() -> dict[str, str]:
    """Generated headers that those of sim/model include."""
    return {"registers.h": registers_header(), "tables.h": tables_header()}


def written_headers(own: Own | None, folder: Path) -> Path:
    """A folder with the headers that are generated, named by what they hold."""
    texts = {
        **of_the_engine(),
        "interface.h": interface_header(),
        "declared.h": declared_header(own),
    }
    folder.mkdir(parents=True, exist_ok=True)
    place = folder / hashlib.sha256(repr(texts).encode()).hexdigest()[:16]
    for name, text in texts.items():
        write_if_changed(place / name, text)
    return place


def main(arguments: list[str]) -> int:
    match arguments:
        case [name, wanted, out, *waves] if waves in ([], ["--waves"]):
            found = {device.name: device for device in load_machine(name).devices if device.own}
            if wanted not in found:
                raise DeviceError(f"machine '{name}' has no device '{wanted}' of its own")
            device = found[wanted]
            assert device.own is not None
            of_all = not recipe_of(device.own).compiles_source
            folder = _libraries_folder() if of_all else Path(out).absolute().parent / "objects"
            library = build(device, device.own, folder, bool(waves))
            shutil.copyfile(library, f"{out}.part")
            os.replace(f"{out}.part", out)
        case _:
            raise DeviceError("usage: own MACHINE DEVICE OUT.so [--waves]")
    return 0


if __name__ == "__main__":
    run_room(main)
