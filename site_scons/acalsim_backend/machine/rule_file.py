# SPDX-License-Identifier: Apache-2.0
"""A file of the user's rules as the machine file names it: where it lies, and a digest of all that it is made of.

Nothing of it is run here. What it imports beside itself belongs to it.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import RuleError


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
    files = tuple(_imported(path))
    digest = hashlib.sha256()
    for each in files:
        digest.update(f"{each.relative_to(path.parent)}\0".encode() + each.read_bytes() + b"\0")
    return RuleFile(device, said, digest.hexdigest()[:32], files)


def _imported(path: Path) -> Iterable[Path]:
    found: dict[Path, None] = {}
    waiting = [path]
    while waiting:
        file = waiting.pop(0)
        if file not in found:
            found[file] = None
            waiting += _beside(path.parent, file)
    return found


def _beside(folder: Path, file: Path) -> Iterator[Path]:
    """The modules in `folder` that a file of it imports."""
    for node in ast.walk(_parsed(file)):
        for name in _modules(node, file.relative_to(folder).parts[:-1]):
            if name.partition(".")[0] == "torch":
                line = getattr(node, "lineno", 1)
                raise RuleError(f"{file}:{line}: a rule imports no torch; it sees the compiler's ops alone")
            place = folder.joinpath(*name.split("."))
            packages = [folder.joinpath(*name.split(".")[:depth]) for depth in range(1, name.count(".") + 2)]
            candidates = [place.with_name(f"{place.name}.py"), *(each / "__init__.py" for each in packages)]
            yield from (each for each in candidates if each.is_file())


def _modules(node: ast.AST, package: tuple[str, ...]) -> list[str]:
    """Names of the modules that a statement of a file in `package` may import, from the folder on."""
    match node:
        case ast.Import(names):
            return [alias.name for alias in names]
        case ast.ImportFrom(module, names, level):
            above = package[: len(package) - level + 1] if level else ()
            base = ".".join([*above, *([module] if module else [])])
            return [*filter(None, [base]), *(f"{base}.{alias.name}".lstrip(".") for alias in names)]
    return []


def _parsed(file: Path) -> ast.Module:
    try:
        return ast.parse(file.read_bytes(), str(file))
    except SyntaxError as error:
        raise RuleError(f"{file}:{error.lineno or 1}: {error.msg}") from None
    except ValueError as error:
        raise RuleError(f"{file}: {error}") from None
    except OSError as error:
        raise RuleError(f"{file}: cannot be read: {error.strerror}") from None
