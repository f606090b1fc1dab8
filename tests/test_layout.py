# SPDX-License-Identifier: Apache-2.0
"""The package's structure: imports point downwards, nothing goes in a circle, nothing hides in a function."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from conftest import ROOT

pytestmark = pytest.mark.quick

PACKAGE = ROOT / "site_scons/acalsim_backend"
FLOORS = (
    ("errors", "device"),
    ("files", "paths", "alignment", "cli", "processes", "toml"),
    ("doors", "watch", "arena", "mapped", "halves"),
    ("ir",),
    ("machine",),
    ("cost",),
    ("rules",),
    ("host",),
    ("capture",),
    ("offload",),
    ("schedule",),
    ("check",),
    ("codegen",),
    ("simulate",),
    ("report",),
    ("pipeline", "serve", "timing", "frames", "compare", "baseline", "doctor", "own"),
    ("sweep",),
    ("backend", "compiler"),
    ("__init__",),
)
"""Files and folders of the package, the ground first; a file imports from lower floors and its own room."""

HEAVY = ("torch",)
"""Packages that only the functions that need them import, because importing them takes seconds."""


@dataclass(frozen=True)
class Import:
    """`name` is relative to the package where it is ours (`ir.graph`), else the foreign module's own."""

    file: str
    line: int
    name: str
    is_ours: bool
    is_in_function: bool


def files():
    return sorted(path for path in PACKAGE.rglob("*.py") if "__pycache__" not in path.parts)


def module_of(path) -> str:
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts)


def room_of(module: str) -> str:
    return module.partition(".")[0]


def imports_of(path) -> Iterator[Import]:
    """All imports of a file, those for type checkers only included."""
    tree = ast.parse(path.read_text())
    inside = {
        id(node)
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for node in ast.walk(function)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            for name, is_ours in names_of(module_of(path), node):
                yield Import(module_of(path), node.lineno, name, is_ours, id(node) in inside)


def names_of(module: str, node) -> Iterator[tuple[str, bool]]:
    if isinstance(node, ast.Import):
        yield from ((alias.name, False) for alias in node.names)
        return
    if not node.level:
        yield node.module, False
        return
    base = module.split(".")[: -node.level]
    base += node.module.split(".") if node.module else []
    for alias in node.names:
        own = PACKAGE.joinpath(*base, alias.name)
        is_module = own.is_dir() or own.with_suffix(".py").exists()
        yield ".".join([*base, alias.name] if is_module else base), True


IMPORTS = [each for path in files() for each in imports_of(path)]


def floor_of(module: str) -> int:
    return next(floor for floor, rooms in enumerate(FLOORS) if room_of(module) in rooms)


def test_every_file_has_its_floor():
    assert {room_of(module_of(path)) for path in files()} == {room for rooms in FLOORS for room in rooms}


def test_imports_point_downwards():
    upward = [
        f"{each.file}:{each.line} imports {each.name}"
        for each in IMPORTS
        if each.is_ours
        and room_of(each.name) != room_of(each.file)
        and floor_of(each.name) >= floor_of(each.file)
    ]
    assert not upward, "\n".join(upward)


def test_no_file_imports_itself_by_way_of_others():
    graph = {module_of(path): set() for path in files()}
    for each in IMPORTS:
        if each.is_ours:
            graph[each.file].add(each.name if each.name in graph else f"{each.name}.__init__")
    done, way = set(), []

    def visit(module: str) -> None:
        assert module not in way, " -> ".join([*way[way.index(module) :], module])
        if module in done:
            return
        way.append(module)
        for name in sorted(graph.get(module, ())):
            visit(name)
        way.pop()
        done.add(module)

    for module in graph:
        visit(module)


def test_only_heavy_packages_are_imported_inside_functions():
    hidden = [
        f"{each.file}:{each.line} imports {each.name}"
        for each in IMPORTS
        if each.is_in_function and (each.is_ours or room_of(each.name) not in HEAVY)
    ]
    assert not hidden, "\n".join(hidden)


def test_heavy_packages_are_imported_inside_functions_of_capture_and_its_door():
    found = [
        f"{each.file}:{each.line}"
        for each in IMPORTS
        if not each.is_ours
        and room_of(each.name) in HEAVY
        and room_of(each.file) not in ("capture", "backend")
    ]
    assert not found


@pytest.mark.parametrize("folder", ["site_scons", "tests", "bench", "models", "examples", "sim"])
def test_no_file_is_longer_than_400_lines(folder):
    """What is longer is several things, and becomes a folder."""
    long = [
        f"{path.relative_to(ROOT)}: {count}"
        for path in sorted((ROOT / folder).rglob("*"))
        if path.suffix in (".py", ".c", ".cc", ".h", ".hh") and "__pycache__" not in path.parts
        if (count := path.read_text().count("\n")) > 400
    ]
    assert not long, "\n".join(long)
