# SPDX-License-Identifier: Apache-2.0
"""What every device promises, tried on one of the user's: registers, stalls, reset, DMA's bounds, interrupts, time.

Each check is a function of a Trial that returns, or raises Broken with what was found. `job` says in the device's
own file what registers a job takes; without one, what needs a job is left out, and that is said.
"""

from __future__ import annotations

import multiprocessing
import os
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import tomli_w

from ..errors import DeviceError
from ..machine.file import load_machine, read_table, rooted
from ..machine.machine import Device, Machine
from ..machine.own import Own, read_own
from ..machine.own_job import Job
from .bench import BUSY, DATA_READY, ERROR, INTERRUPT, RESET, START, Answer, Bench, registers_of

JOBS = 20
ACCESSES = 1000
SETTLED = 100_000
"""Cycles after which DMA that a reset has left under way has arrived."""
HANDSHAKES = {"sv": 3}
"""Cycles that a register's access takes at rest beside access_cycles, by the device's language: its bus is simulated."""
LARGEST_ERROR = 1e-4
"""Of a float32 against the sketch, as a part of the largest value there."""


class Broken(Exception):
    """A promise is not kept: what was found, and what would be right."""


@dataclass(frozen=True)
class Trial:
    """A device, and how it is put on a bench."""

    machine: Machine
    device: Device
    own: Own
    engine: str
    options: Sequence[str]
    folder: str
    """For files of the trial's own."""
    library: str = ""
    """The device's, if not the cache's."""

    @property
    def job(self) -> Job:
        assert self.own.job is not None
        return self.own.job

    def bench(self) -> Bench:
        own = ["--device", f"{self.device.name}={self.library}"] if self.library else []
        return Bench(self.machine, self.device.name, self.engine, [*self.options, *own])

    def draw(self, seed: int) -> dict[str, int]:
        """Values of a job's registers."""
        chance = random.Random(seed)
        return {
            each.register: chance.randrange(each.low, each.high + 1, each.step)
            + each.in_ram * self.machine.ram.origin
            for each in self.job.registers
        }


Check = Callable[[Trial], str | None]


def fill(bench: Bench, job: Job, seed: int) -> int:
    """Put values of the job's type where it reads, and return how many bytes of RAM are looked at."""
    size = 2 * max(each.high for each in job.registers if each.in_ram) + 0x10000
    chance = np.random.default_rng(seed)
    count = size // np.dtype(job.dtype).itemsize
    is_float = job.dtype.startswith("f")
    values = chance.standard_normal(count) * 3 if is_float else chance.integers(0, 100, count)
    bench.put(bench.ram, values.astype(job.dtype))
    return size


def trial_of(
    machine: Machine, name: str, folder: str, engine: str, options: Sequence[str], job: Job | None = None
) -> Trial:
    found = {device.name: device for device in machine.devices}
    device = found.get(name)
    if device is None or device.own is None:
        own = ", ".join(each.name for each in machine.devices if each.own) or "none"
        raise DeviceError(f"machine '{machine.name}' has no own device '{name}'; its own are: {own}")
    own_file = replace(device.own, job=job or job_of(device.own))
    return Trial(machine, device, own_file, engine, options, folder)


def job_of(own: Own) -> Job | None:
    """What the device says, else what its sketch says."""
    return own.job or (read_own(own.sketch).job if own.sketch else None)


def expect(truth: bool, text: str) -> None:
    if not truth:
        raise Broken(text)


# --- Without a job ---------------------------------------------------------------------------------


def registers_are_as_declared(trial: Trial) -> None:
    with trial.bench() as bench:
        for row in registers_of(trial.device):
            for verb, letter in (("read", "R"), ("write", "W")):
                asked = bench.read(row.name) if verb == "read" else bench.write(row.name, 0)
                wanted = letter in row.access
                said = "refused" if wanted else "answered"
                expect(asked.success == wanted, f"a {verb} of {row.name}, which is {row.access}, is {said}")
        for row in trial.own.registers:
            if row.access == "RW":
                bench.write(row.name, 0x5A5A1234)
                found = bench.read(row.name).value
                expect(found == 0x5A5A1234, f"{row.name} holds {found:#x} after 0x5a5a1234 was written")


def other_accesses_are_refused(trial: Trial) -> None:
    offsets = {row.offset for row in registers_of(trial.device)}
    with trial.bench() as bench:
        for offset in range(0, 0x100, 4):
            if offset not in offsets:
                expect(not bench.read(offset).success, f"a read at offset {offset:#x} is answered")
                expect(not bench.write(offset, 1).success, f"a write at offset {offset:#x} is answered")
        for size in (1, 2, 8):
            expect(not bench.read("STATUS", size_bytes=size).success, f"a read of {size} bytes is answered")
        expect(not bench.read(0x0A).success, "a misaligned read is answered")


