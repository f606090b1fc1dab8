# SPDX-License-Identifier: Apache-2.0
"""A device of the user's: its file in, what it declares out. Nothing is compiled, run or imported for that.

In C++ and SystemVerilog, declarations are comments of a line each:

    //@ parameter lanes = 16 in 1..1024: elements a cycle
    //@ parameter order = row of row, column: what is read first
    //@ register SCALE at 0x20 RW: factor of every element
    //@ uses exp_table.sv
    //@ sketch softmax_unit.py
    //@ job SOURCE = @0x1000, ROWS = 1..6, COLUMNS = 4..64 step 4: f4

In Python they are attributes of the class, see own_python.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ..errors import DeviceError
from ..files import short_digest
from .imports import imported
from .models import ACCESS, INTERRUPT
from .own_job import Job, parse_job
from .own_python import class_lines
from .registers import REGISTERS, Register, refuse_overlaps
from .rows import Parameter, choice
from .rtl import OF_RTL

LANGUAGES = {".py": "py", ".cc": "cc", ".sv": "sv", ".v": "sv"}
"""What a device's file is written in, by how its name ends."""

OF_EVERY_DEVICE = (ACCESS, INTERRUPT)
OF_ITS_LANGUAGE = {"sv": (*OF_EVERY_DEVICE, *OF_RTL)}
"""Where that is more."""
RESERVED = {"model", "base", "count", *(row.name for row in (*OF_EVERY_DEVICE, *OF_RTL))}
"""Keys of a device's table that mean the same for every device."""

LARGEST = (1 << 64) - 1

MARK = "//@"
INCLUDE = re.compile(r'^[ \t]*[#`]include[ \t]+"([^"\n]+)"', re.MULTILINE)
NUMBER = r"(?:0[xX][0-9a-fA-F]+|\d+)"
PARAMETER = re.compile(
    rf"parameter (?P<name>\w+) = (?P<default>{NUMBER}) in (?P<low>{NUMBER})\.\.(?P<high>{NUMBER}): (?P<text>.+)"
)
CHOICE = re.compile(r"parameter (?P<name>\w+) = (?P<default>\w+) of (?P<words>\w+(?:, *\w+)*): (?P<text>.+)")
REGISTER = re.compile(rf"register (?P<name>\w+) at (?P<offset>{NUMBER}) (?P<access>\w+): (?P<text>.+)")
FILE = re.compile(r"(?P<what>uses|sketch) (?P<path>\S.*)")
JOB = re.compile(r"job (?P<text>.+)")
KNOWN = (
    "parameter NAME = DEFAULT in LOW..HIGH: TEXT, parameter NAME = WORD of WORD, WORD...: TEXT, "
    "register NAME at OFFSET R|W|RW: TEXT, uses FILE, sketch FILE and job NAME = VALUE, ...: TYPE"
)


@dataclass(frozen=True)
class Own:
    """What a device's own file says. `parameters` include those of every device, `registers` do not."""

    source: Path
    parameters: tuple[Parameter, ...] = OF_EVERY_DEVICE
    registers: tuple[Register, ...] = ()
    uses: tuple[Path, ...] = ()
    """Files that are compiled with the source, in their order."""
    sketch: Path | None = None
    """A device in Python whose values this one's are held to."""
    job: Job | None = None
    """What it can be tried with."""
    reads: tuple[Path, ...] = ()
    """Every file that the device is made from, its own first."""
    digest: str = ""
    """Of what these hold."""

    @property
    def language(self) -> str:
        return LANGUAGES[self.source.suffix]


