# SPDX-License-Identifier: Apache-2.0
"""IR and machine in, Plan out: where every tensor lies, and what the later rooms need to know of it.

Parameters lie in `.weights`, inputs in `.inputs`, outputs in `.outputs`, each kind in a block of its
own; intermediates share one arena in `.buffers`, reused as lifetimes allow. Views are free: they are
their source's memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from .errors import PlanError
from .ir import ACALSimIR
from .machine import Machine
from .ops import ROWS

ALIGNMENT = 64
"""Bytes; every tensor begins at a multiple of it."""
CODE_RESERVE_BYTES = 0x8000
"""What the RAM check sets aside for code and read-only data; the placement check has the exact figure."""


@dataclass(frozen=True)
class Place:
    """`size_bytes` at byte `offset` of the C object `symbol`, which lies in ELF section `section`."""

    section: str
    symbol: str
    offset: int
    size_bytes: int


@dataclass(frozen=True)
class Lifetime:
    """A buffer that must exist from op `first`'s start to op `last`'s end, both included."""

    name: str
    size_bytes: int
    first: int
    last: int

    def overlaps(self, other: Lifetime) -> bool:
        return self.first <= other.last and other.first <= self.last


@dataclass(frozen=True)
class Plan:
    """Where each tensor of a graph lies. `roots` names the tensor whose memory each tensor is."""

    places: Mapping[str, Place]
    roots: Mapping[str, str]
    blocks: Mapping[str, int]

    def place(self, tensor: str) -> Place:
        return self.places[self.roots[tensor]]


def aligned(size_bytes: int) -> int:
    return -(-size_bytes // ALIGNMENT) * ALIGNMENT


def make_plan(ir: ACALSimIR, machine: Machine) -> Plan:
    """Place every tensor. Raises PlanError when the machine's RAM can't hold them."""
    roots = find_roots(ir)
    outputs = {roots[name] for name in ir.outputs}
    places = {name: Place(".weights", name, 0, ir.tensors[name].size_bytes) for name in ir.params}
    blocks = {".weights": sum(aligned(place.size_bytes) for place in places.values())}
    for section, names in ((".inputs", ir.inputs), (".outputs", [n for n in ir.tensors if n in outputs])):
        offset = 0
        for name in names:
            places[name] = Place(section, ir.name + section.replace(".", "_"), offset, ir.tensors[name].size_bytes)
            offset += aligned(ir.tensors[name].size_bytes)
        blocks[section] = offset
    arena = lifetimes(ir, roots, set(places))
    offsets = assign_offsets(arena)
    for life in arena:
        places[life.name] = Place(".buffers", f"{ir.name}_buffers", offsets[life.name], life.size_bytes)
    blocks[".buffers"] = max((offsets[life.name] + aligned(life.size_bytes) for life in arena), default=0)
    check_ram(ir.name, machine, blocks)
    return Plan(places, roots, blocks)


def find_roots(ir: ACALSimIR) -> dict[str, str]:
    """For every tensor the one whose memory it is: itself, or what it is a view of.

    An output that is a view of an input or a parameter has memory of its own, and is copied there.
    """
    roots = {name: name for name in ir.tensors}
    for op in ir.ops:
        if ROWS[op.op_type].is_view and not is_copied(ir, roots, op):
            roots[op.outputs[0]] = roots[op.inputs[0]]
    return roots


def is_copied(ir: ACALSimIR, roots: Mapping[str, str], op) -> bool:
    source = ir.tensors[roots[op.inputs[0]]]
    return ir.tensors[op.outputs[0]].is_output and (source.is_input or source.is_param)


def lifetimes(ir: ACALSimIR, roots: Mapping[str, str], placed: Iterable[str]) -> list[Lifetime]:
    """The lifetimes of all tensors that need room in the arena, in order of their first op."""
    first, last = {}, {}
    for index, op in enumerate(ir.ops):
        for name in op.outputs:
            first.setdefault(roots[name], index)
        for name in (*op.inputs, *op.outputs):
            last[roots[name]] = index
    placed = set(placed)
    return [Lifetime(name, ir.tensors[name].size_bytes, first[name], last[name]) for name in first if name not in placed]


def assign_offsets(buffers: Iterable[Lifetime]) -> dict[str, int]:
    """An offset for each buffer such that no two live at once share a byte: largest first, lowest gap.

    Greedy by size, as in Pisarchyk and Lee, "Efficient Memory Management for Deep Neural Net
    Inference", 2020.
    """
    placed: list[tuple[int, Lifetime]] = []
    for buffer in sorted(buffers, key=lambda life: (-life.size_bytes, life.first, life.name)):
        offset = 0
        for start, other in sorted((item for item in placed if item[1].overlaps(buffer)), key=lambda item: item[0]):
            if offset + aligned(buffer.size_bytes) <= start:
                break
            offset = max(offset, start + aligned(other.size_bytes))
        placed.append((offset, buffer))
    return {buffer.name: offset for offset, buffer in placed}


def check_ram(graph: str, machine: Machine, blocks: Mapping[str, int]) -> None:
    needed = sum(blocks.values()) + machine.stack_bytes + CODE_RESERVE_BYTES
    if needed > machine.ram.size_bytes:
        parts = ", ".join(f"{section} {size:#x}" for section, size in blocks.items())
        raise PlanError(
            f"{graph} needs {needed:#x} bytes of RAM ({parts}, stack {machine.stack_bytes:#x}, code about "
            f"{CODE_RESERVE_BYTES:#x}); machine '{machine.name}' has {machine.ram.size_bytes:#x}"
        )


def plan_json(ir: ACALSimIR, plan: Plan, machine: Machine) -> dict:
    """The plan as later rooms read it: what the placement check holds the ELF to, and what lies where."""
    return {
        "graph": ir.name,
        "elf": {"class": 64, "float_abi": "double", "rvc": True},
        "stack_bytes": machine.stack_bytes,
        "symbols": _symbols(plan),
        "windows": [{"name": d.name, "base": d.base, "size_bytes": d.size_bytes} for d in machine.devices],
        "ops": [_op_row(ir, plan, index) for index, op in enumerate(ir.ops) if costs(ir, plan, op)],
        "inputs": [_tensor_row(ir, plan, name) for name in ir.inputs],
        "outputs": [_tensor_row(ir, plan, name) for name in ir.outputs],
    }


def costs(ir: ACALSimIR, plan: Plan, op) -> bool:
    """Whether an op is a function in the program; a free view is not."""
    return plan.roots[op.outputs[0]] == op.outputs[0]


def _symbols(plan: Plan) -> list[dict]:
    own = [(p.symbol, p.section, p.size_bytes) for p in plan.places.values() if p.section == ".weights"]
    shared = {p.symbol: p.section for p in plan.places.values() if p.section != ".weights"}
    rows = own + [(symbol, section, plan.blocks[section]) for symbol, section in shared.items()]
    return [
        {"name": symbol, "section": section, "size_bytes": size, "alignment": ALIGNMENT}
        for symbol, section, size in rows
        if size
    ]


def _op_row(ir: ACALSimIR, plan: Plan, index: int) -> dict:
    op = ir.ops[index]
    return {
        "index": index,
        "name": op.name,
        "symbol": f"op_{op.name}",
        "type": op.op_type.name,
        "placed_on": "cpu",
        "macs": ROWS[op.op_type].count_macs(ir, op),
        "source": op.source,
    }


def _tensor_row(ir: ACALSimIR, plan: Plan, name: str) -> dict:
    desc, place = ir.tensors[name], plan.place(name)
    producer = next((op.name for op in ir.ops if name in op.outputs), None)
    return {
        "name": name,
        "op": producer,
        "symbol": place.symbol,
        "offset": place.offset,
        "dtype": desc.dtype,
        "shape": list(desc.shape),
    }
