# SPDX-License-Identifier: Apache-2.0
"""Which Python files a file of the user's is made of: itself, the modules beside it that it imports, and those that
they import. Nothing is run."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from pathlib import Path

from ..errors import AcalsimError

Check = Callable[[Path, int, str], None]
"""Is shown the file, the line and the name of every module that is imported, and may refuse it."""


def imported(path: Path, error: type[AcalsimError], check: Check = lambda *_: None) -> tuple[Path, ...]:
    """The file first. Raises `error` naming file and line where one of them is no Python."""
    found: dict[Path, None] = {}
    waiting = [path]
    while waiting:
        file = waiting.pop(0)
        if file not in found:
            found[file] = None
            waiting += _beside(path.parent, file, error, check)
    return tuple(found)


def parsed(file: Path, text: str | bytes, error: type[AcalsimError]) -> ast.Module:
    """Raises `error` naming file and line."""
    try:
        return ast.parse(text, str(file))
    except SyntaxError as wrong:
        raise error(f"{file}:{wrong.lineno or 1}: {wrong.msg}") from None
    except ValueError as wrong:
        raise error(f"{file}: {wrong}") from None


def _beside(folder: Path, file: Path, error: type[AcalsimError], check: Check) -> Iterator[Path]:
    """The modules in `folder` that a file of it imports."""
    try:
        text = file.read_bytes()
    except OSError as wrong:
        raise error(f"{file}: cannot be read: {wrong.strerror}") from None
    for node in ast.walk(parsed(file, text, error)):
        for name in _modules(node, file.relative_to(folder).parts[:-1]):
            check(file, getattr(node, "lineno", 1), name)
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
