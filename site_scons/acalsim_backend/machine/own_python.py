# SPDX-License-Identifier: Apache-2.0
"""A device in Python, read and not run: its source in, the declarations in its class and what it imports out.

class SoftmaxUnit(Device):
    lanes = Parameter(16, 1, 1024, "elements a cycle")
    order = Choice("row", ("row", "column"), "what is read first")
    SCALE = Register(0x20, "RW", "factor of every element")
        job = "SOURCE = @0x1000, ROWS = 1..6, COLUMNS = 4..64 step 4: f4"
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from ..errors import DeviceError

FIELDS = {
    "Parameter": ("default", "minimum", "maximum", "description"),
    "Choice": ("default", "words", "description"),
    "Register": ("offset", "access", "description"),
}
"""What declares something, and its arguments, as acalsim_backend.device has them."""


def class_lines(source: Path, text: str) -> Iterator[tuple[int, str, str, tuple[object, ...]]]:
    """(line, kind, name, values) of each declaration in the file's device class."""
    for statement in device_class(source, text).body:
        match statement:
            case ast.Assign([ast.Name(name)], ast.Call() as call) if called(call) in FIELDS:
                yield statement.lineno, called(call), name, _values(source, called(call), call)
            case ast.Assign([ast.Name("job")], value):
                yield statement.lineno, "job", "job", (_constant(source, value),)


def device_class(source: Path, text: str) -> ast.ClassDef:
    """The one class of the file that derives from Device. Raises DeviceError where there is none, or several."""
    found = [
        node
        for node in _parsed(source, text).body
        if isinstance(node, ast.ClassDef) and any(_name(base) == "Device" for base in node.bases)
    ]
    if len(found) != 1:
        many = f"{len(found)} classes derive" if found else "no class derives"
        raise DeviceError(f"{source}: {many} from Device; a device's file has one: class NAME(Device)")
    return found[0]


def imported(source: Path) -> tuple[Path, ...]:
    """The file and the modules beside it that it imports, and those that they import."""
    found: dict[Path, None] = {}
    waiting = [source]
    while waiting:
        path = waiting.pop(0)
        if path in found:
            continue
        found[path] = None
        tree = _parsed(path, path.read_text(errors="replace"))
        names = [name for node in ast.walk(tree) for name in _modules(node)]
        places = [source.parent / name.replace(".", "/") for name in names]
        waiting += [
            file
            for place in places
            for file in (place.with_name(f"{place.name}.py"), place / "__init__.py")
            if file.is_file()
        ]
    return tuple(found)


def called(call: ast.Call) -> str:
    return _name(call.func)


def _name(node: ast.expr) -> str:
    """`Device`, also of `acalsim_backend.device.Device`."""
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def _parsed(source: Path, text: str) -> ast.Module:
    try:
        return ast.parse(text)
    except SyntaxError as error:
        raise DeviceError(f"{source}:{error.lineno}: {error.msg}") from None
    except ValueError as error:
        raise DeviceError(f"{source}: {error}") from None


def _modules(node: ast.AST) -> list[str]:
    """Names of the modules that a statement may import."""
    match node:
        case ast.Import(names):
            return [alias.name for alias in names]
        case ast.ImportFrom(module, names) if module:
            return [module, *(f"{module}.{alias.name}" for alias in names)]
        case ast.ImportFrom(_, names):
            return [alias.name for alias in names]
    return []


def _values(source: Path, kind: str, call: ast.Call) -> tuple[object, ...]:
    """The arguments in their order."""
    given = dict(zip(FIELDS[kind], call.args, strict=False))
    given |= {word.arg: word.value for word in call.keywords if word.arg}
    return tuple(_constant(source, given[name]) for name in FIELDS[kind] if name in given)


def _constant(source: Path, node: ast.expr) -> object:
    """A number, a text or a tuple of them; numbers may be computed: 1 << 20."""
    allowed = (ast.Constant, ast.Tuple, ast.BinOp, ast.UnaryOp, ast.operator, ast.unaryop, ast.expr_context)
    if not all(isinstance(part, allowed) for part in ast.walk(node)):
        raise DeviceError(
            f"{source}:{node.lineno}: {ast.unparse(node)} is no constant; what is declared is read without running it"
        )
    try:
        return eval(compile(ast.Expression(node), str(source), "eval"), {"__builtins__": {}})
    except Exception as error:
        raise DeviceError(f"{source}:{node.lineno}: {ast.unparse(node)}: {error}") from None