def read_own(source: Path) -> Own:
    """Read a device's file. Raises DeviceError naming file and line."""
    try:
        text = source.read_text()
    except OSError as error:
        raise DeviceError(f"{source}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise DeviceError(f"{source}: is not UTF-8 text") from None
    declared = _Declared(source)
    if LANGUAGES[source.suffix] == "py":
        for line, kind, name, values in class_lines(source, text):
            declared.take_python(line, kind, name, values)
        return declared.own(imported(source, DeviceError))
    for line, said in _marked(text):
        declared.take_comment(line, said)
    return declared.own(_included(source, declared.uses))


def _marked(text: str) -> Iterator[tuple[int, str]]:
    """(line number, text) of the comments that declare something."""
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip().startswith(MARK):
            yield number, line.strip().removeprefix(MARK).strip()


def _included(source: Path, uses: Iterable[Path]) -> tuple[Path, ...]:
    """The source, what it uses, and all that these include of the user's own."""
    found: dict[Path, None] = {}
    waiting = [source, *uses]
    while waiting:
        path = waiting.pop(0)
        if path in found or not path.is_file():
            continue
        found[path] = None
        text = path.read_text(errors="replace")
        waiting += [Path(path.parent, name).resolve() for name in INCLUDE.findall(text)]
        if LANGUAGES.get(path.suffix) == "sv":
            waiting += _modules_beside(path, text)
    return tuple(found)


def _modules_beside(path: Path, text: str) -> list[Path]:
    """The files of the folder that bear the name of something in the text: Verilator looks there for modules."""
    words = set(re.findall(r"\w+", text))
    return sorted(
        other
        for other in path.parent.iterdir()
        if LANGUAGES.get(other.suffix) == "sv" and other.stem in words
    )


class _Declared:
    """Takes declarations one by one; every complaint names the file and the line."""

    def __init__(self, source: Path):
        self.source = source
        rows = OF_ITS_LANGUAGE.get(LANGUAGES[source.suffix], OF_EVERY_DEVICE)
        self.parameters: dict[str, Parameter] = {row.name: row for row in rows}
        self.registers: dict[str, Register] = {}
        self.uses: list[Path] = []
        self.sketch: Path | None = None
        self.job: tuple[int, str] | None = None

    def fail(self, line: int, text: str) -> DeviceError:
        return DeviceError(f"{self.source}:{line}: {text}")

    def own(self, reads: tuple[Path, ...]) -> Own:
        registers = tuple(self.registers.values())
        parameters, uses = tuple(self.parameters.values()), tuple(self.uses)
        job = self.parsed_job((*REGISTERS, *registers))
        return Own(
            self.source, parameters, registers, uses, self.sketch, job, reads, digest=short_digest(*reads)
        )

    def parsed_job(self, registers: tuple[Register, ...]) -> Job | None:
        """Last, because it names registers."""
        if self.job is None:
            return None
        line, text = self.job
        try:
            return parse_job(text, registers)
        except ValueError as error:
            raise self.fail(line, str(error)) from None

    def take_comment(self, line: int, said: str) -> None:
        if found := PARAMETER.fullmatch(said):
            default, low, high = (int(found[key], 0) for key in ("default", "low", "high"))
            self.parameter(line, Parameter(found["name"], default, low, high, found["text"]))
        elif found := CHOICE.fullmatch(said):
            words = tuple(word.strip() for word in found["words"].split(","))
            self.choice(line, found["name"], words, found["default"], found["text"])
        elif found := REGISTER.fullmatch(said):
            self.register(
                line, Register(found["name"], int(found["offset"], 0), found["access"], found["text"])
            )
        elif found := JOB.fullmatch(said):
            self.job = line, found["text"]
        elif found := FILE.fullmatch(said):
            self.file(line, found["what"], found["path"])
        else:
            raise self.fail(line, f"`{MARK} {said}` declares nothing; known are {KNOWN}")

    def take_python(self, line: int, kind: str, name: str, values: tuple[object, ...]) -> None:
        match kind, values:
            case "Parameter", (int(default), int(low), int(high), str(text)):
                self.parameter(line, Parameter(name, default, low, high, text))
            case "Choice", (str(default), tuple(words), str(text)):
                self.choice(line, name, words, default, text)
            case "Register", (int(offset), str(access), str(text)):
                self.register(line, Register(name, offset, access, text))
            case "job", (str(text),):
                self.job = line, text
            case "Parameter", _:
                raise self.fail(line, f"{name} is no Parameter(DEFAULT, LOW, HIGH, TEXT)")
            case "Choice", _:
                raise self.fail(line, f"{name} is no Choice(WORD, (WORD, WORD...), TEXT)")
            case "job", _:
                raise self.fail(line, "job is no text")
            case _:
                raise self.fail(line, f"{name} is no Register(OFFSET, ACCESS, TEXT)")

    def choice(self, line: int, name: str, words: tuple[str, ...], default: str, text: str) -> None:
        if default not in words:
            raise self.fail(line, f"parameter '{name}' is '{default}'; known are {', '.join(words)}")
        self.parameter(line, choice(name, words, default, text))

    def parameter(self, line: int, row: Parameter) -> None:
        if not re.fullmatch(r"[a-z][a-z0-9_]*", row.name):
            raise self.fail(line, f"parameter '{row.name}' is not lower-case letters, digits and _")
        if row.name in RESERVED or row.name in self.parameters:
            whose = "means something for every device" if row.name in RESERVED else "is declared already"
            raise self.fail(line, f"parameter '{row.name}' {whose}; give it another name")
        if not 0 <= row.minimum <= row.default <= row.maximum <= LARGEST:
            raise self.fail(
                line,
                f"parameter '{row.name}' is {row.default} in {row.minimum}..{row.maximum}, which it is not",
            )
        self.parameters[row.name] = row

    def register(self, line: int, row: Register) -> None:
        if not re.fullmatch(r"[A-Z][A-Z0-9_]*", row.name):
            raise self.fail(line, f"register '{row.name}' is not upper-case letters, digits and _")
        if row.access not in ("R", "W", "RW"):
            raise self.fail(line, f"register '{row.name}' has access '{row.access}'; known are R, W, RW")
        known = (*REGISTERS, *self.registers.values())
        if row.name in {other.name for other in known}:
            raise self.fail(line, f"there are two registers '{row.name}'")
        try:
            refuse_overlaps((*known, row))
        except DeviceError as error:
            raise self.fail(line, str(error)) from None
        self.registers[row.name] = row

    def file(self, line: int, what: str, name: str) -> None:
        path = (self.source.parent / name).resolve()
        if not path.is_file():
            raise self.fail(line, f"{what} '{name}': there is no file '{path}'")
        if what == "sketch":
            self.sketch = path
        else:
            self.uses.append(path)
