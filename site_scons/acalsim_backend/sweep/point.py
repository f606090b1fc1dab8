# SPDX-License-Identifier: Apache-2.0
"""What a worker is told of a point, and what it answers."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from ..errors import AcalsimError, MachineError, PlanError
from ..host import qemu
from ..host.toolchain import CLANG, compiler_version
from ..machine.machine import Machine
from ..paths import KERNELS, PYTHONPATH, SIM

CAPTURED = ("capture.json", "graph_0.ir", "graph_0_weights.bin", "inputs.bin", "outputs.bin")
TILING = "tiling.toml"
UNRELATED = ("capture", "sweep", "watch")
"""Rooms of the package whose code has no say in what a captured model's simulation gives."""


@dataclass(frozen=True)
class Captured:
    """A captured model: where it lies, the file of tilings that the user chose, a digest of all of it."""

    model: str
    folder: str
    digest: str
    tiling: str | None = None

    def files(self) -> dict[str, Path]:
        """All that it is, by name."""
        found = {name: Path(self.folder) / name for name in CAPTURED}
        return found | ({TILING: Path(self.tiling)} if self.tiling else {})


@dataclass(frozen=True)
class Job:
    """A model on a machine, which is a table of keys as a file at `machine` has them. `code` is that of the one
    who asks: one who has other code would give other answers."""

    captured: Captured
    machine: str
    table: Mapping[str, Any]
    code: str
    timeout_s: float


@dataclass(frozen=True)
class Measured:
    """What came out of a point; `replayed`: of the recorded run of another one, and the same as its own."""

    total_cycles: int
    bound_cycles: int
    limiter: str | None
    passed: bool
    max_rel_error: float | None
    sram_bytes: int
    macs_per_cycle: int
    ledger: Mapping[str, int]
    replayed: bool
    energy_pj: float | None = None


@dataclass(frozen=True)
class Failed:
    """Why a point has no result. An illegal machine is the point's own fault, and no failure of the sweep."""

    message: str
    is_illegal: bool

    @classmethod
    def of(cls, error: AcalsimError) -> Failed:
        return cls(f"{error.room}: {error}", isinstance(error, MachineError | PlanError))


Outcome = Measured | Failed


def captured(model: str, folder: Path, tiling: Path | None = None) -> Captured:
    found = Captured(model, str(folder.resolve()), "", str(tiling.resolve()) if tiling else None)
    return replace(found, digest=digest_of(found.files().values(), *found.files()))


def code_digest() -> str:
    """A digest of all code and tools that have a say in a point's result."""
    package = PYTHONPATH / "acalsim_backend"
    own = [
        path for path in sorted(package.rglob("*.py")) if path.relative_to(package).parts[0] not in UNRELATED
    ]
    other = sorted(
        path for folder in (KERNELS, SIM) for path in folder.rglob("*.*") if path.suffix in SOURCES
    )
    versions = [compiler_version(), qemu.installed_version()]
    versions += [compiler_version("rv64gcv")] if shutil.which(CLANG) else []
    return digest_of([*own, *other], *versions)


SOURCES = (".c", ".cc", ".h", ".hh", ".S")


def point_key(job: Job, machine: Machine) -> str:
    """Equal for points that give the same: a machine's name and words are not in it."""
    said = [
        (each.name, getattr(machine, each.name))
        for each in fields(machine)
        if each.name not in ("name", "path", "description")
    ]
    return digest_of([], job.captured.digest, job.code, repr(said))


def digest_of(paths: Iterable[Path], *texts: str) -> str:
    """32 hexadecimal digits of files and texts."""
    digest = hashlib.sha256()
    for path in paths:
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    for text in texts:
        digest.update(hashlib.sha256(text.encode()).digest())
    return digest.hexdigest()[:32]
