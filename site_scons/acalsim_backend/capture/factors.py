# SPDX-License-Identifier: Apache-2.0
"""Products whose factors are bfloat16 but for a conversion or a number: they multiply the bfloat16 itself.

PyTorch's attention scales queries and keys before it multiplies them, and takes bfloat16 to float32 first. Neither is
needed: sums of products of bfloat16 are float32, and a number multiplies these as well.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

from ..ir.graph import ACALSimIR, ACALSimOp, ACALSimOpType
from ..ir.ops import ROWS
from ..ir.views import factor_of

T = ACALSimOpType
PRODUCTS = (T.MATMUL, T.BMM)


@dataclass(frozen=True)
class Forms:
    """`products` are results of products that take bfloat16, `moved` what is bfloat16 on its way to one.

    `of` has for each new tensor the one whose values it holds, divided by a number.
    """

    products: frozenset[str]
    moved: frozenset[str]
    of: dict[str, tuple[str, float]]


@dataclass(frozen=True)
class _Factor:
    """A factor of a product is `number` times what `moves` make of a tensor of bfloat16; the last one comes first."""

    source: str
    moves: tuple[ACALSimOp, ...]
    number: float


def free_factors(ir: ACALSimIR, narrow: Collection[str]) -> Forms:
    """In place. `narrow` are the float32 tensors of the graph that become bfloat16."""
    freer = _Freer(ir, narrow)
    ir.ops = [each for op in ir.ops for each in freer.freed(op)]
    ir.drop_needless()
    return Forms(frozenset(freer.products), frozenset(freer.moved), freer.of)


class _Freer:
    def __init__(self, ir: ACALSimIR, narrow: Collection[str]):
        self.ir, self.narrow, self.makers = ir, narrow, ir.producers()
        self.products: set[str] = set()
        self.moved: set[str] = set()
        self.of: dict[str, tuple[str, float]] = {}

    def freed(self, op: ACALSimOp) -> list[ACALSimOp]:
        """The ops in the place of one."""
        if op.op_type not in PRODUCTS or self.ir.tensors[op.outputs[0]].dtype != "float32":
            return [op]
        factors = [self._factor(name) for name in op.inputs]
        if not all(factors) or not any(each.moves for each in factors if each):
            return [op]
        number, ops, inputs = 1.0, list[ACALSimOp](), []
        for each, name in zip(factors, op.inputs, strict=True):
            assert each
            number *= each.number
            moves, last = self._again(each, op)
            ops += moves
            inputs.append(last if each.moves else name)
        (result,) = op.outputs
        self.products.add(result)
        if number == 1:
            return [*ops, replace(op, inputs=tuple(inputs))]
        product = self._named(result, op, number)
        self.products.add(product)
        scalings = [move for each in factors if each for move in each.moves if factor_of(move) is not None]
        scale = ACALSimOp(
            T.MUL,
            f"{op.name}_scale",
            (product,),
            op.outputs,
            {"other": number},
            source=op.source,
            aten=tuple(dict.fromkeys(name for each in scalings for name in each.aten)),
        )
        return [*ops, replace(op, inputs=tuple(inputs), outputs=(product,)), scale]

    def _factor(self, name: str) -> _Factor | None:
        """As far back as there is bfloat16; None where there is none."""
        found = _Factor(name, (), 1.0) if name in self.narrow or self._is_weights(name) else None
        moves, number = list[ACALSimOp](), 1.0
        while (op := self.makers.get(name)) is not None and len(op.inputs) == 1:
            factor = factor_of(op)
            if factor is None and not ROWS[op.op_type].movement:
                break
            moves.append(op)
            number *= 1 if factor is None else factor
            is_own = factor is not None or op.outputs[0] not in self.narrow
            (name,) = op.inputs
            if is_own and name in self.narrow:
                found = _Factor(name, tuple(moves), number)
        return found

    def _is_weights(self, name: str) -> bool:
        """Whether these are weights of PyTorch's attention, which rounds them to the type of the values."""
        while (op := self.makers.get(name)) is not None and ROWS[op.op_type].movement:
            (name,) = op.inputs
        return op is not None and op.op_type is T.SOFTMAX and bool(op.attrs.get("safe"))

    def _again(self, factor: _Factor, product: ACALSimOp) -> tuple[list[ACALSimOp], str]:
        """The moves of a factor without numbers, and what they leave."""
        ops, name, number = [], factor.source, 1.0
        for op in reversed(factor.moves):
            if (own := factor_of(op)) is not None:
                number *= own
                continue
            moved = self._named(op.outputs[0], product, number)
            self.moved.add(moved)
            ops.append(replace(op, name=f"{op.name}_for_{product.name}", inputs=(name,), outputs=(moved,)))
            name = moved
        return ops, name

    def _named(self, name: str, product: ACALSimOp, number: float) -> str:
        """A new tensor that holds the values of another, divided by a number."""
        desc = replace(self.ir.tensors[name], name=f"{name}_of_{product.name}", is_output=False)
        self.of[desc.name] = (name, number)
        return self.ir.add_tensor(desc).name
