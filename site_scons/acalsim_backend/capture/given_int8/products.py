# SPDX-License-Identifier: Apache-2.0
"""Products of dequantised operands in a graph, and the int8 products that take their places."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...ir.graph import ACALSimIR, ACALSimOp, ACALSimOpType, TensorDesc
from ..capture_file import QuantisedOp
from ..quantise import PRODUCTS_INT8, float_product
from .editing import Edited, Source
from .forms import Int8Form

T = ACALSimOpType


class Products(Edited):
    def __init__(self, ir: ACALSimIR, forms: Mapping[str, Int8Form]):
        """`forms` says of which int8 values parameters are multiples."""
        super().__init__(ir)
        self.forms = forms

    def products(self) -> list[QuantisedOp]:
        """Put int8 products in the places of those that can be. Returns a row for each."""
        self.look()
        rows, ops = [], []
        for op in self.ir.ops:
            is_product = op.op_type in PRODUCTS_INT8
            source = self.source(op.inputs[0]) if is_product else None
            computed = self._computed(op.inputs[0]) if is_product and op.op_type is not T.CONV else None
            scales = self._weight_scales(op) if source or computed else None
            if computed is not None and scales is not None:
                ops += self._product_of_computed(op, *computed, scales)
                rows.append(QuantisedOp(op.name, 0.0, 0.0))
                continue
            if source is None or scales is None:
                ops.append(op)
                continue
            rows.append(QuantisedOp(op.name, source.scale, 0.0))  # operand and weight are what they are
            name, moves = self.moved(source)
            ops += [*moves, *self._product(op, name, source, scales)]
        self.ir.ops = ops
        self.ir.drop_needless()
        return rows

    def _weight_scales(self, op: ACALSimOp) -> NDArray[np.float32] | None:
        """One scale an output channel of an op's weight; None where that is not int8."""
        form, axis = self.forms.get(op.inputs[1]), 0 if op.op_type is T.CONV else 1
        weight = self.ir.tensors[op.inputs[1]]
        if form is None or form.dim not in (None, axis) or op.attrs.get("transposed"):
            return None
        if op.op_type is T.GEMM and (op.attrs or self.ir.tensors[op.inputs[2]].shape != weight.shape[1:]):
            return None
        if not all(self.ir.tensors[name].is_param for name in op.inputs[1:]):
            return None
        scales = np.broadcast_to(form.scales, (weight.shape[axis],)).astype(np.float32)
        shape = [-1 if dim == axis else 1 for dim in range(len(weight.shape))]
        # The weight may have taken up factors since.
        same = np.array_equal(form.values * scales.reshape(shape), self.ir.constants[op.inputs[1]])
        return scales if same else None

    def _product(
        self, op: ACALSimOp, name: str, source: Source, scales: NDArray[np.float32]
    ) -> list[ACALSimOp]:
        ir, (w, *bias) = self.ir, op.inputs[1:]
        weight = np.asarray(ir.constants[w], np.float64)
        channel = tuple(dim for dim in range(weight.ndim) if dim != (0 if op.op_type is T.CONV else 1))
        summand = source.shift * weight.sum(channel)
        summand = summand + (ir.constants[bias[0]] if bias else 0)
        inputs = [
            name,
            self.param(f"{op.name}_weight", self.forms[w].values),
            self.param(f"{op.name}_scales", scales * np.float32(source.scale)),
            self.param(f"{op.name}_bias", summand.astype(np.float32)),
        ]
        product = replace(op, op_type=PRODUCTS_INT8[op.op_type], inputs=tuple(inputs))
        border = self._border(op, source.shift) if op.op_type is T.CONV and source.shift else None
        if border is None:
            return [product]
        inner = self.new(f"{op.outputs[0]}_inner", op.outputs[0], "float32")
        edge = self.param(f"{op.name}_border", border)
        added = ACALSimOp(T.ADD, f"{op.name}_edge", (inner, edge), op.outputs, {}, source=op.source)
        return [replace(product, outputs=(inner,)), added]

    def _computed(self, name: str) -> tuple[str, str, str] | None:
        """(int8 tensor, zero point, scale) of (q - zero point) * scale, both computed when the model runs."""
        scaled = self.makers.get(name)
        if scaled is None or scaled.op_type is not T.MUL or len(scaled.inputs) != 2:
            return None
        shifted = self.makers.get(scaled.inputs[0])
        if shifted is None or shifted.op_type is not T.SUB or len(shifted.inputs) != 2:
            return None
        cast = self.makers.get(shifted.inputs[0])
        if cast is None or cast.op_type is not T.CAST or self.ir.tensors[cast.inputs[0]].dtype != "int8":
            return None
        zero, scale = shifted.inputs[1], scaled.inputs[1]
        if any(self.ir.tensors[each].shape != (1,) for each in (zero, scale)):
            return None
        return cast.inputs[0], zero, scale

    def _product_of_computed(
        self, op: ACALSimOp, name: str, zero: str, scale: str, scales: NDArray[np.float32]
    ) -> list[ACALSimOp]:
        """(q p - zero sum(p)) * s * scale + bias: sums of int8 products, then what is known only when the model runs."""
        ir, (w, *bias) = self.ir, op.inputs[1:]
        (result,) = op.outputs
        sums = np.asarray(ir.constants[w], np.float64).sum(0).astype(np.float32)
        made: list[ACALSimOp] = []

        def step(kind: ACALSimOpType, key: str, inputs: tuple[str, ...], out: str, **attrs: Any) -> str:
            made.append(ACALSimOp(kind, f"{op.name}_{key}", inputs, (out,), attrs, source=op.source))
            return out

        whole = self.param(f"{op.name}_weight", self.forms[w].values)
        own = self.param(f"{op.name}_scales", scales)
        inner = self.new(f"{result}_sums", result, "float32")
        made.append(replace(op, op_type=T.GEMM_INT8, inputs=(name, whole, own), outputs=(inner,), attrs={}))
        total = self.param(f"{op.name}_totals", sums)
        shift = ir.add_tensor(TensorDesc(f"{op.name}_shift", sums.shape)).name
        step(T.MUL, "shift", (total, zero), shift)
        whole = step(T.SUB, "shifted", (inner, shift), self.new(f"{result}_shifted", result, "float32"))
        if not bias:
            step(T.MUL, "scaled", (whole, scale), result)
            return made
        whole = step(T.MUL, "scaled", (whole, scale), self.new(f"{result}_scaled", result, "float32"))
        step(T.ADD, "biased", (whole, bias[0]), result)
        return made

    def _border(self, op: ACALSimOp, shift: float) -> NDArray[np.float32] | None:
        """What the shift of a convolution's operand does not add where its taps lie in the padding."""
        image = np.full((1, *self.ir.tensors[op.inputs[0]].shape[1:]), shift, np.float32)
        weight = np.asarray(self.ir.constants[op.inputs[1]], np.float32)
        whole = shift * weight.sum((*range(1, weight.ndim),), dtype=np.float64)
        found = float_product(op, image, weight).numpy() - whole.reshape(1, -1, *[1] * (weight.ndim - 2))
        padding: Any = op.attrs.get("padding") or 0
        return found.astype(np.float32) if np.any(padding) else None
