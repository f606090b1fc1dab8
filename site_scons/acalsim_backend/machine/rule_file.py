# SPDX-License-Identifier: Apache-2.0
"""A file of the user's rules as the machine file names it: where it lies, and a digest of all that it is made of.

Nothing of it is run here. What it imports beside itself belongs to it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import RuleError
from .imports import imported


@dataclass(frozen=True)
class RuleFile:
    """The rules that give ops to `device`. `said` is the file's path as the machine file has it."""

    device: str
    said: str
    digest: str
    files: tuple[Path, ...] = field(repr=False)
    """The file, and the modules beside it that it imports, and those that they import."""

    @property
    def path(self) -> Path:
        return self.files[0]


def read_rule_file(device: str, said: str, path: Path) -> RuleFile:
    """Raises RuleError naming file and line where one of its files is no Python, or imports torch."""
    files = imported(path, RuleError, _no_torch)
    digest = hashlib.sha256()
    for each in files:
        digest.update(f"{each.relative_to(path.parent)}\0".encode() + each.read_bytes() + b"\0")
    return RuleFile(device, said, digest.hexdigest()[:32], files)


def _no_torch(file: Path, line: int, name: str) -> None:
    if name.partition(".")[0] == "torch":
        raise RuleError(f"{file}:{line}: a rule imports no torch; it sees the compiler's ops alone")
