# SPDX-License-Identifier: Apache-2.0
"""Which ops the user's rules take: a graph and rules in, claims out.

Rules are asked in the order of the machine file, and in each file from the first to the last. Of rules that say
what the same ops cost the cheapest has them, if it is cheaper than where they would go without rules.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from ..ir.graph import ACALSimIR, ACALSimOp
from ..ir.strides import Access, row_major
from .load import Loaded
from .pattern import Chain, Finder
from .rule import Op, Tensor


@dataclass(frozen=True)
class Claim:
    """A chain of ops that a rule has taken; `reason` says why where the rule gave its `cycles`."""

    by: Loaded
    chain: Chain
    cycles: int | None = None
    reason: str = ""

    @property
    def device(self) -> str:
        return self.by.device


@dataclass(frozen=True)
class Claims:
    """By op's name: the claims, and why an op stays elsewhere though a rule takes it."""

    of: Mapping[str, Claim] = field(default_factory=dict)
    """Of each op of a chain, and of each view in it."""
    lost: Mapping[str, str] = field(default_factory=dict)

    def cycles(self, op: str) -> int | None:
        """What the op's rule foretells, if one has taken it."""
        return self.of[op].cycles if op in self.of else None


@dataclass(frozen=True)
class Elsewhere:
    """What ops take without rules, and on what: 'the CPU', 'device'."""

    cycles: int
    where: str


Price = Callable[[Chain], Elsewhere | None]
"""None where nobody knows what the ops take."""


def claims(ir: ACALSimIR, rules: Iterable[Loaded], price: Price, chosen: Collection[str] = ()) -> Claims:
    """What the rules take of a graph; ops whose names are in `chosen` are placed by the user already."""
    offers: dict[tuple[str, ...], list[Claim]] = {}
    for claim in _offers(ir, rules):
        names = tuple(op.name for op in claim.chain.ops)
        if not {*names} & {*chosen}:
            offers.setdefault(names, []).append(claim)
    of: dict[str, Claim] = {}
    lost: dict[str, str] = {}
    for found in offers.values():
        span = [op.name for op in found[0].chain.span]
        if any(name in of for name in span):
            continue
        winner, why_not = _settled(found, price)
        if winner:
            of |= dict.fromkeys(span, winner)
            for name in span:
                lost.pop(name, None)
        else:
            lost |= {name: why_not for name in span if name not in lost}
    return Claims(of, lost)


def _offers(ir: ACALSimIR, rules: Iterable[Loaded]) -> Iterator[Claim]:
    finder = Finder(ir)
    for rule in rules:
        for pattern in rule.patterns:
            for chain in finder.chains(pattern):
                op = seen(ir, chain.ops, chain.inside)
                if rule.takes(op):
                    yield Claim(rule, chain, rule.cycles(op))


def _settled(offers: list[Claim], price: Price) -> tuple[Claim | None, str]:
    """The claim that wins, or why none does. One without cycles takes the ops whatever they cost elsewhere."""
    if offers[0].cycles is None:
        return offers[0], ""
    best, cost = min(
        ((each, each.cycles) for each in offers if each.cycles is not None), key=lambda pair: pair[1]
    )
    elsewhere = price(best.chain)
    said = f"{cost} cycles by {best.by.title}"
    if elsewhere is None:
        return replace(best, reason=f"{said}; what they are elsewhere is not known"), ""
    said += f", {elsewhere.cycles} on {elsewhere.where}"
    if cost < elsewhere.cycles:
        return replace(best, reason=said), ""
    return next((each for each in offers if each.cycles is None), None), said


def seen(
    ir: ACALSimIR,
    ops: tuple[ACALSimOp, ...],
    inside: Collection[str],
    access: Mapping[str, Access] | None = None,
) -> Op:
    """Ops as a rule is shown them: dense, or as their accesses say."""
    pointers = (f"x{number}" for number in range(1 << 30))

    def tensor(name: str, pointer: str) -> Tensor:
        desc = ir.tensors[name]
        strides = access[name].strides if access else row_major(desc.shape)
        return Tensor(name, desc.shape, desc.dtype, strides, desc.is_param, pointer)

    parts = []
    for op in ops:
        inputs = tuple(tensor(name, "" if name in inside else next(pointers)) for name in op.inputs)
        output = tensor(op.outputs[0], "y" if op is ops[-1] else "")
        parts.append(Op(op.op_type.name, op.name, inputs, output, dict(op.attrs), op.source))
    outside = tuple(each for part in parts for each in part.inputs if each.pointer)
    last = parts[-1]
    return Op(last.type, last.name, outside, last.output, last.attrs, last.source, tuple(parts))
