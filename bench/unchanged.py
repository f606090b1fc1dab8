# SPDX-License-Identifier: Apache-2.0
"""Whether a change of this project's own code changed anything that users get.

    ./run python bench/unchanged.py keep DIR       build and simulate all models, keep what came out in DIR
    ./run python bench/unchanged.py compare DIR    do it again, and say which files differ

The models run on five machines as float32 and on `default` as int8. What is kept are reports, plans,
generated C, linker scripts, Makefiles and ELFs; what is compared are their bytes. Files that differ are
counted by their names, and the first of each name is printed. The exit status is 1 when a file differs.
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
"""Patterns of the files that are kept, below the folder of a variant."""


def keep(folder):
    """Build every variant and copy its files to `folder`/MACHINE-PRECISION."""
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
    """All files below a folder, by their paths relative to it."""
    return {path.relative_to(folder): path for path in folder.rglob("*") if path.is_file()}


def compare(before, after):
    """The relative paths of the files that differ or are in one of the folders only, sorted."""
    one, other = files(before), files(after)
    return sorted(
        name
        for name in one.keys() | other.keys()
        if name not in one or name not in other or one[name].read_bytes() != other[name].read_bytes()
    )


def summary(different):
    """A line for each kind of file: how many of them differ, and the first one."""
    kinds = {}
    for path in different:
        kinds.setdefault(kind(path), []).append(path)
    for name, paths in kinds.items():
        differ = "1 file differs:" if len(paths) == 1 else f"{len(paths)} files differ, first"
        yield f"{name}: {differ} {paths[0]}"


def kind(path):
    """A file's name; `*` stands for the model's name in names that hold it, as of reports and ELFs."""
    return path.name if len(path.parts) > 2 and path.parts[1] != "reports" else f"*{path.suffix}"


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
    for line in summary(different):
        print(line)
    print(f"{count - len(different)} of {count} files are unchanged; built in {ROOT}")
    return bool(different)


if __name__ == "__main__":
    sys.exit(main())
