# SPDX-License-Identifier: Apache-2.0
"""Builds the devices of the user's: a machine in, a shared library for each of them out, which both engines load.

    python -m acalsim_backend.host.own MACHINE DEVICE OUT.so    builds one, by hand

A library has the user's source, its own copy of sim/model/device.cc with the registers that are declared, and
sim/own/entry.cc, through which the engine gets in.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ..errors import DeviceError, ToolchainError, run_room
from ..files import short_digest, write_if_changed
from ..machine.file import load_machine
from ..machine.headers import declared_header, interface_header, registers_header
from ..machine.machine import Device, Machine
from ..machine.own import Own
from ..paths import KERNELS, ROOT, SIM, cache_folder
from .compiler import CXX, MODEL_CXXFLAGS, compile_all, make

SOURCES = (SIM / "model/device.cc", SIM / "model/span_log.cc", SIM / "own/entry.cc")
HEADERS = (*sorted(SIM.glob("*/*.hh")), *sorted(KERNELS.glob("*.h")))
LINKFLAGS = ("-shared", "-Wl,--gc-sections", "-Wl,-z,defs")


@dataclass(frozen=True)
class Recipe:
    """What a language's devices are compiled from. `sources` may make some in the given folder."""

    sources: Callable[[Own, Mapping[str, int], Path], tuple[Path, ...]]
    includes: Callable[[Own], tuple[Path, ...]] = lambda own: ()
    cxxflags: tuple[str, ...] = ()
    linkflags: tuple[str, ...] = ()
    headers: tuple[Path, ...] = ()
    """Those that the sources include beside HEADERS."""
    bakes_parameters: bool = False
    """Whether the library is another one for other parameters."""


RECIPES: dict[str, Recipe] = {
    "cc": Recipe(lambda own, parameters, folder: (own.source, *own.uses)),
}
"""By language. A device in another one needs a row here."""


def library_of(device: Device, own: Own) -> Path:
    """The library of one device, built in the user's cache unless it is there. Raises DeviceError."""
    return build(device, own, cache_folder() / "devices")


def libraries(machine: Machine, given: Mapping[str, Path]) -> dict[str, str]:
    """The library of each own device of the machine by the device's name: the given one, or one that is built."""
    return {
        device.name: str(given.get(device.name) or library_of(device, device.own))
        for device in machine.devices
        if device.own
    }


def build(device: Device, own: Own, folder: Path) -> Path:
    """Build the library in `folder`, whose files are named by what they are made from, and return its path.

    Raises DeviceError with the compiler's first complaint.
    """
    recipe = RECIPES.get(own.language)
    if recipe is None:
        raise DeviceError(f"{own.source}: devices in this language cannot be built: {own.language}")
    folder = folder.absolute()
    headers = written_headers(own, folder)
    seen = short_digest(*sorted(headers.iterdir()), *HEADERS, *recipe.headers, *own.reads)
    sources = (*recipe.sources(own, device.parameters, headers), *SOURCES)
    includes = [f"-I{path}" for path in (SIM, ROOT, headers, own.source.parent)]
    includes += [f"-isystem{path}" for path in recipe.includes(own)]
    flags = [*MODEL_CXXFLAGS, *recipe.cxxflags, "-DACALSIM_OWN", *includes]
    try:
        objects = compile_all(
            sources, folder, seen, lambda source, out: [CXX, *flags, "-c", str(source), "-o", str(out)]
        )
        library = folder / f"{own.source.stem}-{short_digest(*objects)}.so"
        if not library.exists():
            linking = [CXX, *LINKFLAGS, *map(str, objects), *recipe.linkflags]
            make(library, lambda out: [*linking, "-o", str(out)])
    except ToolchainError as error:
        raise DeviceError(f"'{device.name}': {error}") from None
    return library


def baked(device: Device, own: Own) -> str:
    """What of the machine file the device's library is made from, as text."""
    recipe = RECIPES.get(own.language)
    return str(dict(device.parameters)) if recipe and recipe.bakes_parameters else ""


def written_headers(own: Own, folder: Path) -> Path:
    """A folder with the headers that are generated, named by what they hold."""
    texts = {
        "registers.h": registers_header(),
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
        case [name, wanted, out]:
            found = {device.name: device for device in load_machine(name).devices if device.own}
            if wanted not in found:
                raise DeviceError(f"machine '{name}' has no device '{wanted}' of its own")
            device = found[wanted]
            assert device.own is not None
            library = build(device, device.own, Path(out).absolute().parent / "objects")
            shutil.copyfile(library, f"{out}.part")
            os.replace(f"{out}.part", out)
        case _:
            raise DeviceError("usage: own MACHINE DEVICE OUT.so")
    return 0


if __name__ == "__main__":
    run_room(main)
