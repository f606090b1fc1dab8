# SPDX-License-Identifier: Apache-2.0
"""One kernel in the making: its operands' pointers, and the functions and headers that it needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..ir.graph import ACALSimOp, TensorDesc
from ..ir.kernel import Kernel
from ..ir.literals import C_TYPES
from ..ir.ops import ROWS
from ..ir.strides import Access
from ..schedule.plan import Place, Plan
from .loops import Hint

VECTOR_GROUP = 4
"""Registers of a vector in loops that clang vectorises: riscv-v-register-bit-width-lmul."""

# --- one kernel ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Pointer:
    """To element `offset` of what lies at `place`; `storage` is one of the names for that."""

    place: Place
    offset: int
    dtype: str
    storage: str = field(compare=False)

    def may_meet(self, other: Pointer) -> bool:
        """Whether their storages overlap; an empty one lies where another may."""
        mine, others = self.place, other.place
        return 0 in (mine.size_bytes, others.size_bytes) or (
            mine.symbol == others.symbol
            and mine.offset < others.offset + others.size_bytes
            and others.offset < mine.offset + mine.size_bytes
        )


@dataclass
class Site:
    """One kernel in the making: its memory, by pointers p0, p1 ... that the caller gives it.

    Each address has one pointer, whatever its storage is called. A pointer that is written through has its
    memory to itself; C is told so, and can interleave the work on several elements.
    """

    plan: Plan
    kernel: Kernel
    places: Mapping[str, Place]
    pointers: dict[Pointer, str] = field(default_factory=dict)
    written: set[str] = field(default_factory=set)
    functions: list[str] = field(default_factory=list)
    headers: set[str] = field(default_factory=set)

    @property
    def op(self) -> ACALSimOp:
        return self.kernel.anchor

    @property
    def has_chains(self) -> bool:
        """Whether elementary functions, which are long chains of operations, are computed in its loops."""
        return any(ROWS[op.op_type].header == "elementary.h" for op in self.kernel.ops)

    @property
    def hint(self) -> Hint:
        """The macros of loops.h before its innermost loops."""
        each = "EACH_CHAIN" if self.has_chains else "EACH_ELEMENT"
        return Hint(each, "EACH_LEFT", self.plan.target.machine.cpu.vlen // 32 * VECTOR_GROUP)

    @property
    def attrs(self) -> dict[str, Any]:
        return self.op.attrs

    @property
    def inputs(self) -> list[TensorDesc]:
        return [self.desc(name) for name in self.op.inputs]

    @property
    def output(self) -> TensorDesc:
        return self.desc(self.op.outputs[0])

    def desc(self, name: str) -> TensorDesc:
        return self.plan.ir.tensors[name]

    def access(self, name: str) -> Access:
        return self.plan.access[name]

    def pointer(self, access: Access, writes: bool = False) -> str:
        """The C name of the pointer to the access's first element."""
        desc, place = self.plan.ir.tensors[access.storage], self.places[access.storage]
        key = Pointer(place, access.offset, desc.dtype, access.storage)
        name = self.pointers.setdefault(key, f"p{len(self.pointers)}")
        if writes:
            self.written.add(name)
        return name

    def parameters(self) -> list[str]:
        """The C parameters of the kernel's function."""
        return [self._parameter(pointer, name) for pointer, name in self.pointers.items()]

    def _parameter(self, pointer: Pointer, name: str) -> str:
        kind = C_TYPES[pointer.dtype]
        if name not in self.written:
            return f"const {kind} *{name}"
        alone = not any(pointer.may_meet(other) for other in self.pointers if other is not pointer)
        return f"{kind} *{'restrict ' if alone else ''}{name}"

    def arguments(self) -> list[str]:
        return [f"{each.storage} + {each.offset}" if each.offset else each.storage for each in self.pointers]
