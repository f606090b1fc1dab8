# SPDX-License-Identifier: Apache-2.0
"""Who measures points: worker processes of this computer, or those of a Dask scheduler (cluster.py)."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn, Protocol

from ..errors import SweepError
from ..host.tools import Tools
from ..processes import die_with_parent
from .cache import Cache
from .point import Job, Outcome
from .workbench import Workbench, private_folder

GRACE_S = 10.0
"""How long workers have to clean up when the sweep is interrupted."""


class Crew(Protocol):
    def measure(self, jobs: Sequence[Job]) -> Iterator[tuple[int, Outcome]]:
        """(place in `jobs`, outcome), in the order in which they are done."""
        ...


class LocalCrew:
    """Processes of this computer. They share a cache, which has a point as soon as it is done."""

    def __init__(self, pool: ProcessPoolExecutor):
        self.pool = pool

    def measure(self, jobs: Sequence[Job]) -> Iterator[tuple[int, Outcome]]:
        places: dict[Future[Outcome], int] = {
            self.pool.submit(_measure, job): place for place, job in enumerate(jobs)
        }
        try:
            for done in as_completed(places):
                yield places[done], done.result()
        except BrokenProcessPool:
            raise SweepError(
                "a worker was killed; the points that are done are kept, and the same command goes on with the rest"
            ) from None


@contextmanager
def local_crew(workers: int, cache: Path, tools: Tools) -> Iterator[LocalCrew]:
    """So many workers, who are gone afterwards, whatever happens.

    They are forked, so that they have everything imported.
    """
    context = multiprocessing.get_context("fork")
    with private_folder() as folder:
        pool = ProcessPoolExecutor(workers, context, _start, (Path(folder), cache, tools))
        try:
            yield LocalCrew(pool)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for child in multiprocessing.active_children():
                child.terminate()
            for child in multiprocessing.active_children():
                child.join(GRACE_S)
            raise
        pool.shutdown()


_bench: list[Workbench] = []
"""A worker's own."""


def _start(folder: Path, cache: Path, tools: Tools) -> None:
    die_with_parent()
    signal.signal(
        signal.SIGINT, signal.SIG_IGN
    )  # a terminal's Ctrl-C is for the parent, who ends its workers
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _bench.append(Workbench(folder / str(os.getpid()), Cache(cache), tools))


def _measure(job: Job) -> Outcome:
    """In a worker. Ended in the middle of a simulation, it first cleans up behind that."""
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        return _bench[0].outcome(job)
    except KeyboardInterrupt:
        os._exit(130)
    finally:
        signal.signal(signal.SIGTERM, before)


def _interrupt(*_: object) -> NoReturn:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise KeyboardInterrupt
