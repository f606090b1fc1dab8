# SPDX-License-Identifier: Apache-2.0
"""Parses GNU ld's linker scripts: a file in, its MEMORY, PHDRS and SECTIONS out as frozen data.

What GNU ld accepts is parsed. Patterns of input sections are skipped: no rule needs them. Syntax: GNU ld
manual, chapter 3 (Linker Scripts).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from ..errors import CheckError
from .expression import Expr, Scope, evaluate
from .reader import NAME, STRING, WORD, ScriptReader

_ASSIGN = re.compile(r"(?:<<|>>|[-+*/&|^])?=(?!=)")
_TYPE = re.compile(r"\(\s*(?:NOLOAD|DSECT|COPY|INFO|OVERLAY|READONLY|TYPE)\b[^()]*(?:\([^()]*\)\s*)?\)")
_ATTRIBUTES = re.compile(r"[!rwxailRWXAIL\s]*")
_ORIGIN = re.compile(r"(?:ORIGIN|org|o)(?=\s*=)")
_LENGTH = re.compile(r"(?:LENGTH|len|l)(?=\s*=)")
_AT_REGION = re.compile(r"AT\s*>")
_OVERLAY = re.compile(r"OVERLAY(?=[\s:])")
_INCLUDE = re.compile(r"INCLUDE(?=\s)")
_NO_BRACES = re.compile(r"[^{}]+")
_FILE = re.compile(r'"[^"\n]*"|[^\s;{}]+')
_PROVIDE = re.compile(r"(?:PROVIDE_HIDDEN|PROVIDE|HIDDEN)(?=\s*\()")
_ASSERT = re.compile(r"ASSERT(?=\s*\()")
_ENTRY = re.compile(r"ENTRY(?=\s*\()")
_DATA = re.compile(r"(?:BYTE|SHORT|LONG|S?QUAD|FILL)(?=\s*\()")
_ASCIZ = re.compile(r'ASCIZ(?=\s*")')
_END = re.compile(r"[;,]")


@dataclass(frozen=True)
class Region:
    """A row of MEMORY: the addresses origin..end, without `end`, and the attributes as written."""

    name: str
    origin: int
    length: int
    attributes: str

    @property
    def end(self) -> int:
        return self.origin + self.length

    def holds(self, start: int, end: int) -> bool:
        return self.origin <= start and end <= self.end

    def permits(self, attribute: str) -> bool:
        """Whether sections with the attribute r, w or x may be here. Without attributes all may."""
        wanted, _, refused = self.attributes.lower().partition("!")
        return attribute in wanted or (attribute not in refused and not wanted.strip())


@dataclass(frozen=True)
class ProgramHeader:
    """A row of PHDRS."""

    name: str
    p_type: str
    p_flags: int | None
    has_at: bool


@dataclass(frozen=True)
class Output:
    """An output section of SECTIONS. `moved` says whether its load address may differ from its address."""

    name: str
    region: str | None = None
    load_region: str | None = None
    moved: bool = False
    overlay: int | None = None


@dataclass(frozen=True)
class Script:
    """What a linker script says. `regions` has aliases too, under their own names."""

    path: Path
    entry: str | None
    regions: Mapping[str, Region]
    phdrs: tuple[ProgramHeader, ...]
    outputs: tuple[Output, ...]


def read_script(path: str | Path, symbols: Mapping[str, int]) -> Script:
    """Parse the script at `path`. `symbols` gives values to the names that the script uses but does not set.

    Raises CheckError with file, line and column of what is not understood.
    """
    parser = _Parser()
    try:
        parser.items(ScriptReader(Path(path)), parser.command)
        return parser.script(Path(path), symbols)
    except RecursionError:
        raise CheckError(
            f"{path}: expressions are nested too deeply, or a symbol is defined by itself"
        ) from None


class _Parser:
    """Collects what the commands of a script say, in their order. A method reads what its name says."""

    def __init__(self) -> None:
        self._entry: str | None = None
        self._regions: dict[str, tuple[Expr, Expr]] = {}
        self._attributes: dict[str, str] = {}
        self._aliases: dict[str, str] = {}
        self._phdrs: list[tuple[str, str, Expr | None, bool]] = []
        self._outputs: list[Output] = []
        self._assigned: dict[str, Expr] = {}
        self._provided: dict[str, Expr] = {}

    def script(self, path: Path, symbols: Mapping[str, int]) -> Script:
        scope = Scope(self._assigned, self._provided, self._regions, symbols)
        regions = {}
        for name, (origin, length) in self._regions.items():
            real_name = self._aliases.get(name, name)
            attributes = self._attributes[real_name]
            regions[name] = Region(real_name, evaluate(origin, scope), evaluate(length, scope), attributes)
        phdrs = tuple(
            ProgramHeader(name, kind, _flags(flags, scope), has_at)
            for name, kind, flags, has_at in self._phdrs
        )
        return Script(path, self._entry, regions, phdrs, tuple(self._outputs))

    def items(self, reader: ScriptReader, item: Callable[[ScriptReader], None], closing: str = "") -> None:
        """Read items up to `closing`, or to the file's end if it is empty, and those of included files."""
        while not (reader.take(closing) if closing else reader.at_end):
            if reader.take(_INCLUDE):
                self.items(_included(reader), item)
            elif not reader.take(";"):
                item(reader)

    # top level

    def command(self, reader: ScriptReader) -> None:
        if self._statement(reader):
            return
        where, name = reader.where, reader.need(NAME, "a command or an assignment")
        if name in _COMMANDS:
            _COMMANDS[name](self, reader)
        elif operation := reader.take(_ASSIGN):
            self._assign(name, operation, reader.expression(), where)
            reader.need(_END, "';'")
        else:
            reader.skip_words()

    def _assign(self, name: str, operation: str, value: Expr, where: str) -> None:
        if operation != "=":
            before = self._assigned.get(name, Expr("symbol", where, text=name))
            value = Expr(operation[:-1], where, (before, value))
        self._assigned[name] = value

    def _memory(self, reader: ScriptReader) -> None:
        reader.need("{")
        self.items(reader, self._region, "}")

    def _region(self, reader: ScriptReader) -> None:
        where, name = reader.where, reader.need(NAME, "a region's name or '}'")
        if name in self._regions:
            raise CheckError(f"{where}: region '{name}' is declared twice")
        attributes = ""
        if reader.take("("):
            attributes = reader.take(_ATTRIBUTES) or ""
            reader.need(")", "')' after attributes r, w, x, a, i, l or !")
        reader.need(":")
        origin = self._region_value(reader, _ORIGIN, "ORIGIN =")
        self._regions[name] = origin, self._region_value(reader, _LENGTH, "LENGTH =")
        self._attributes[name] = attributes

    def _region_value(self, reader: ScriptReader, keyword: re.Pattern[str], expected: str) -> Expr:
        reader.need(keyword, f"'{expected}'")
        reader.need("=")
        value = reader.expression()
        reader.take(",")
        return value

    def _alias(self, reader: ScriptReader) -> None:
        reader.need("(")
        alias = reader.need(NAME, "an alias")
        reader.take(",")
        where, name = reader.where, reader.need(NAME, "a region's name")
        reader.need(")")
        if name not in self._regions:
            raise CheckError(f"{where}: alias of region '{name}', which the script does not declare")
        self._regions[alias] = self._regions[name]
        self._aliases[alias] = self._aliases.get(name, name)

    def _program_headers(self, reader: ScriptReader) -> None:
        reader.need("{")
        self.items(reader, self._program_header, "}")

    def _program_header(self, reader: ScriptReader) -> None:
        name = reader.need(NAME, "a segment's name or '}'")
        kind = reader.expression()
        flags, has_at = None, False
        while not reader.take(";"):
            word = reader.need(NAME, "FILEHDR, PHDRS, AT, FLAGS or ';'")
            if word in ("AT", "FLAGS"):
                reader.need("(")
                value = reader.expression()
                reader.need(")")
                flags, has_at = (value, has_at) if word == "FLAGS" else (flags, True)
        self._phdrs.append((name, kind.text, flags, has_at))

    def _version(self, reader: ScriptReader) -> None:
        reader.need("{")
        depth = 1
        while depth:
            reader.take(_NO_BRACES)
            if reader.take("{"):
                depth += 1
            else:
                reader.need("}")
                depth -= 1

    # SECTIONS

    def _sections(self, reader: ScriptReader) -> None:
        reader.need("{")
        self.items(reader, self._section_item, "}")

    def _section_item(self, reader: ScriptReader) -> None:
        if self._statement(reader):
            return
        if reader.take(_OVERLAY):
            self._overlay(reader)
            return
        name = reader.need(NAME, "a section, an assignment or '}'")
        if reader.take(_ASSIGN):
            reader.expression()
            reader.need(_END, "';'")
        else:
            has_at = self._heading(reader)
            self.items(reader, self._body_item, "}")
            self._place(reader, [Output(name, moved=has_at)])

    def _overlay(self, reader: ScriptReader) -> None:
        number = len(self._outputs)
        self._heading(reader)
        members: list[Output] = []
        while not reader.take("}"):
            members.append(Output(reader.need(NAME, "a section or '}'"), moved=True, overlay=number))
            reader.need("{")
            self.items(reader, self._body_item, "}")
            self._segments_and_fill(reader)
        self._place(reader, members)

    def _heading(self, reader: ScriptReader) -> bool:
        """Read `[address] [(type)] : [attributes] {`; return whether AT(address) is among the attributes."""
        if not reader.take(":"):
            if not reader.take(_TYPE):
                reader.expression()
                reader.take(_TYPE)
            reader.need(":")
        has_at = False
        while not reader.take("{"):
            attribute = reader.need(NAME, "'{'")
            has_at |= attribute == "AT"
            if reader.take("("):
                reader.expression()
                reader.need(")")
        return has_at

    def _place(self, reader: ScriptReader, outputs: list[Output]) -> None:
        """Read `[> region] [AT> region] [:segment...] [= fill]`, and keep `outputs` with these regions.

        The load address may differ from the address in a section with AT, and in those that follow it in the
        same region.
        """
        region = reader.need(NAME, "a region") if reader.take(">") else None
        load_region = reader.need(NAME, "a region") if reader.take(_AT_REGION) else None
        self._segments_and_fill(reader)
        follows = any(old.moved for old in self._outputs if region and old.region == region)
        for output in outputs:
            moved = output.moved or load_region is not None or follows
            self._outputs.append(replace(output, region=region, load_region=load_region, moved=moved))

    def _segments_and_fill(self, reader: ScriptReader) -> None:
        while reader.take(":"):
            reader.need(NAME, "a segment")
        if reader.take("="):
            reader.expression()
        reader.take(",")

    def _body_item(self, reader: ScriptReader) -> None:
        if self._statement(reader):
            return
        if reader.take(_DATA):
            reader.need("(")
            reader.expression()
            reader.need(")")
        elif reader.take(_ASCIZ):
            reader.need(STRING)
        else:
            reader.need(WORD, "a pattern, an assignment or '}'")
            if reader.take(_ASSIGN):
                reader.expression()
                reader.need(_END, "';'")
            else:
                reader.skip_words()

    def _statement(self, reader: ScriptReader) -> bool:
        """Read ENTRY, ASSERT or PROVIDE, which may stand anywhere, if it comes next; return whether."""
        if reader.take(_ENTRY):
            reader.need("(")
            self._entry = reader.need(NAME, "a symbol")
            reader.need(")")
        elif reader.take(_ASSERT):
            reader.need("(")
            reader.expression()
            reader.need(",")
            reader.need(STRING, "a message in quotes")
            reader.need(")")
        elif reader.take(_PROVIDE):
            reader.need("(")
            name = reader.need(NAME, "a symbol")
            reader.need("=")
            self._provided[name] = reader.expression()
            reader.need(")")
            reader.need(_END, "';'")
        else:
            return False
        return True


def _flags(flags: Expr | None, scope: Scope) -> int | None:
    """FLAGS as a number. None without FLAGS, or if a name in it has no value, which GNU ld accepts."""
    try:
        return None if flags is None else evaluate(flags, scope)
    except CheckError:
        return None


def _included(reader: ScriptReader) -> ScriptReader:
    """A reader of the file that INCLUDE names, looked for beside the including script, then as a path."""
    where, name = reader.where, reader.need(_FILE, "a file name")
    path = reader.path.parent / name
    path = path if path.exists() else Path(name)
    if not path.exists():
        raise CheckError(f"{where}: INCLUDE names '{name}', which is neither beside the script nor here")
    if path in reader.files:
        raise CheckError(f"{where}: {path} includes itself")
    return ScriptReader(path, reader.files)


_COMMANDS: Mapping[str, Callable[[_Parser, ScriptReader], None]] = {
    "MEMORY": _Parser._memory,
    "PHDRS": _Parser._program_headers,
    "REGION_ALIAS": _Parser._alias,
    "SECTIONS": _Parser._sections,
    "VERSION": _Parser._version,
}
