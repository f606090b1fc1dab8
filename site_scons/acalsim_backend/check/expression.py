# SPDX-License-Identifier: Apache-2.0
"""Expressions of a linker script: trees in, unsigned 64-bit numbers out, as GNU ld computes them."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from ..errors import CheckError

WORD_MASK = (1 << 64) - 1


@dataclass(frozen=True)
class Expr:
    """A node of an expression. `where` is its file, line and column.

    `operation` is an operator, 'call', 'number', 'symbol' or 'string'. Operators and calls have `operands`.
    `text` is a number as written, a symbol's name, what a string says, or the called function's name.
    """

    operation: str
    where: str
    operands: tuple[Expr, ...] = ()
    text: str = ""


@dataclass(frozen=True)
class Scope:
    """What names stand for.

    A name is looked up in `assigned`, the script's assignments, then in `symbols`, the ELF's, then in
    `provided`, the script's PROVIDEs. `regions` has (origin, length) of each region.
    """

    assigned: Mapping[str, Expr] = field(default_factory=dict)
    provided: Mapping[str, Expr] = field(default_factory=dict)
    regions: Mapping[str, tuple[Expr, Expr]] = field(default_factory=dict)
    symbols: Mapping[str, int] = field(default_factory=dict)
    _found: dict[int, int] = field(default_factory=dict)
    """Values of what names stand for, by the expression's id: each is computed once, however often it is named."""

    def value_of(self, name: str, where: str) -> int:
        """The value of a name. Raises CheckError, with `where`, if it has none."""
        if name in self.assigned:
            return self.once(self.assigned[name])
        if name in self.symbols:
            return self.symbols[name]
        if name in self.provided:
            return self.once(self.provided[name])
        raise CheckError(f"{where}: symbol '{name}' has a value neither in the script nor in the ELF")

    def once(self, expr: Expr) -> int:
        """The value of an expression of the script's that has a name."""
        if id(expr) not in self._found:
            self._found[id(expr)] = evaluate(expr, self)
        return self._found[id(expr)]

    def defines(self, name: str) -> bool:
        """What DEFINED(name) says."""
        return name in self.assigned or name in self.symbols


def evaluate(expr: Expr, scope: Scope) -> int:
    """The value of `expr`. Raises CheckError naming file, line and column of what has no value."""
    match expr.operation:
        case "number":
            return _literal(expr)
        case "symbol":
            return scope.value_of(expr.text, expr.where)
        case "?":
            condition, yes, no = expr.operands
            return evaluate(yes if evaluate(condition, scope) else no, scope)
        case "call":
            return _call(expr.text, expr.operands, expr.where, scope)
        case "string":
            raise CheckError(f"{expr.where}: expected a number, found a string")
    values = [evaluate(operand, scope) for operand in expr.operands]
    function: Callable[..., int] = BINARY[expr.operation][1] if len(values) == 2 else UNARY[expr.operation]
    try:
        return int(function(*values)) & WORD_MASK
    except ZeroDivisionError:
        raise CheckError(f"{expr.where}: division by zero") from None


def _literal(expr: Expr) -> int:
    try:
        return number(expr.text)
    except ValueError:  # Python reads no more than some thousand digits
        raise CheckError(f"{expr.where}: a number of {len(expr.text)} digits") from None


def number(text: str) -> int:
    """The value of a literal: 0x10, $10, 10h, 020 (octal), 64K, 1M."""
    text = text.lower()
    if text[-1] in "km":
        return number(text[:-1]) << {"k": 10, "m": 20}[text[-1]] & WORD_MASK
    if text.startswith(("0x", "$")):
        return int(text.removeprefix("0x").removeprefix("$"), 16) & WORD_MASK
    if text[-1] in _LETTER_BASES:
        return int(text[:-1], _LETTER_BASES[text[-1]]) & WORD_MASK
    return int(text, 8 if text.startswith("0") else 10) & WORD_MASK


def _call(name: str, arguments: Sequence[Expr], where: str, scope: Scope) -> int:
    if name in ("ORIGIN", "LENGTH"):
        region = _only_name(name, arguments, where)
        if region not in scope.regions:
            raise CheckError(f"{where}: {name} of region '{region}', which the script does not declare")
        return scope.once(scope.regions[region][name == "LENGTH"])
    if name == "DEFINED":
        return int(scope.defines(_only_name(name, arguments, where)))
    if name not in _FUNCTIONS:
        raise CheckError(f"{where}: {name}() has no value before sections are placed")
    count, function = _FUNCTIONS[name]
    if len(arguments) != count:
        raise CheckError(f"{where}: {name}() takes {count} arguments here, found {len(arguments)}")
    return function(*(evaluate(argument, scope) for argument in arguments)) & WORD_MASK


def _only_name(function: str, arguments: Sequence[Expr], where: str) -> str:
    if len(arguments) == 1 and arguments[0].operation in ("symbol", "string"):
        return arguments[0].text
    raise CheckError(f"{where}: {function}() takes one name")


_LETTER_BASES = {"h": 16, "x": 16, "d": 10, "o": 8, "b": 2}

_FUNCTIONS: Mapping[str, tuple[int, Callable[..., int]]] = {
    "ABSOLUTE": (1, lambda value: value),
    "ALIGN": (2, lambda value, alignment: -(-value // max(alignment, 1)) * max(alignment, 1)),
    "LOG2CEIL": (1, lambda value: max(value - 1, 0).bit_length()),
    "MAX": (2, max),
    "MIN": (2, min),
}

UNARY: Mapping[str, Callable[[int], int]] = {
    "-": operator.neg,
    "+": operator.pos,
    "~": operator.invert,
    "!": operator.not_,
}

BINARY: Mapping[str, tuple[int, Callable[[int, int], int]]] = {
    "||": (1, lambda a, b: bool(a or b)),
    "&&": (2, lambda a, b: bool(a and b)),
    "|": (3, operator.or_),
    "^": (4, operator.xor),
    "&": (5, operator.and_),
    "==": (6, operator.eq),
    "!=": (6, operator.ne),
    "<": (7, operator.lt),
    ">": (7, operator.gt),
    "<=": (7, operator.le),
    ">=": (7, operator.ge),
    "<<": (8, lambda a, b: a << b if b < 64 else 0),
    ">>": (8, operator.rshift),
    "+": (9, operator.add),
    "-": (9, operator.sub),
    "*": (10, operator.mul),
    "/": (10, operator.floordiv),
    "%": (10, operator.mod),
}
"""(precedence, function) of each operator; a higher precedence binds more tightly."""
