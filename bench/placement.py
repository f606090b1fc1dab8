# SPDX-License-Identifier: Apache-2.0
"""Tries the placement check on files with changed fields, against a judge that reads readelf's words.

    ./run python bench/placement.py [COUNT [SEED]]    5000 mutants of seed 1 unless told otherwise

Prints each mutant on which the two differ, and how many there were; exits with 1 if there was one.
"""

import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT / "site_scons"), str(ROOT / "tests")]

from check_fixtures import PROJECT, Bench  # noqa: E402
from placement_mutants import mutants  # noqa: E402
from test_check_mutants import disagreement  # noqa: E402


def main(count: int = 5000, seed: int = 1) -> int:
    differing = 0
    with tempfile.TemporaryDirectory() as folder:
        bench, mutant = Bench(Path(folder)), Path(folder) / "mutant.elf"
        elf, script = bench.elf(PROJECT), bench.script(PROJECT)
        for change, data in mutants(elf.read_bytes(), count, seed):
            mutant.write_bytes(data)
            if difference := disagreement(mutant, script):
                differing += 1
                print(f"{change}: {difference}", flush=True)
    print(f"{count} mutants of seed {seed}: the check and readelf differ on {differing}")
    return min(differing, 1)


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
