# SPDX-License-Identifier: Apache-2.0
"""Holds a device of the user's to what every device promises.

    python -m acalsim_backend.own.conform MACHINE DEVICE [--out FILE] [--library FILE.so] [--device-library FILE.so]

Prints a line for each check: ok, BROKEN with what was found, or left out and why.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import replace

from ..cli import Parser
from ..errors import DeviceError, run_room
from ..files import write_atomic
from ..machine.file import load_machine
from .checks import (
    Broken,
    Check,
    Trial,
    a_job_ends_well_and_accesses_stall_meanwhile,
    a_loaded_host_changes_nothing,
    a_reset_in_the_middle_leaves_nothing,
    a_second_start_waits_for_the_first,
    a_thousand_random_accesses_are_answered,
    both_engines_agree,
    dma_outside_ram_is_refused,
    it_begins_idle_and_a_reset_makes_it_so,
    it_interrupts_at_the_end_when_asked,
    other_accesses_are_refused,
    registers_are_as_declared,
    the_same_jobs_take_the_same_cycles,
    trial_of,
    values_are_those_of_the_sketch,
)

ALWAYS: tuple[Check, ...] = (
    registers_are_as_declared,
    other_accesses_are_refused,
    it_begins_idle_and_a_reset_makes_it_so,
    a_thousand_random_accesses_are_answered,
    a_loaded_host_changes_nothing,
)
WITH_JOB: tuple[Check, ...] = (
    a_job_ends_well_and_accesses_stall_meanwhile,
    a_second_start_waits_for_the_first,
    a_reset_in_the_middle_leaves_nothing,
    dma_outside_ram_is_refused,
    it_interrupts_at_the_end_when_asked,
    the_same_jobs_take_the_same_cycles,
)


def lines(trial: Trial) -> Iterator[str]:
    """A line for each check, as it is done. Raises DeviceError behind the last where promises are not kept."""
    broken = 0
    for check, missing in checks_of(trial):
        name = check.__name__.replace("_", " ")
        if missing:
            yield f"left out  {name}: {missing}"
            continue
        try:
            said = check(trial)
            yield f"ok        {name}{f': {said}' if said else ''}"
        except (Broken, DeviceError) as error:
            broken += 1
            yield f"BROKEN    {name}: {error}"
    if broken:
        raise DeviceError(f"'{trial.device.name}' does not keep {broken} of a device's promises")


def checks_of(trial: Trial) -> Iterator[tuple[Check, str]]:
    """Each check, and why it is left out, if it is."""
    no_job = "" if trial.own.job else f"{trial.own.source.name} declares no job"
    yield from ((check, "") for check in ALWAYS)
    yield from ((check, no_job) for check in WITH_JOB)
    yield values_are_those_of_the_sketch, no_job or ("" if trial.own.sketch else "there is no sketch")
    yield (
        both_engines_agree,
        "" if shutil.which("sst") and shutil.which("sst-config") else "SST is not installed",
    )


def main(arguments: list[str]) -> int:
    parser = Parser(DeviceError, prog="own.conform", description=__doc__.splitlines()[0])
    parser.add_argument("machine", help="a name in sim/machines/, or a path")
    parser.add_argument("device", help="its name in the machine file")
    parser.add_argument("--out", help="file for what is said")
    parser.add_argument("--library", help="the embedded engine's library, if not build/host's")
    parser.add_argument("--device-library", help="the device's own library, if not the cache's")
    options = parser.parse_args(arguments)
    serve = ["--library", options.library] if options.library else []
    with tempfile.TemporaryDirectory(prefix="acalsim-conform-") as folder:
        trial = trial_of(load_machine(options.machine), options.device, folder, "embedded", serve)
        trial = replace(trial, library=options.device_library or "")
        said = []
        for line in lines(trial):
            print(line, flush=True)
            said.append(line)
    if options.out:
        write_atomic(options.out, "\n".join(said) + "\n")
    return 0


if __name__ == "__main__":
    run_room(main)
