# SPDX-License-Identifier: Apache-2.0
"""The workers of a Dask scheduler, on as many computers as it has. They need this project, not its files.

A worker has a cache of its own. What a worker is at work on when it dies goes to another one.
"""

from __future__ import annotations

import itertools
import logging
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from ..errors import SweepError
from ..files import write_files
from ..host.build import host_tools
from ..paths import cache_folder
from .cache import Cache
from .packages import package
from .point import CAPTURED, TILING, Job, Outcome, code_digest
from .workbench import Workbench, private_folder

CONNECT_S = 10.0
WORKERS_S = 30.0
AHEAD = 4
"""Points that are handed out for each thread of the cluster, at work or waiting."""

Files = Mapping[str, bytes]


class DaskCrew:
    def __init__(self, client: Any, as_completed: Any):
        self.client, self.as_completed = client, as_completed

    def measure(self, jobs: Sequence[Job]) -> Iterator[tuple[int, Outcome]]:
        files = {job.captured: self._shipped(job) for job in jobs}
        left = enumerate(jobs)
        places: dict[Any, int] = {}

        def hand_out(count: int) -> list[Any]:
            new = []
            for place, job in itertools.islice(left, count):
                future = self.client.submit(_measure, job, files[job.captured], pure=False)
                places[future] = place
                new.append(future)
            return new

        threads = sum(self.client.nthreads().values()) or 1
        at_work = self.as_completed(hand_out(AHEAD * threads), loop=self.client.loop)
        for done in at_work:
            yield places.pop(done), self._result(done)
            at_work.update(hand_out(1))

    def _shipped(self, job: Job) -> Any:
        """The capture's files as a task's result, so that a worker who dies with it costs nothing."""
        files = {name: path.read_bytes() for name, path in job.captured.files().items()}
        return self.client.submit(_held, files)

    def _result(self, done: Any) -> Outcome:
        try:
            outcome: Outcome = done.result()
        except SweepError:
            raise
        except Exception as error:
            raise SweepError(f"the cluster cannot measure points: {_first_line(error)}") from None
        return outcome


@contextmanager
def dask_crew(address: str) -> Iterator[DaskCrew]:
    """The workers of the scheduler at `address`. Raises SweepError where it is not there or has none."""
    distributed = package("distributed", "SCHEDULER")
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    try:
        client = distributed.Client(address, timeout=CONNECT_S, set_as_default=False)
    except (OSError, ValueError) as error:
        raise SweepError(f"no Dask scheduler at '{address}': {_first_line(error)}") from None
    with client:
        try:
            client.wait_for_workers(1, timeout=WORKERS_S)
        except TimeoutError:
            raise SweepError(
                f"the Dask scheduler at '{address}' has no workers; start one: dask worker {address}"
            ) from None
        yield DaskCrew(client, distributed.as_completed)


# --- In a worker --------------------------------------------------------------------------------


_own = threading.local()


def _bench() -> Workbench:
    """A worker may have several threads, each of which has its own."""
    if not hasattr(_own, "bench"):
        _own.folder = private_folder()
        _own.bench = Workbench(Path(_own.folder.name), Cache(cache_folder() / "sweeps"), host_tools())
    bench: Workbench = _own.bench
    return bench


_own_code = cache(code_digest)


def _held(files: Files) -> Files:
    return files


def _measure(job: Job, files: Files) -> Outcome:
    if job.code != _own_code():
        raise SweepError("a worker of the cluster has another version of the project, or of compiler or QEMU")
    folder = cache_folder() / "sweeps/captures" / job.captured.digest
    if not (folder / CAPTURED[0]).exists():  # it comes last
        write_files({name: files[name] for name in reversed(list(files))}, folder)
    tiling = str(folder / TILING) if TILING in files else None
    here = replace(job.captured, folder=str(folder), tiling=tiling)
    return _bench().outcome(replace(job, captured=here))


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]
