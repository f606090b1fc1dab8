# SPDX-License-Identifier: Apache-2.0
"""Code size and peak RAM of every model's firmware, and the least RAM that its intermediate tensors can do with.

    ./run python bench/footprint.py [--machine cpu] [--models models]

Builds the ELFs, simulates nothing. `peak` over `least` is what the memory plan loses: 1 is perfect.
"""

import argparse
import subprocess
import sys
from pathlib import Path

from elftools.elf.elffile import ELFFile

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "site_scons"))

from acalsim_backend.codegen.generator import timer_for  # noqa: E402
from acalsim_backend.ir.text import parse  # noqa: E402
from acalsim_backend.machine.file import load_machine  # noqa: E402
from acalsim_backend.schedule.memory import in_place, least_bytes, lifetimes, merge  # noqa: E402
from acalsim_backend.schedule.passes import make_plan  # noqa: E402


def sections(elf):
    with open(elf, "rb") as stream:
        return {section.name: section["sh_size"] for section in ELFFile(stream).iter_sections()}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--machine", default="cpu")
    parser.add_argument("--models", type=Path, default=Path("models"))
    options = parser.parse_args()
    names = sorted(path.stem for path in (ROOT / options.models).glob("[!_]*.py"))
    build = Path("build" if options.machine == "default" else f"build/{options.machine}")
    subprocess.run(
        [
            sys.executable,
            "-m",
            "SCons",
            "-Q",
            "-s",
            "-j2",
            f"MACHINE={options.machine}",
            f"MODELS={options.models}",
            *(f"{build}/{name}.elf" for name in names),
        ],
        cwd=ROOT,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    print(f"{'model':16} {'code':>9} {'weights':>11} {'buffers':>10} {'least':>10} {'peak/least':>10}")
    for name in names:
        ir, machine = parse((ROOT / build / name / "graph_0.ir").read_text()), load_machine(options.machine)
        plan, size = make_plan(ir, machine, timer=timer_for(machine)), sections(ROOT / build / f"{name}.elf")
        arena = lifetimes(
            plan, {place for place, where in plan.places.items() if where.section != ".buffers"}
        )
        least, peak = least_bytes(merge(arena, in_place(plan, arena))), plan.blocks[".buffers"]
        print(
            f"{name:16} {size['.text']:9,} {size.get('.weights', 0):11,} {peak:10,} {least:10,} {peak / least if least else 1:10.3f}"
        )


if __name__ == "__main__":
    main()
