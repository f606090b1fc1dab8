# SPDX-License-Identifier: Apache-2.0
"""Products whose factors are of a half type but for a conversion or a number: they multiply the half type itself.

PyTorch's attention scales queries and keys before it multiplies them, and takes half types to float32 first. Neither
is needed: sums of products of half types are float32, and a number multiplies these as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from ..ir.graph import ACALSimIR, ACALSimOp, ACALSimOpType
from ..ir.ops import ROWS
from ..ir.views import factor_of

T = ACALSimOpType
PRODUCTS = (T.MATMUL, T.BMM)


@dataclass(frozen=True)
class Forms:
    """`products` are results of products with the half type that they take, `types` what is of one on its way there.

    `of` has for each new tensor the one whose values it holds, divided by a number.
    """

    products: Mapping[str, str]
    types: Mapping[str, str]
    of: dict[str, tuple[str, float]]


@dataclass(frozen=True)
class _Factor:
    """A factor of a product is `number` times what `moves` make of a tensor of type `half`; the last one comes first.

    Of the weights of attention it is None: they become what the other factor is of.
    """

    source: str
    moves: tuple[ACALSimOp, ...]
    number: float
    half: str | None


def free_factors(ir: ACALSimIR, narrow: Mapping[str, str]) -> Forms:
    """In place. `narrow` are the float32 tensors of the graph that become half types, and which."""
    freer = _Freer(ir, narrow)
    ir.ops = [each for op in ir.ops for each in freer.freed(op)]
    ir.drop_needless()
    return Forms(freer.products, freer.moved, freer.of)


class _Freer:
    def __init__(self, ir: ACALSimIR, narrow: Mapping[str, str]):
        self.ir, self.narrow, self.makers = ir, narrow, ir.producers()
        self.products: dict[str, str] = {}
        self.moved: dict[str, str] = {}
        self.of: dict[str, tuple[str, float]] = {}

    def freed(self, op: ACALSimOp) -> list[ACALSimOp]:
        """The ops in the place of one."""
        if op.op_type not in PRODUCTS or self.ir.tensors[op.outputs[0]].dtype != "float32":
            return [op]
        factors = [self._factor(name) for name in op.inputs]
        halves = {each.half for each in factors if each and each.half}
        if not all(factors) or len(halves) != 1 or not any(each.moves for each in factors if each):
            return [op]
        (half,) = halves
        number, ops, inputs = 1.0, list[ACALSimOp](), []
        for each, name in zip(factors, op.inputs, strict=True):
            assert each
            number *= each.number
            moves, last = self._again(each, op, half)
            ops += moves
            inputs.append(last if each.moves else name)
        (result,) = op.outputs
        self.products[result] = half
        if number == 1:
            return [*ops, replace(op, inputs=tuple(inputs))]
        product = self._named(result, op, number)
        self.products[product] = half
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
        """As far back as there is a half type; None where there is none."""
        half = self.narrow.get(name)
        found = _Factor(name, (), 1.0, half) if half or self._is_weights(name) else None
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
                found = _Factor(name, tuple(moves), number, self.narrow[name])
        return found

    def _is_weights(self, name: str) -> bool:
        """Whether these are weights of PyTorch's attention, which rounds them to the type of the values."""
        while (op := self.makers.get(name)) is not None and ROWS[op.op_type].movement:
            (name,) = op.inputs
        return op is not None and op.op_type is T.SOFTMAX and bool(op.attrs.get("safe"))

    def _again(self, factor: _Factor, product: ACALSimOp, half: str) -> tuple[list[ACALSimOp], str]:
        """The moves of a factor without numbers, and what they leave."""
        ops, name, number = [], factor.source, 1.0
        for op in reversed(factor.moves):
            if (own := factor_of(op)) is not None:
                number *= own
                continue
            moved = _name_for(op.outputs[0], product)
            if moved not in self.moved:  # as the other factor comes to it
                self.moved[self._named(op.outputs[0], product, number)] = half
                own_name = f"{op.name}_for_{product.name}"
                ops.append(replace(op, name=own_name, inputs=(name,), outputs=(moved,)))
            name = moved
        return ops, name

    def _named(self, name: str, product: ACALSimOp, number: float) -> str:
        """A new tensor that holds the values of another, divided by a number."""
        desc = replace(self.ir.tensors[name], name=_name_for(name, product), is_output=False)
        self.of[desc.name] = (name, number)
        return self.ir.add_tensor(desc).name


def _name_for(name: str, product: ACALSimOp) -> str:
    return f"{name}_of_{product.name}"
