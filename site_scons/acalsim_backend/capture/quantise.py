# SPDX-License-Identifier: Apache-2.0
"""Post-training quantisation to int8: a graph and PyTorch's values of its tensors in, products of int8 out.

Products with constant weights are quantised. Scales are symmetric: one for each output channel of a weight, one
for each tensor that such a product reads, from the largest magnitudes that the example inputs give. Additions
read a tensor's int8 form too where there is one. The scale of a quantised result goes back into the product
that it comes from wherever only additions, ReLUs, bounds and max pooling lie between: then the product's result
is rounded to int8 at once.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..ir.graph import ACALSimIR, ACALSimOp, ACALSimOpType, TensorDesc
from ..ir.ops import ROWS
from ..ir.products import in_int8, rounding
from ..ir.verify import verify
from .capture_file import Quantised, QuantisedOp, QuantisedTensor
from .scales import channel_scales, inverse, rounded, scale_of

if TYPE_CHECKING:
    import torch

T = ACALSimOpType
PRODUCTS_INT8 = {T.CONV: T.CONV_INT8, T.GEMM: T.GEMM_INT8, T.MATMUL: T.GEMM_INT8}


def quantise(ir: ACALSimIR, values: Mapping[str, Any], ranges: Mapping[str, Any] | None = None) -> Quantised:
    """Quantise in place. `values` has PyTorch's arrays of inputs and intermediates, by tensor, and `ranges` the
    least and the most of them in several samples, which are (least, most) of the one otherwise."""
    ir.unquantised = ir.copy()
    _untied(ir)
    quantiser = _Quantiser(ir, values, values if ranges is None else ranges)
    rows = quantiser.quantise_products()
    quantiser.round_before_moving()
    quantiser.read_int8()
    quantiser.merge_scales()
    quantiser.keep_forms()
    quantiser.share_parameters()
    ir.drop_unread()
    verify(ir)
    forms = (QuantisedTensor(name, of, scale) for name, (of, scale) in quantiser.forms.items())
    return Quantised(tuple(rows), tuple(forms))


def _untied(ir: ACALSimIR) -> None:
    """Make parameters of those that are others' views, in place: the int8 forms of both share nothing."""
    for op in list(ir.ops):
        if op.op_type is T.PERMUTE and ir.tensors[op.inputs[0]].is_param:
            (name,) = op.outputs
            if not ir.tensors[name].is_output:
                ir.tensors[name] = replace(ir.tensors[name], is_param=True)
                ir.constants[name] = ir.constants[op.inputs[0]].transpose(op.attrs["dims"])
                ir.replace(op)


