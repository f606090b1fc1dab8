# SPDX-License-Identifier: Apache-2.0
"""Ops that a rule of the user's has taken: the C function around the rule's own C, and its call.

The rule's lines keep their places in the user's file, so that a compiler's complaint names these.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path

from ..ir.kernel import Kernel
from ..ir.literals import C_TYPES
from ..machine.registers import REGISTERS
from ..rules.claim import Claim, seen
from ..rules.load import Loaded
from ..rules.rule import Op, Tensor
from ..schedule.plan import Plan

BACK = "#line BACK"
"""Stands where a generated file's own lines go on."""


class Driver:
    """One kernel in the making; `function` has KERNEL where its name belongs."""

    def __init__(self, plan: Plan, kernel: Kernel):
        self.plan, self.kernel = plan, kernel
        self.claim: Claim = plan.claims.of[kernel.name]
        self.op: Op = seen(plan.ir, kernel.ops, self.claim.chain.inside, plan.access)

    @property
    def function(self) -> str:
        text = self.claim.by.driver(self.op)
        return "\n".join(
            [
                "#undef DEVICE_REG",
                f"#define DEVICE_REG(name) {self.claim.device.upper()}_REG_##name",
                f"OP void KERNEL({', '.join(self._parameters())})",
                "{",
                *_in_their_place(self.claim.by, text, type(self.claim.by.rule).driver),
                "}",
            ]
        )

    @property
    def declarations(self) -> str:
        """The C of a rule before its functions."""
        text = self.claim.by.rule.declarations
        return "\n".join(_in_their_place(self.claim.by, text)) if text else ""

    def _parameters(self) -> Iterator[str]:
        yield "uintptr_t base UNUSED"
        yield "const char *op UNUSED"
        for tensor in self.op.inputs:
            yield f"const {C_TYPES[tensor.dtype]} *{tensor} UNUSED"
        yield f"{C_TYPES[self.op.output.dtype]} *{self.op.output} UNUSED"

    def arguments(self) -> Iterator[str]:
        """What the op's function calls the kernel's with."""
        yield f"{self.claim.device.upper()}_DEVICE_BASE"
        yield f'"{self.kernel.name}"'
        yield from map(self._place, (*self.op.inputs, self.op.output))

    def _place(self, tensor: Tensor) -> str:
        access = self.plan.access[tensor.name]
        return f"{access.storage} + {access.offset}" if access.offset else access.storage


def watched_tensors(plan: Plan) -> list[str]:
    """In a program that keeps every result: the table of all tensors, which drivers are held to."""
    names = [name for name, place in plan.places.items() if place.size_bytes]
    rows = [f'    {{{name}, {plan.places[name].size_bytes}, "{name}"}},' for name in names]
    return [
        "static const struct watched watched[] = {",
        *rows,
        "};",
        f"static uint64_t watched_sums[{len(names)}];\n",
    ]


def watched_call(plan: Plan, kernel: Kernel, call: str) -> list[str]:
    """The call of a driver. What a device is to find in RAM is there before, what it leaves there is read after."""
    fenced = ["    MMIO_FENCE();", call, "    MMIO_FENCE();"]
    if not plan.keep_all:
        return fenced
    count, result = "sizeof watched / sizeof *watched", plan.access[kernel.ops[-1].outputs[0]].storage
    return [
        f"    drivers_watch(watched, {count}, watched_sums);",
        *fenced,
        f'    drivers_check(watched, {count}, watched_sums, "{kernel.name}", {result});',
    ]


def register_names(device: str) -> list[str]:
    """The registers of every device by a device's name, as machine.h has those that are its own."""
    return [f"#define {device.upper()}_REG_{row.name} REG_{row.name}" for row in REGISTERS]


def resumed(text: str, name: str) -> str:
    """A file called `name` with the numbers of its own lines where it goes on with them."""
    lines = text.split("\n")
    return "\n".join(
        f'#line {number + 1} "{name}"' if line == BACK else line for number, line in enumerate(lines, 1)
    )


# --- where the user wrote it ------------------------------------------------------------------------


def _in_their_place(by: Loaded, text: str, made_by: Callable[..., str] | None = None) -> list[str]:
    file, line = _written(by, text, made_by)
    name = str(Path(by.file.said).parent / file.relative_to(by.file.path.parent))
    quoted = name.replace("\\", "\\\\").replace('"', '\\"')
    return [f'#line {line} "{quoted}"', *text.splitlines(), BACK]


def _written(by: Loaded, text: str, made_by: Callable[..., str] | None) -> tuple[Path, int]:
    """The file and the line at which `text` begins: of the literal that became it, else of what made it."""
    found = [
        (len(known), file, line)
        for file in by.file.files
        for line, known, pattern in _literals(file)
        if known and pattern.fullmatch(text)
    ]
    if found:
        return max(found, key=lambda each: each[0])[1:]
    if made_by is None:
        return by.file.path, 1
    code = inspect.unwrap(made_by).__code__
    return Path(code.co_filename), code.co_firstlineno


@lru_cache
def _literals(file: Path) -> list[tuple[int, str, re.Pattern[str]]]:
    """(line, what of it is constant, pattern of what it may become) of the texts in a file."""
    found = []
    for node in ast.walk(ast.parse(file.read_bytes())):
        if isinstance(node, ast.JoinedStr | ast.Constant):
            parts = node.values if isinstance(node, ast.JoinedStr) else [node]
            texts = [part.value if isinstance(part, ast.Constant) else None for part in parts]
            known = "".join(each for each in texts if isinstance(each, str)).strip()
            pattern = "".join(".*?" if each is None else re.escape(str(each)) for each in texts)
            found.append((node.lineno, known, re.compile(pattern, re.DOTALL)))
    return found
