# SPDX-License-Identifier: Apache-2.0
"""Points in, their outcomes in the same order out: from the cache, else from a crew that is called for the rest."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ..errors import AcalsimError
from ..machine.file import machine_of
from .cache import Cache
from .crew import Crew
from .point import Failed, Job, Measured, Outcome, point_key

Called = Callable[[], AbstractContextManager[Crew]]


@dataclass
class Runner:
    """Runs batches of points. `crew` is called when a batch has points that the cache has not."""

    cache: Cache
    crew: Called
    subject: str
    tally: dict[str, int] = field(default_factory=lambda: {"kept": 0, "simulated": 0, "replayed": 0})

    def outcomes(self, jobs: Sequence[Job]) -> list[Outcome]:
        known = {place: outcome for place, job in enumerate(jobs) if (outcome := self.known(job))}
        self.tally["kept"] += sum(isinstance(each, Measured) for each in known.values())
        left = [place for place in range(len(jobs)) if place not in known]
        if left:
            with self.crew() as crew, progress(self.subject, len(jobs), len(known)) as advance:
                for index, outcome in crew.measure([jobs[place] for place in left]):
                    place = left[index]
                    known[place] = outcome
                    self.keep(jobs[place], outcome)
                    advance()
        return [known[place] for place in range(len(jobs))]

    def known(self, job: Job) -> Outcome | None:
        """What can be said of a point without measuring it."""
        try:
            return self.cache.point(point_key(job, machine_of(job.table, Path(job.machine))))
        except AcalsimError as error:
            return Failed.of(error)

    def keep(self, job: Job, outcome: Outcome) -> None:
        if isinstance(outcome, Measured):
            self.tally["replayed" if outcome.replayed else "simulated"] += 1
            self.cache.keep_point(point_key(job, machine_of(job.table, Path(job.machine))), outcome)


@contextmanager
def progress(subject: str, total: int, done: int) -> Iterator[Callable[[], None]]:
    """A bar with an estimate of the end, on a terminal only."""
    console = Console(stderr=True)
    bar = Progress(
        TextColumn(f"sweep     {subject}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    with bar:
        task = bar.add_task("", total=total, completed=done)
        yield lambda: bar.advance(task)
