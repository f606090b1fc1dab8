# SPDX-License-Identifier: Apache-2.0
"""Points of sweeps, measured in this process on the small models that the shared tree has captured."""

from pathlib import Path

import pytest
from acalsim_backend.host.tools import Tools
from acalsim_backend.machine.file import find_machine, machine_of, read_table
from acalsim_backend.machine.keys import with_keys
from acalsim_backend.sweep.cache import Cache
from acalsim_backend.sweep.point import Job, captured
from acalsim_backend.sweep.workbench import Workbench

TIMEOUT_S = 300


class Points:
    """Jobs of one model, and the workbenches that take them."""

    def __init__(self, tree: Path, folder: Path, model: str, code: str = "this code", captures=None):
        self.captured = captured(model, captures or tree / "build/capture" / model)
        (library,) = (tree / "build/host").glob("_embedded*.so")
        self.tools, self.folder, self.code = Tools(tree / "build/host/sst_device.so", library), folder, code

    def job(self, keys, machine="default"):
        path = find_machine(machine)
        return Job(self.captured, str(path), with_keys(read_table(path), keys), self.code, TIMEOUT_S)

    def bench(self, name):
        """A workbench with nothing in its cache, unless one of that name has worked before."""
        return Workbench(self.folder / name / "work", Cache(self.folder / name / "cache"), self.tools)

    def report(self, bench, keys, machine="default"):
        """(report, whether it is a replay's)."""
        return bench.report(self.job(keys, machine), self.machine(keys, machine))

    def machine(self, keys, machine="default"):
        job = self.job(keys, machine)
        return machine_of(job.table, Path(job.machine))


@pytest.fixture(scope="session")
def points_of(host_tree, tmp_path_factory):
    """points_of(model)."""
    return lambda model, **options: Points(
        host_tree.folder, tmp_path_factory.mktemp("points"), model, **options
    )
