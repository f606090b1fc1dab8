# SPDX-License-Identifier: Apache-2.0
"""The command line of the placement check: python -m acalsim_backend.check ELF LINKER_SCRIPT."""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .. import doors
from ..errors import CheckError, run_room
from .check import Placement, check
from .elf import regular_file
from .placement_file import PlacementFile, RegionRow

BAR_WIDTH = 24


def main(arguments: list[str]) -> int:
    options = _options(arguments)
    placement = check(options.elf, options.script, _load_plan(options.plan) if options.plan else None)
    if options.json:
        _write(options.json, PlacementFile(placement.regions, placement.left_out))
    if not options.quiet:
        print("\n".join(table(placement)))
    return 0


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m acalsim_backend.check",
        description="Check an ELF's sections, segments and symbols against the linker script that made it.",
        epilog="Exit status: 0 all rules hold, 1 a rule is broken or a file is unreadable, 2 usage.",
    )
    parser.add_argument("elf", metavar="ELF", type=Path)
    parser.add_argument("script", metavar="LINKER_SCRIPT", type=Path)
    parser.add_argument(
        "--plan", metavar="PLAN.json", type=Path, help="sizes, symbols and device windows promised"
    )
    parser.add_argument("--json", metavar="OUT.json", type=Path, help="write region fill there")
    parser.add_argument("--quiet", action="store_true", help="print no table")
    return parser.parse_args(arguments)


def _load_plan(path: Path) -> Any:
    with regular_file(path, "plan") as stream:
        try:
            return json.load(stream)
        except (ValueError, RecursionError) as error:
            raise CheckError(f"{path}: not a JSON file: {error}") from None


def _write(path: Path, placement: PlacementFile) -> None:
    try:
        doors.write(path, placement)
    except OSError as error:
        raise CheckError(f"{path}: cannot write: {error.strerror}") from None


def table(placement: Placement) -> Iterator[str]:
    """The regions with their sections, as lines to read."""
    for row in placement.regions:
        yield _region_line(row)
        for section in row.sections:
            flags = placement.flags[section.name]
            yield f"  0x{section.address:010x} {section.size_bytes:>12,} {flags:<3} {section.name}"
    yield f"entry 0x{placement.entry:x}; every rule holds"
    yield from placement.left_out


def _region_line(row: RegionRow) -> str:
    share = row.used / row.length if row.length else 0.0
    filled = math.ceil(share * BAR_WIDTH)
    bar = "#" * filled + "." * (BAR_WIDTH - filled)
    return (
        f"{row.region} 0x{row.origin:x}..0x{row.origin + row.length:x} [{bar}] "
        f"{share:.1%}, {row.used:,} of {row.length:,} bytes"
    )


if __name__ == "__main__":
    run_room(main)
