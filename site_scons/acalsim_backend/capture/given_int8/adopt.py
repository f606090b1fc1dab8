# SPDX-License-Identifier: Apache-2.0
"""Products between dequantised operands become int8 products, with the scales that the model gives.

A product of x = (q - zero) * scale and a weight w = p * s, one s an output channel, is a sum of q * p, times scale * s,
and a constant for each channel. So it reads q, and its result is brought to the next scale and zero point as it is
rounded: both go back through additions, ReLUs, bounds and max pooling into the product that it comes from. Jacob et al.,
"Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference" (2018), section 2.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from ...ir.graph import ACALSimIR, ACALSimOp, ACALSimOpType
from ...ir.verify import verify
from ..capture_file import Quantised
from .editing import MOVES, Source, added_by
from .forms import Int8Form
from .products import Products

T = ACALSimOpType
LEAST = -128
"""What is rounded to int8 is no less."""
NEAR = 1e-3
"""Of a step: so far may two values be apart that are the same but for how PyTorch and this calculate."""


def adopt(ir: ACALSimIR, forms: Mapping[str, Int8Form]) -> Quantised | None:
    """Put int8 products in place of those between dequantised operands; None where there is none.

    `forms` says of which int8 values parameters are multiples. The graph as it was is kept as `ir.unquantised`.
    """
    if not forms:
        return None
    before = ir.copy()
    adopter = _Adopter(ir, forms)
    adopter.drop_pairs()
    rows = adopter.products()
    if not rows:
        _restore(ir, before)
        return None
    adopter.round_before_moving()
    adopter.merge()
    ir.drop_needless()
    ir.drop_unread()
    ir.unquantised = before
    verify(ir)
    return Quantised(tuple(rows), ())


def _restore(ir: ACALSimIR, before: ACALSimIR) -> None:
    ir.tensors, ir.ops, ir.constants = before.tensors, before.ops, before.constants


class _Adopter(Products):
    # --- pairs ----------------------------------------------------------------------------------

    def drop_pairs(self) -> None:
        """Where a value is rounded to the steps that it is on already, nothing is computed.

        Max pooling between two such roundings gives the same without the first of them.
        """
        for op in [each for each in self.ir.ops if each.op_type is T.QUANTIZE]:
            self.look()
            name, shift, pooled = op.inputs[0], 0.0, None
            while (summand := self._summand_before(name)) is not None:
                shift, name = shift + summand, self.makers[name].inputs[0]
            maker = self.makers.get(name)
            if maker is not None and maker.op_type is T.MAX_POOL and self.alone(name):
                pooled, name = maker, maker.inputs[0]
            source = self.source(name)
            if source is None or not self._is_same_step(op, source, shift):
                continue
            if pooled is None:
                last, moves = self.moved(source)
                copy = ACALSimOp(T.COPY, op.name, (last,), op.outputs, {}, source=op.source, aten=op.aten)
                self.ir.replace(op, *moves, copy)
                self._skip(op.outputs[0], last)
            else:
                self._without_first(pooled, source)

    def _summand_before(self, name: str) -> float | None:
        op = self.makers.get(name)
        return added_by(op) if op is not None and self.alone(name) else None

    @staticmethod
    def _is_same_step(op: ACALSimOp, source: Source, shift: float) -> bool:
        return (
            abs(op.attrs["scale"] * source.scale - 1) * -LEAST < NEAR
            and abs(shift + source.shift) < NEAR * source.scale
        )

    def _skip(self, name: str, other: str) -> None:
        """Let all read `other` instead of a copy of it, which goes unless it is an output."""
        if self.ir.tensors[name].is_output:
            return
        self.ir.ops = [
            replace(op, inputs=tuple(other if each == name else each for each in op.inputs))
            for op in self.ir.ops
            if name not in op.outputs
        ]
        del self.ir.tensors[name]

    def _without_first(self, pooled: ACALSimOp, source: Source) -> None:
        """Let max pooling read what was rounded before it, where nobody else reads that."""
        rounding, name = self.makers.get(source.name), pooled.inputs[0]
        if rounding is None or rounding.op_type is not T.QUANTIZE or source.moves:
            return
        while name != source.name:
            if not self.alone(name):
                return
            name = self.makers[name].inputs[0]
        exact, shift = rounding.inputs[0], 0.0
        while (summand := self._summand_before(exact)) is not None:
            shift, exact = shift + summand, self.makers[exact].inputs[0]
        if self.alone(source.name) and abs(shift + source.shift) < NEAR * source.scale:
            self.ir.replace(pooled, replace(pooled, inputs=(exact,)))
            self.ir.drop_needless()

    # --- rounding -------------------------------------------------------------------------------

    def round_before_moving(self) -> None:
        """Round what is moved on its way to a rounding, and move the int8."""
        self.look()
        ops = []
        for op in self.ir.ops:
            found, last = [op], op
            while last.op_type is T.QUANTIZE:
                maker = self.makers.get(last.inputs[0])
                if maker is None or not self.alone(last.inputs[0]):
                    break
                if maker.op_type in MOVES:
                    inner = self.new(f"{maker.outputs[0]}_i8", maker.inputs[0], "int8")
                    last = replace(last, inputs=maker.inputs, outputs=(inner,))
                    moved = replace(maker, name=f"{maker.name}_i8", inputs=(inner,), outputs=found[0].outputs)
                    found = [last, moved, *found[1:]]
                    continue
                before = self.makers.get(maker.inputs[0])
                if added_by(maker) is None or before is None or before.op_type not in MOVES:
                    break
                if not self.alone(maker.inputs[0]):
                    break
                inner = self.new(f"{maker.outputs[0]}_moved", before.inputs[0], "float32")
                summed = replace(maker, inputs=before.inputs, outputs=(inner,))
                small = self.new(f"{maker.outputs[0]}_i8", before.inputs[0], "int8")
                last = replace(last, inputs=(inner,), outputs=(small,))
                moved = replace(before, name=f"{before.name}_i8", inputs=(small,), outputs=found[0].outputs)
                self.makers[inner], self.uses[inner] = summed, 1
                found = [last, moved, *found[1:]]
                ops.append(summed)
            ops += found
        self.ir.ops = ops
        self.ir.drop_needless()

    def merge(self) -> None:
        """Bring results of products to the steps of the rounding that reads them."""
        for op in [each for each in self.ir.ops if each.op_type is T.QUANTIZE]:
            self.look()
            if self._takes(op.inputs[0]):
                made: dict[str, list[ACALSimOp]] = {}
                last = self._stepped(op.inputs[0], op.attrs["scale"], 0.0, made, is_last=True)
                made[op.name] = [replace(op, inputs=(last,), attrs={"scale": 1.0})]
                self.ir.ops = [new for each in self.ir.ops for new in made.get(each.name, [each])]
                self.ir.drop_needless()

    def _takes(self, name: str, shifts: bool = True) -> bool:
        """Whether a tensor can be made times a factor, and if need be plus a summand, by what it comes from."""
        if self.ir.tensors[name].is_param:
            return self.uses[name] == 1
        op = self.makers.get(name)
        if op is None or not self.alone(name):
            return False
        if op.op_type in (T.CONV_INT8, T.GEMM_INT8):
            return True
        if op.op_type is T.DEQUANTIZE:
            return not shifts
        if op.op_type in (T.RELU, T.MAX_POOL, T.CLAMP) or _is_clamp(op):
            return self._takes(op.inputs[0])
        if added_by(op) is not None:
            return self._takes(op.inputs[0])
        if op.op_type is T.ADD and len(op.inputs) == 2 and not op.attrs:
            one, other = op.inputs
            return any(self._takes(a) and self._takes_factor(b) for a, b in ((one, other), (other, one)))
        return False

    def _takes_factor(self, name: str) -> bool:
        """Likewise of a factor alone; a summand behind int8 goes to the other side of the addition."""
        op = self.makers.get(name)
        if op is not None and self.alone(name) and added_by(op) is not None:
            return self._takes_factor(op.inputs[0])
        return self._takes(name, shifts=False)

    def _stepped(
        self,
        name: str,
        factor: float,
        summand: float,
        made: dict[str, list[ACALSimOp]],
        is_last: bool = False,
    ) -> str:
        """The tensor times a factor plus a summand; `made` gets what each op becomes. What saturates at the least int8
        `is_last` before it is rounded."""
        ir, op = self.ir, self.makers.get(name)
        if op is None:
            return self.param(f"{name}_steps", np.float32(factor) * ir.constants[name] + np.float32(summand))
        if (own := added_by(op)) is not None:
            made[op.name] = []
            return self._stepped(op.inputs[0], factor, summand + factor * own, made, is_last)
        attrs, inputs = dict(op.attrs), op.inputs
        if op.op_type in (T.CONV_INT8, T.GEMM_INT8):
            scales, *bias = (np.float32(factor) * ir.constants[each] for each in op.inputs[2:])
            params = {"scales": scales, "bias": sum(bias, np.zeros_like(scales)) + np.float32(summand)}
            own_names = [self.param(f"{op.name}_{key}_steps", array) for key, array in params.items()]
            inputs = (*op.inputs[:2], *own_names)
        elif op.op_type is T.DEQUANTIZE:
            attrs["scale"] *= factor
        elif op.op_type is T.ADD:
            one, other = op.inputs
            if not (self._takes(one) and self._takes_factor(other)):
                one, other = other, one
            beside = self._constant_of(other)
            inputs = (
                self._stepped(one, factor, summand + factor * beside, made),
                self._stepped(other, factor, -factor * beside, made),
            )
        else:
            inputs = (self._stepped(op.inputs[0], factor, summand, made, is_last),)
            if op.op_type is T.RELU and summand:
                if is_last and summand <= LEAST + NEAR:
                    made[op.name] = []
                    return inputs[0]
                op, attrs = replace(op, op_type=T.CLAMP), {"min": summand}
            elif op.op_type is not T.RELU:
                attrs = {
                    key: value * factor + summand if key in ("min", "max", "min_val", "max_val") else value
                    for key, value in attrs.items()
                }
        out = self.new(f"{name}_steps", name, "float32")
        made[op.name] = [replace(op, inputs=inputs, outputs=(out,), attrs=attrs)]
        return out

    def _constant_of(self, name: str) -> float:
        """What is added to int8 values on one side of an addition."""
        total = 0.0
        while (op := self.makers.get(name)) is not None and (added := added_by(op)) is not None:
            total, name = total + added, op.inputs[0]
        return total


def _is_clamp(op: ACALSimOp) -> bool:
    return op.op_type is T.HARDTANH and "min_val" in op.attrs