class _Quantiser:
    def __init__(self, ir: ACALSimIR, values: Mapping[str, Any], ranges: Mapping[str, Any]):
        self.ir, self.values, self.ranges = ir, values, ranges
        self.scales: dict[str, float] = {}
        """The scale of each tensor that has an int8 form, which is named NAME_i8."""
        self.rounding: dict[str, ACALSimOp] = {}
        """The QUANTIZE of each tensor that has one."""
        self.merged: set[str] = set()
        """The QUANTIZEs whose operands are scaled where they are made."""
        self.params: list[str] = []
        """The parameters of int8 products."""
        self.forms: dict[str, tuple[str, float]] = {}
        """Tensors that hold another's values divided by a number: by name, the other's name and the number."""

    # --- products -------------------------------------------------------------------------------

    def quantise_products(self) -> list[QuantisedOp]:
        """Put int8 products in the places of those that can be, and the int8 form of what they read behind
        the op that computes it. Returns a row for each."""
        rows, ops = [], []
        for op in self.ir.ops:
            if self._is_quantised(op):
                row, op = self._product(op)
                rows.append(row)
            ops.append(op)
        computed = {name for op in ops for name in op.outputs}
        given = [self._quantised(name) for name in self.scales if name not in computed]
        self.ir.ops = given[::-1]
        for op in ops:
            forms = [self._quantised(name, op.source) for name in op.outputs if name in self.scales]
            self.ir.ops += [op, *forms]
        return rows

    def _is_quantised(self, op: ACALSimOp) -> bool:
        """A product of finite values and constants, both float32."""
        ir = self.ir
        if op.op_type not in PRODUCTS_INT8 or op.attrs.get("transposed"):
            return False
        x, *params = (ir.tensors[name] for name in op.inputs)
        if x.is_param or not all(each.is_param for each in params) or not x.elements:
            return False
        if op.op_type is T.GEMM and (op.attrs or params[1].shape != params[0].shape[1:]):
            return False
        arrays = (self.ranges[x.name], *(ir.constants[each.name] for each in params))
        return ir.tensors[op.outputs[0]].elements > 0 and all(
            array.dtype == np.float32 and np.isfinite(array).all() for array in arrays
        )

    def _product(self, op: ACALSimOp) -> tuple[QuantisedOp, ACALSimOp]:
        ir, (x, w, *bias) = self.ir, op.inputs
        weight, axis = ir.constants[w], 0 if op.op_type is T.CONV else 1
        scale, own = self._scale_of(x), channel_scales(weight, axis)
        shape = [-1 if dim == axis else 1 for dim in range(weight.ndim)]
        whole = rounded(weight, own.reshape(shape))
        params = [
            self._param(f"{op.name}_weight", whole),
            self._param(f"{op.name}_scales", own * np.float32(scale)),
        ]
        params += [self._param(f"{op.name}_bias", ir.constants[bias[0]])] if bias else []
        row = QuantisedOp(op.name, scale, self._error(op, scale, whole * own.reshape(shape)))
        attrs = {**op.attrs, "float32": w}
        return row, replace(op, op_type=PRODUCTS_INT8[op.op_type], inputs=(f"{x}_i8", *params), attrs=attrs)

    def _error(self, op: ACALSimOp, scale: float, weight: NDArray[Any]) -> float:
        """The error that the op adds by itself: its exact input rounded, its weights rounded."""
        import torch

        exact = np.array(self.values[op.inputs[0]], np.float32)
        inputs = rounded(exact, scale) * np.float32(scale)
        reference = float_product(op, exact, np.array(self.ir.constants[op.inputs[1]]))
        found = float_product(op, inputs, weight.astype(np.float32))
        return float((found - reference).abs().max() / (reference.abs().max() or torch.tensor(1.0)))

    def _param(self, name: str, array: NDArray[Any]) -> str:
        self.ir.add_tensor(TensorDesc(name, array.shape, str(array.dtype), is_param=True))
        self.ir.constants[name] = np.ascontiguousarray(array)
        self.params.append(name)
        return name

    def _scale_of(self, name: str) -> float:
        """The scale of a tensor's int8 form, which is declared on first use."""
        if name not in self.scales:
            scale = self.scales[name] = scale_of(self.ranges[name])
            form = self.ir.add_tensor(TensorDesc(f"{name}_i8", self.ir.tensors[name].shape, "int8"))
            self.forms[form.name] = name, scale
        return self.scales[name]

    def _is_own(self, op: ACALSimOp) -> bool:
        """Whether an op rounds for a product that is made int8 here; a model may round by itself."""
        return op.op_type is T.QUANTIZE and op.outputs[0] in self.forms

    def _quantised(self, name: str, source: str = "") -> ACALSimOp:
        attrs = {"scale": float(inverse(self.scales[name]))}
        return ACALSimOp(T.QUANTIZE, f"quantize_{name}", (name,), (f"{name}_i8",), attrs, source=source)

    # --- additions ------------------------------------------------------------------------------

    def read_int8(self) -> None:
        """Let additions read a tensor's int8 form where there is one by then."""
        self.rounding, ops = {}, []
        for op in self.ir.ops:
            if self._is_own(op):
                self.rounding[op.inputs[0]] = op
            if op.op_type is T.ADD and len(op.inputs) == 2 and not op.attrs:
                for position, name in enumerate(op.inputs):
                    if self._is_read_as_int8(op, name):
                        back = self._dequantised(op, position)
                        ops.append(back)
                        inputs = list(op.inputs)
                        inputs[position] = back.outputs[0]
                        op = replace(op, inputs=tuple(inputs))
            ops.append(op)
        self.ir.ops = ops

    def _is_read_as_int8(self, op: ACALSimOp, name: str) -> bool:
        return name in self.rounding and not self.ir.tensors[name].is_input and op.inputs.count(name) == 1

    def _dequantised(self, op: ACALSimOp, position: int) -> ACALSimOp:
        name = op.inputs[position]
        (form,) = self.rounding[name].outputs
        back = self.ir.add_tensor(TensorDesc(f"{op.name}_{name}", self.ir.tensors[name].shape))
        self.forms[back.name] = name, 1.0
        return ACALSimOp(
            T.DEQUANTIZE,
            f"dequantize_{op.name}_{position}",
            (form,),
            (back.name,),
            {"scale": self.forms[form][1]},
            source=op.source,
        )

    # --- movement ---------------------------------------------------------------------------------

    def round_before_moving(self) -> None:
        """Round what is moved, or put together, and move the int8: its producer may do that at once."""
        makers = self.ir.producers()
        uses = Counter(name for op in self.ir.ops for name in op.inputs)

        def rounded_first(op: ACALSimOp) -> list[ACALSimOp]:
            """What takes the place of a QUANTIZE, and of the movement before it, which is dropped."""
            (name,) = op.inputs
            moves = makers.get(name)
            if (
                moves is None
                or uses[name] > 1
                or self.ir.tensors[name].is_output
                or not self._moves_all(moves)
            ):
                return [op]
            parts = {source: self._rounded_part(op, source) for source in dict.fromkeys(moves.inputs)}
            found = [each for part in parts.values() for each in rounded_first(part)]
            gone.append(moves)
            inputs = tuple(parts[source].outputs[0] for source in moves.inputs)
            return [*found, replace(moves, inputs=inputs, outputs=op.outputs)]

        gone: list[ACALSimOp] = []
        ops = [each for op in self.ir.ops for each in (rounded_first(op) if self._is_own(op) else [op])]
        self.ir.ops = [op for op in ops if not any(op is each for each in gone)]

    def _moves_all(self, op: ACALSimOp) -> bool:
        """Whether an op only moves elements, each of which there is as often behind it."""
        tensors = [self.ir.tensors[name] for name in op.inputs]
        before = sum(desc.elements for desc in tensors if not desc.is_param)
        moves = ROWS[op.op_type].movement is not None or op.op_type is T.CAT
        return moves and before == self.ir.tensors[op.outputs[0]].elements

    def _rounded_part(self, op: ACALSimOp, source: str) -> ACALSimOp:
        """The QUANTIZE of what is moved, with the scale of that of the whole."""
        part = self.ir.add_tensor(TensorDesc(f"{op.name}_{source}_i8", self.ir.tensors[source].shape, "int8"))
        self.forms[part.name] = source, self.forms[op.outputs[0]][1]
        return replace(op, name=f"{op.name}_{source}", inputs=(source,), outputs=(part.name,))

    # --- scales that go back --------------------------------------------------------------------

    def merge_scales(self) -> None:
        """Scale products, and what lies between, so that their results only need to be rounded."""
        ops = {op.name: op for op in self.ir.ops}
        makers = {name: op.name for op in self.ir.ops for name in op.outputs}
        uses = Counter(name for op in self.ir.ops for name in op.inputs)

        def scalable(name: str) -> list[str] | None:
            """The ops to be scaled for a tensor to be, which nobody else may read; None if that cannot be."""
            op = ops.get(makers.get(name, ""))
            if op is None or self.ir.tensors[name].is_output or uses[name] != 1:
                return None
            if op.op_type in (T.CONV_INT8, T.GEMM_INT8, T.DEQUANTIZE):
                return [op.name]
            if op.op_type in (T.RELU, T.MAX_POOL, T.CLAMP) or (
                op.op_type is T.HARDTANH and "min_val" in op.attrs
            ):
                found = scalable(op.inputs[0])
                return None if found is None else [*found, op.name]
            if op.op_type is T.ADD and len(op.inputs) == 2 and not op.attrs:
                one, other = map(scalable, op.inputs)
                return None if one is None or other is None else [*one, *other, op.name]
            return None

        for op in filter(self._is_own, list(self.ir.ops)):
            found = scalable(op.inputs[0])
            if found is not None:
                for name in found:
                    ops[name] = self._scaled(ops[name], op.attrs["scale"])
                ops[op.name] = replace(op, attrs={"scale": 1.0})
                self.merged.add(op.name)
        self.ir.ops = list(ops.values())

    def keep_forms(self) -> None:
        """Float32 weights are kept of products whose operand, as it is before it is rounded, is in float32 itself."""
        makers = self.ir.producers()

        def is_rounded_alone(op: ACALSimOp) -> bool:
            found = rounding(op.inputs[0], makers) if op.inputs else None
            return found is not None and not any(each.name in self.merged for each in found)

        self.ir.ops = [op if is_rounded_alone(op) else in_int8(op) for op in self.ir.ops]

    def _scaled(self, op: ACALSimOp, factor: float) -> ACALSimOp:
        of, _ = self.forms.get(op.outputs[0], (op.outputs[0], 1.0))
        self.forms[op.outputs[0]] = of, 1 / factor
        if op.op_type is T.DEQUANTIZE:
            return replace(op, attrs={"scale": op.attrs["scale"] * factor})
        if op.op_type in (T.CONV_INT8, T.GEMM_INT8):
            for name in op.inputs[2:]:
                self.ir.constants[name] = self._times(name, factor)
            if "float32" in op.attrs:
                weight = self._param(f"{op.name}_float", self._times(op.attrs["float32"], factor))
                return replace(op, attrs={**op.attrs, "float32": weight})
        elif op.op_type in (T.HARDTANH, T.CLAMP):
            bounds = {
                key: value * factor for key, value in op.attrs.items() if isinstance(value, int | float)
            }
            return replace(op, attrs={**op.attrs, **bounds})
        return op

    def _times(self, name: str, factor: float) -> NDArray[Any]:
        return (self.ir.constants[name] * np.float32(factor)).astype(np.float32)

    def share_parameters(self) -> None:
        """Of parameters that are equal one is read: products of one weight, as those of a loop's steps, share its form."""
        first: dict[tuple[object, ...], str] = {}
        shared = {}
        for name in self.params:
            array = self.ir.constants[name]
            key = array.dtype, array.shape, hashlib.sha256(array).digest()
            shared[name] = first.setdefault(key, name)
        self.ir.ops = [
            replace(
                op,
                inputs=tuple(shared.get(name, name) for name in op.inputs),
                attrs={
                    key: shared.get(value, value) if key == "float32" else value
                    for key, value in op.attrs.items()
                },
            )
            for op in self.ir.ops
        ]


def float_product(op: ACALSimOp, x: NDArray[Any], w: NDArray[Any]) -> torch.Tensor:
    """The op's product of these two, without bias."""
    import torch

    one, other = torch.from_numpy(x), torch.from_numpy(w)
    if op.op_type is not T.CONV:
        return one @ other
    function = torch.nn.functional.conv2d if other.dim() == 4 else torch.nn.functional.conv1d
    least = (("stride", 1), ("padding", 0), ("dilation", 1), ("groups", 1))
    return function(one, other, None, *(op.attrs.get(key) or value for key, value in least))
