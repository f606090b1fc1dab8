# SPDX-License-Identifier: Apache-2.0
"""A device in Python, read and not run: its source in, the declarations in its class out.

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
from .imports import parsed

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
        for node in parsed(source, text, DeviceError).body
        if isinstance(node, ast.ClassDef) and any(_name(base) == "Device" for base in node.bases)
    ]
    if len(found) != 1:
        many = f"{len(found)} classes derive" if found else "no class derives"
        raise DeviceError(f"{source}: {many} from Device; a device's file has one: class NAME(Device)")
    return found[0]


def called(call: ast.Call) -> str:
    return _name(call.func)


def _name(node: ast.expr) -> str:
    """`Device`, also of `acalsim_backend.device.Device`."""
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


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
