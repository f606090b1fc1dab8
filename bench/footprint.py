# SPDX-License-Identifier: Apache-2.0
"""Code size and peak RAM of every model's firmware, and the least RAM that its intermediate tensors need.

    ./run python bench/footprint.py [bert vit ...] [--machine cpu] [--models models]

Builds the ELFs and simulates nothing. `buffers` is the memory that the plan gives to intermediate tensors;
`least` is the largest sum of the sizes of tensors that live at the same time. Their ratio is what the memory
plan loses: 1 is perfect.
"""

import argparse
from pathlib import Path

from acalsim_backend.arena import least_bytes  # noqa: E402
from acalsim_backend.codegen.generator import timer_for  # noqa: E402
from acalsim_backend.ir.text import parse  # noqa: E402
from acalsim_backend.machine.file import load_machine  # noqa: E402
from acalsim_backend.schedule.memory import in_place, lifetimes, merge  # noqa: E402
from acalsim_backend.schedule.passes import make_plan  # noqa: E402
from elftools.elf.elffile import ELFFile
from project import ROOT, scons


def sections(elf):
    """Sizes in bytes by name."""
    with open(elf, "rb") as stream:
        return {section.name: section["sh_size"] for section in ELFFile(stream).iter_sections()}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="of models; all of the folder unless given")
    parser.add_argument("--machine", default="cpu")
    parser.add_argument("--models", type=Path, default=Path("models"))
    options = parser.parse_args()
    names = options.names or sorted(path.stem for path in (ROOT / options.models).glob("[!_]*.py"))
    build = Path("build" if options.machine == "default" else f"build/{options.machine}")
    elfs = (f"{build}/{name}.elf" for name in names)
    scons("-j2", f"MACHINE={options.machine}", f"MODELS={options.models}", *elfs)
    print(f"{'model':16} {'code':>9} {'weights':>11} {'buffers':>10} {'least':>10} {'peak/least':>10}")
    for name in names:
        ir, machine = parse((ROOT / build / name / "graph_0.ir").read_text()), load_machine(options.machine)
        plan, size = make_plan(ir, machine, timer=timer_for(machine)), sections(ROOT / build / f"{name}.elf")
        arena = lifetimes(
            plan, {place for place, where in plan.places.items() if where.section != ".buffers"}
        )
        least, peak = least_bytes(merge(arena, in_place(plan, arena))), plan.blocks[".buffers"]
        print(
            f"{name:16} {size['.text']:9,} {size.get('.weights', 0):11,} {peak:10,} {least:10,} "
            f"{peak / least if least else 1:10.3f}"
        )


if __name__ == "__main__":
    main()
