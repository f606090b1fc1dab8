# SPDX-License-Identifier: Apache-2.0
"""Reads a linker script's text: the kind of token that may come next in, the token out.

The kind must be asked for because GNU ld's lexer has modes: `a-b` is a difference in an expression, but a
file name in a pattern.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from pathlib import Path

from ..errors import CheckError
from .elf import regular_file
from .expression import BINARY, Expr

MAX_SCRIPT_BYTES = 1 << 22

_BLANKS = re.compile(r"(?:\s+|/\*.*?\*/|#[^\n]*)*", re.DOTALL)
_FOUND = re.compile(r"[\w.$-]+|\S")

NAME = re.compile(r'/DISCARD/|"[^"\n]*"|[A-Za-z_.$~\\](?:[\w.$~\\]|-(?!=))*')
"""The name of a section, a region, a segment, or a symbol that is assigned."""
WORD = re.compile(r'"[^"\n]*"|(?!/\*)(?:[\w.$~\\/*?\[\]!&|^+-]|:(?=[\w.*?/]))+')
"""A file or section pattern, a file name, an option."""
STRING = re.compile(r'"[^"\n]*"')
_SYMBOL = re.compile(r"[A-Za-z_.$\\][\w.$\\]*")
_FUNCTION = re.compile(r"[A-Za-z_]\w*(?=\s*\()")
_NUMBER = re.compile(
    r"0[xX][0-9A-Fa-f]+[KMkm]?|\$[0-9A-Fa-f]+[KMkm]?|[0-9][0-9A-Fa-f]*[HhXx]|[01]+[Bb]|[0-7]+[Oo]|[0-9]+[DdKMkm]?"
)
_UNARY = re.compile(r"[-+~!]")
_BINARY = re.compile(r"\|\||&&|<<(?!=)|>>(?!=)|[<>!=]=|/(?!DISCARD/)|[-+*%<>&|^]")


class ScriptReader:
    """A position in a script's text. After each token, blanks and comments are skipped."""

    def __init__(self, path: Path, included_by: tuple[Path, ...] = ()):
        self.path = path
        self.files = (*included_by, path)
        with regular_file(path, "linker script") as stream:
            data = stream.read(MAX_SCRIPT_BYTES + 1)
        if len(data) > MAX_SCRIPT_BYTES:
            raise CheckError(f"{path}: more than 0x{MAX_SCRIPT_BYTES:x} bytes are no linker script")
        self._text = data.decode(errors="replace")
        self._line_starts = [0, *(match.end() for match in re.finditer("\n", self._text))]
        self._position = self._after_blanks(0)

    def _after_blanks(self, position: int) -> int:
        blanks = _BLANKS.match(self._text, position)
        return blanks.end() if blanks else position

    @property
    def where(self) -> str:
        """The file, line and column of the next token."""
        line = bisect_right(self._line_starts, self._position)
        column = self._position - self._line_starts[line - 1] + 1
        return f"{self.path}, line {line}, column {column}"

    @property
    def at_end(self) -> bool:
        return self._position == len(self._text)

    def error(self, expected: str) -> CheckError:
        """The error that says what was expected and what comes instead."""
        match = _FOUND.match(self._text, self._position)
        found = ascii(match[0][:40]) if match else "the end of the file"
        return CheckError(f"{self.where}: expected {expected}, found {found}")

    def take(self, pattern: re.Pattern[str] | str) -> str | None:
        """Read the next token, without its quotes, if it is of that kind; else return None."""
        if isinstance(pattern, str):
            matched = pattern if self._text.startswith(pattern, self._position) else None
        else:
            match = pattern.match(self._text, self._position)
            matched = match[0] if match else None
        if matched is None:
            return None
        self._position = self._after_blanks(self._position + len(matched))
        return matched.strip('"')

    def need(self, pattern: re.Pattern[str] | str, expected: str = "") -> str:
        """Read the next token. Raises CheckError, naming what was `expected`, if it is of another kind."""
        token = self.take(pattern)
        if token is None:
            raise self.error(expected or f"'{pattern}'")
        return token

    def expression(self, loosest: int = 0) -> Expr:
        """Read an expression whose operators have at least the precedence `loosest`; 0 includes `?:`."""
        left = self._operand()
        while operation := self._operator(max(loosest, 1)):
            where = self.where
            left = Expr(operation, where, (left, self.expression(BINARY[operation][0] + 1)))
        if loosest == 0 and self.take("?"):
            yes = self.expression()
            self.need(":")
            return Expr("?", left.where, (left, yes, self.expression()))
        return left

    def _operator(self, loosest: int) -> str | None:
        match = _BINARY.match(self._text, self._position)
        if not match or BINARY[match[0]][0] < loosest:
            return None
        return self.take(match[0])

    def _operand(self) -> Expr:
        where = self.where
        if operation := self.take(_UNARY):
            return Expr(operation, where, (self._operand(),))
        if self.take("("):
            inner = self.expression()
            self.need(")")
            return inner
        if (text := self.take(_NUMBER)) is not None:
            return Expr("number", where, text=text)
        if (text := self.take(STRING)) is not None:
            return Expr("string", where, text=text)
        if name := self.take(_FUNCTION):
            return Expr("call", where, tuple(self._arguments()), name)
        return Expr("symbol", where, text=self.need(_SYMBOL, "an expression"))

    def _arguments(self) -> list[Expr]:
        self.need("(")
        arguments = []
        while not self.take(")"):
            arguments.append(self.expression())
            if not self.take(","):
                self.need(")")
                break
        return arguments

    def skip_words(self) -> None:
        """Skip `( ... )` if it comes next, with the patterns, names and parentheses inside."""
        if not self.take("("):
            return
        depth = 1
        while depth:
            if self.take(")"):
                depth -= 1
            elif self.take("("):
                depth += 1
            elif self.take(WORD) is None and not self.take(",") and not self.take("="):
                raise self.error("a pattern or ')'")
