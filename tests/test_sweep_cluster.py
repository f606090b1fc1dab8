# SPDX-License-Identifier: Apache-2.0
"""Points on a Dask cluster: a worker that is killed costs nothing, and results are those of one process."""

import os
import signal

import distributed
import pytest
from acalsim_backend.errors import SweepError
from acalsim_backend.sweep.cluster import dask_crew
from acalsim_backend.sweep.point import code_digest

GRID = [
    {"devices.compute.rows": rows, "ram.latency_cycles": latency}
    for rows in (4, 8, 16)
    for latency in (10, 40, 90)
]


@pytest.fixture(scope="module")
def cluster(users_cache):
    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None, "silence_logs": 50}
    with distributed.LocalCluster(**options) as cluster:
        yield cluster


def bare(outcome):
    """What does not say who measured it."""
    return {name: value for name, value in vars(outcome).items() if name != "replayed"}


def test_a_killed_worker_loses_nothing_and_changes_nothing(points_of, cluster):
    points = points_of("mlp", code=code_digest())
    jobs = [points.job(keys) for keys in GRID]
    found = {}
    with dask_crew(cluster.scheduler_address) as crew:
        for place, outcome in crew.measure(jobs):
            if not found:
                worker = next(iter(cluster.workers.values()))
                os.kill(worker.pid, signal.SIGKILL)
            assert place not in found
            found[place] = outcome
    bench = points.bench("alone")
    assert [bare(found[place]) for place in range(len(jobs))] == [bare(bench.outcome(job)) for job in jobs]


def test_a_worker_with_other_code_is_refused(points_of, cluster):
    other = pytest.raises(SweepError, match="another version of the project")
    with dask_crew(cluster.scheduler_address) as crew, other:
        list(crew.measure([points_of("mlp").job({})]))