def it_begins_idle_and_a_reset_makes_it_so(trial: Trial) -> None:
    with trial.bench() as bench:
        expect(bench.read("STATUS").value & BUSY == 0, "STATUS is BUSY before anything was asked for")
        for row in registers_of(trial.device):
            if "W" in row.access and row.name != "CONTROL":
                bench.write(row.name, 0x00345678)
        bench.write("CONTROL", RESET)
        for row in registers_of(trial.device):
            if "R" in row.access:
                found = bench.read(row.name).value
                expect(found == 0, f"{row.name} is {found:#x} after a reset; it is 0")


def a_thousand_random_accesses_are_answered(trial: Trial) -> None:
    expect(random_answers(trial, 1) == random_answers(trial, 1), "the same accesses are answered otherwise")


def random_answers(trial: Trial, seed: int, accesses: int = ACCESSES) -> list[Answer]:
    """Answers to accesses of all kinds, at all times, to all registers."""
    chance = random.Random(seed)
    rows, origin = registers_of(trial.device), trial.machine.ram.origin
    values = (0, 1, 2, 3, 4, 5, 16, 64, 0xFFFFFFFF, origin, origin + 0x1000, origin + 0x8000)
    answers = []
    with trial.bench() as bench:
        for _ in range(accesses):
            row, after = chance.choice(rows), chance.choice((0, 0, 1, 7, 100, 5000))
            if chance.random() < 0.5:
                answers.append(bench.read(row.name, after))
            else:
                answers.append(bench.write(row.name, chance.choice(values), after))
        statistics = bench.end()
        expect(statistics["transactions"] == accesses, f"{statistics['transactions']} accesses were counted")
    return answers


# --- With a job ------------------------------------------------------------------------------------


def a_job_ends_well_and_accesses_stall_meanwhile(trial: Trial) -> None:
    with trial.bench() as bench:
        fill(bench, trial.job, 0)
        for name, value in trial.draw(0).items():
            bench.write(name, value)
        bench.write("CONTROL", START)
        expect(
            bench.read("STATUS").value == BUSY,
            f"STATUS is {bench.read('STATUS').value} behind START, not BUSY",
        )
        result = bench.read("RESULT")
        status = bench.read("STATUS").value
        expect(result.stall_cycles > 1, "RESULT is read before the work is done")
        expect(status == DATA_READY, f"STATUS is {status} behind a job; it is {DATA_READY}, DATA_READY")
        at_rest = trial.device.parameters["access_cycles"] + HANDSHAKES.get(trial.own.language, 0)
        expect(bench.read("RESULT").stall_cycles <= at_rest, "RESULT stalls at rest")


def a_second_start_waits_for_the_first(trial: Trial) -> None:
    with trial.bench() as bench:
        fill(bench, trial.job, 0)
        one = bench.run(**trial.draw(0)).cycles
        bench.write("CONTROL", START)
        stall = bench.write("CONTROL", START).stall_cycles
        expect(stall >= one - 4, f"a START while BUSY stalls {stall} cycles; the work takes {one}")


