# SPDX-License-Identifier: Apache-2.0
"""Whether a change of the compiler's or simulator's own code changed anything that users get.

    ./run python bench/unchanged.py keep DIR       build and simulate the zoo, keep what came out in DIR
    ./run python bench/unchanged.py compare DIR    do it again, and name every file that differs

The zoo runs on five machines as float32 and on `default` as int8. Kept are reports, plans, generated C,
linker scripts, Makefiles and ELFs; compared are their bytes. Status 1 when a file differs.
"""

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from project import ROOT, build_folder, scons

VARIANTS = (
    ("default", "float32"),
    ("cpu", "float32"),
    ("vector", "float32"),
    ("edge", "float32"),
    ("quad", "float32"),
    ("default", "int8"),
)
KEPT = (
    "*.elf",
    "reports/*.json",
    "*/plan.json",
    "*/placement.json",
    "*/graph_0*",
    "*/Makefile",
    "*/machine.h",
    "*/registers.h",
    "*/run/run.json",
)
"""Below the folder of a variant."""


def keep(folder):
    """Build every variant and copy its files to `folder`/VARIANT."""
    for machine, precision in VARIANTS:
        scons("-j2", f"MACHINE={machine}", f"PRECISION={precision}", "all-reports")
        build = build_folder(machine, precision)
        for path in sorted(path for pattern in KEPT for path in build.glob(pattern)):
            if path.name.endswith(".host.json") or "capture" in path.relative_to(build).parts[0]:
                continue
            copy = folder / f"{machine}-{precision}" / path.relative_to(build)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)
        print(f"{machine} {precision}: built", flush=True)


def files(folder):
    return {path.relative_to(folder): path for path in folder.rglob("*") if path.is_file()}


def compare(before, after):
    """The names of the files that differ or are in one of the folders only."""
    one, other = files(before), files(after)
    return sorted(
        name
        for name in one.keys() | other.keys()
        if name not in one or name not in other or one[name].read_bytes() != other[name].read_bytes()
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("keep", "compare"))
    parser.add_argument("folder", type=Path)
    options = parser.parse_args()
    if options.what == "keep":
        keep(options.folder)
        return 0
    with tempfile.TemporaryDirectory() as folder:
        keep(Path(folder))
        different = compare(options.folder, Path(folder))
        count = len(files(options.folder))
    for name in different:
        print(f"differs: {name}")
    print(f"{count - len(different)} of {count} files are unchanged; built in {ROOT}")
    return bool(different)


if __name__ == "__main__":
    sys.exit(main())
