# SPDX-License-Identifier: Apache-2.0
"""Random command lists on the device's model, with address and undefined-behaviour sanitizers.

    ./run python bench/fuzz_commands.py [--seed 1] [--rounds 1000]

A round is a machine and 32 lists: legal ones, and such with fields spoilt. The same seed makes the same lists.
The program is built once in the user's cache, about a minute of one core; see bench/fuzz_commands.cc.
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "site_scons"))

from acalsim_backend.errors import AcalsimError  # noqa: E402
from acalsim_backend.host import engine  # noqa: E402
from acalsim_backend.paths import cache_folder  # noqa: E402

SANITIZERS = "-fsanitize=address,undefined,float-cast-overflow"
OPTIONS = {
    "ASAN_OPTIONS": "abort_on_error=1:detect_leaks=1",
    "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=1, help="of the first round; the next has the next one")
    parser.add_argument("--rounds", type=int, default=1000)
    options = parser.parse_args()
    program = engine.build_program(
        cache_folder() / "fuzz",
        ROOT / "bench/fuzz_commands.cc",
        ("-O1", "-g1", SANITIZERS, "-fno-sanitize-recover=all"),
    )
    done = subprocess.run([program, str(options.seed), str(options.rounds)], env={**os.environ, **OPTIONS})
    return done.returncode != 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except AcalsimError as error:
        sys.exit(f"fuzz_commands: {error}")