def a_reset_in_the_middle_leaves_nothing(trial: Trial) -> None:
    with trial.bench() as bench:
        fill(bench, trial.job, 0)
        fresh = bench.run(**trial.draw(0))
    for part in (1, 2, 3):
        with trial.bench() as bench:
            fill(bench, trial.job, 0)
            for name, value in trial.draw(0).items():
                bench.write(name, value)
            bench.write("CONTROL", START)
            bench.write("CONTROL", RESET, after=fresh.cycles * part // 4)
            expect(bench.read("STATUS").value == 0, "STATUS is not 0 behind a reset")
            expect(bench.read("STATUS", after=SETTLED).value == 0, "work goes on behind a reset")
            fill(bench, trial.job, 0)
            again = bench.run(**trial.draw(0))
            expect(again == fresh, f"a job behind a reset is {again}; without it {fresh}")


def dma_outside_ram_is_refused(trial: Trial) -> None:
    ram = trial.machine.ram
    with trial.bench() as bench:
        for each in trial.job.registers:
            for address in (0, ram.origin - 4, ram.end - 2) if each.in_ram else ():
                fill(bench, trial.job, 0)
                job = bench.run(**{**trial.draw(0), each.register: address & 0xFFFFFFFF})
                expect(
                    job.status == ERROR and job.result != 0,
                    f"with {each.register} = {address:#x}, outside RAM, STATUS is {job.status} and RESULT "
                    f"{job.result}; they are {ERROR}, ERROR, and an error code",
                )
                bench.write("CONTROL", RESET)


def it_interrupts_at_the_end_when_asked(trial: Trial) -> None:
    for asked in (INTERRUPT, 0) if trial.device.parameters["interrupt"] else ():
        with trial.bench() as bench:
            fill(bench, trial.job, 0)
            for name, value in trial.draw(0).items():
                bench.write(name, value)
            early = bench.write("CONTROL", START | asked).interrupted
            late = bench.read("RESULT").interrupted
            expect(not early, "it interrupts before the work is done")
            expect(
                late == bool(asked), "it does not interrupt at the end" if asked else "it interrupts unasked"
            )


def jobs_of(trial: Trial) -> list[tuple[int, int, bytes]]:
    """RESULT, cycles and RAM of each of JOBS jobs, one behind the other."""
    done = []
    with trial.bench() as bench:
        for seed in range(JOBS):
            size = fill(bench, trial.job, seed)
            job = bench.run(**trial.draw(seed))
            done.append((job.result, job.cycles, bench.get(bench.ram, size).tobytes()))
    return done


def the_same_jobs_take_the_same_cycles(trial: Trial) -> None:
    expect(jobs_of(trial) == jobs_of(trial), "the same jobs have other results or cycles the second time")


def a_loaded_host_changes_nothing(trial: Trial) -> None:
    quiet = random_answers(trial, 2, ACCESSES // 4), trial.own.job and jobs_of(trial)
    with loaded():
        busy = random_answers(trial, 2, ACCESSES // 4), trial.own.job and jobs_of(trial)
    expect(quiet == busy, "the same accesses are answered otherwise while the host has other work")


@contextmanager
def loaded() -> Iterator[None]:
    """Two processes for each CPU that do nothing, as fast as they can."""
    others = [multiprocessing.Process(target=_burn, daemon=True) for _ in range(2 * (os.cpu_count() or 1))]
    try:
        for each in others:
            each.start()
        yield
    finally:
        for each in others:
            each.kill()
            each.join()


def _burn() -> None:
    while True:
        pass


def both_engines_agree(trial: Trial) -> None:
    other = replace(trial, engine="sst")
    expect(random_answers(trial, 3) == random_answers(other, 3), "SST answers the same accesses otherwise")
    if trial.own.job:
        expect(jobs_of(trial) == jobs_of(other), "the same jobs have other results or cycles in SST")


def values_are_those_of_the_sketch(trial: Trial) -> str:
    """Returns how its cycles compare."""
    sketch = sketch_of(trial)
    mine, its = jobs_of(trial), jobs_of(sketch)
    for seed, (one, other) in enumerate(zip(mine, its, strict=True)):
        expect(one[0] == other[0], f"job {seed}: RESULT is {one[0]}, the sketch's {other[0]}")
        a, b = (np.frombuffer(each[2], trial.job.dtype) for each in (one, other))
        error = relative_error(a, b)
        limit = LARGEST_ERROR if trial.job.dtype.startswith("f") else 0
        expect(error <= limit, f"job {seed}, {trial.draw(seed)}: values differ by {error:.3g} of the largest")
    ratios = [one[1] / other[1] for one, other in zip(mine, its, strict=True)]
    return f"{min(ratios):.3f} to {max(ratios):.3f} times the sketch's cycles"


def relative_error(a: np.ndarray, b: np.ndarray) -> float:  # type: ignore[type-arg]
    a, b = a.astype("f8"), b.astype("f8")
    if not np.array_equal(np.isfinite(a), np.isfinite(b)):
        return float("inf")
    differing = np.abs(np.nan_to_num(a) - np.nan_to_num(b)).max()
    return float(differing / max(np.abs(np.nan_to_num(b)).max(), 1e-30))


def sketch_of(trial: Trial) -> Trial:
    """The sketch in the device's place, on a machine that is the same otherwise."""
    assert trial.own.sketch is not None
    path, name = trial.machine.path, trial.device.name
    table = rooted(read_table(path), path)
    known = {row.name for row in read_own(trial.own.sketch).parameters} | {"base", "count"}
    own = {key: value for key, value in table["devices"][name].items() if key in known}
    table["devices"][name] = {**own, "model": str(trial.own.sketch)}
    place = Path(trial.folder, f"sketch-of-{path.name}")
    place.write_text(tomli_w.dumps(table))
    return trial_of(load_machine(str(place)), name, trial.folder, trial.engine, trial.options, trial.own.job)
