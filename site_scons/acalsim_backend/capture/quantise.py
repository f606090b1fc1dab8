# SPDX-License-Identifier: Apache-2.0
"""Post-training quantisation to int8: products with constant weights, by PyTorch's own observers.

Symmetric: one scale an output channel for weights, one scale a tensor for activations, from the
largest magnitudes that the example inputs give. A tensor that a product reads as int8 is what
additions read as well. The scale of a quantised result goes back into the product that it comes from
wherever only additions, ReLUs, bounds and max pooling lie between: then it is rounded to int8 at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from ..ir.graph import ACALSimIR, ACALSimOp, ACALSimOpType, TensorDesc
from ..ir.verify import verify
from .capture_file import Quantised, QuantisedOp, QuantisedTensor

T = ACALSimOpType
LARGEST = 127


def quantise(ir: ACALSimIR, values: Mapping[str, Any]) -> Quantised:
    """Quantise in place. `values` has PyTorch's arrays of inputs and intermediates, by tensor."""
    quantiser = _Quantiser(ir, values)
    rows = [quantiser.product(op) for op in list(ir.ops) if _is_quantised(ir, op)]
    quantiser.read_int8()
    quantiser.merge_scales()
    quantiser.drop_unread()
    verify(ir)
    forms = (QuantisedTensor(name, of, scale) for name, (of, scale) in quantiser.forms.items())
    return Quantised(tuple(rows), tuple(forms))


def _is_quantised(ir: ACALSimIR, op: ACALSimOp) -> bool:
    if op.op_type not in (T.CONV, T.GEMM, T.MATMUL) or op.attrs.get("transposed"):
        return False
    x, *params = (ir.tensors[name] for name in op.inputs)
    if (
        x.is_param
        or not all(each.is_param for each in params)
        or not x.elements
        or not ir.tensors[op.outputs[0]].elements
    ):
        return False
    if op.op_type is T.GEMM and (op.attrs or params[1].shape != params[0].shape[1:]):
        return False
    return all(each.dtype == "float32" for each in (x, *params))


def scale_of(array: np.ndarray) -> float:
    """Of a tensor, by MinMaxObserver."""
    import torch
    from torch.ao.quantization.observer import MinMaxObserver

    observer = MinMaxObserver(
        dtype=torch.qint8, qscheme=torch.per_tensor_symmetric, quant_min=-LARGEST, quant_max=LARGEST
    )
    observer(torch.from_numpy(np.array(array)))
    return float(observer.calculate_qparams()[0])


def channel_scales(weight: np.ndarray, axis: int) -> np.ndarray:
    """float32[channels] of a weight, by PerChannelMinMaxObserver."""
    import torch
    from torch.ao.quantization.observer import PerChannelMinMaxObserver

    observer = PerChannelMinMaxObserver(
        ch_axis=axis,
        dtype=torch.qint8,
        qscheme=torch.per_channel_symmetric,
        quant_min=-LARGEST,
        quant_max=LARGEST,
    )
    observer(torch.from_numpy(np.array(weight)))
    return observer.calculate_qparams()[0].numpy().astype(np.float32)


def inverse(scale: Any) -> Any:
    """What PyTorch multiplies by to quantise, in float32: a quotient may lie on the other side of a half."""
    return np.float32(1) / np.float32(scale)


def rounded(array: np.ndarray, scale: Any) -> np.ndarray:
    return np.clip(np.rint(array * inverse(scale)), -LARGEST, LARGEST).astype(np.int8)


class _Quantiser:
    def __init__(self, ir: ACALSimIR, values: Mapping[str, Any]):
        self.ir, self.values = ir, values
        self.scales: dict[str, float] = {}
        """Of the tensors of which there is an int8 form, named NAME_i8."""
        self.forms: dict[str, tuple[str, float]] = {}
        """Of a tensor, the one whose values divided by the number it has."""

    def product(self, op: ACALSimOp) -> QuantisedOp:
        ir, (x, w, *bias) = self.ir, op.inputs
        weight, axis = ir.constants[w], 0 if op.op_type is T.CONV else 1
        scale, own = self._int8(x), channel_scales(weight, axis)
        shape = [-1 if dim == axis else 1 for dim in range(weight.ndim)]
        whole = rounded(weight, own.reshape(shape))
        params = [
            self._param(f"{op.name}_weight", whole),
            self._param(f"{op.name}_scales", own * np.float32(scale)),
        ]
        params += [self._param(f"{op.name}_bias", ir.constants[bias[0]])] if bias else []
        kind = T.CONV_INT8 if op.op_type is T.CONV else T.GEMM_INT8
        index = ir.ops.index(op)
        ir.ops[index] = replace(op, op_type=kind, inputs=(f"{x}_i8", *params))
        return QuantisedOp(op.name, scale, self._error(op, scale, whole * own.reshape(shape)))

    def _error(self, op: ACALSimOp, scale: float, weight: np.ndarray) -> float:
        """Of the op alone: its exact input rounded, its weights rounded."""
        import torch

        exact = torch.from_numpy(np.array(self.values[op.inputs[0]], np.float32))
        inputs = torch.from_numpy(rounded(self.values[op.inputs[0]], scale) * np.float32(scale))

        def compute(x, w):
            if op.op_type is not T.CONV:
                return x @ w
            attrs, rank = op.attrs, w.dim() - 2
            function = torch.nn.functional.conv2d if rank == 2 else torch.nn.functional.conv1d
            return function(
                x,
                w,
                None,
                *(
                    attrs.get(key) or least
                    for key, least in (("stride", 1), ("padding", 0), ("dilation", 1), ("groups", 1))
                ),
            )

        reference = compute(exact, torch.from_numpy(np.array(self.ir.constants[op.inputs[1]])))
        found = compute(inputs, torch.from_numpy(weight.astype(np.float32)))
        return float((found - reference).abs().max() / (reference.abs().max() or 1))

    def _param(self, name: str, array: np.ndarray) -> str:
        self.ir.add_tensor(TensorDesc(name, array.shape, str(array.dtype), is_param=True))
        self.ir.constants[name] = np.ascontiguousarray(array)
        return name

    def _int8(self, name: str) -> float:
        """The scale of a tensor's int8 form, which is made where the tensor is."""
        if name not in self.scales:
            self.scales[name] = scale_of(self.values[name])
            desc = self.ir.tensors[name]
            self.ir.add_tensor(TensorDesc(f"{name}_i8", desc.shape, "int8"))
            self.forms[f"{name}_i8"] = name, self.scales[name]
            producer = next((op for op in self.ir.ops if name in op.outputs), None)
            op = ACALSimOp(
                T.QUANTIZE,
                f"quantize_{name}",
                (name,),
                (f"{name}_i8",),
                {"scale": float(inverse(self.scales[name]))},
                source=producer.source if producer else "",
            )
            self.ir.ops.insert(self.ir.ops.index(producer) + 1 if producer else 0, op)
        return self.scales[name]

    def read_int8(self) -> None:
        """Additions read a tensor's int8 form where there is one."""
        ir = self.ir
        for op in [op for op in ir.ops if op.op_type is T.ADD and len(op.inputs) == 2 and not op.attrs]:
            for position, name in enumerate(op.inputs):
                if name not in self.scales or ir.tensors[name].is_input or op.inputs.count(name) > 1:
                    continue
                back = ir.add_tensor(TensorDesc(f"{op.name}_{name}", ir.tensors[name].shape))
                self.forms[back.name] = name, 1.0
                index = next(index for index, each in enumerate(ir.ops) if each.name == op.name)
                ir.ops.insert(
                    index,
                    ACALSimOp(
                        T.DEQUANTIZE,
                        f"dequantize_{op.name}_{position}",
                        (f"{name}_i8",),
                        (back.name,),
                        {"scale": self.scales[name]},
                        source=op.source,
                    ),
                )
                current = ir.ops[index + 1]
                ir.ops[index + 1] = replace(
                    current,
                    inputs=tuple(
                        back.name if at == position else each for at, each in enumerate(current.inputs)
                    ),
                )

    def merge_scales(self) -> None:
        for op in [op for op in self.ir.ops if op.op_type is T.QUANTIZE]:
            factor = op.attrs["scale"]
            found = self._scalable(op.inputs[0])
            if found is not None:
                for each in found:
                    self._scale(each, factor)
                self._replace(op, replace(op, attrs={"scale": 1.0}))

    def _scalable(self, name: str) -> list[ACALSimOp] | None:
        """The ops to be scaled for tensor `name` to be, which nobody else may read; None if that cannot be."""
        ir = self.ir
        op = next((op for op in ir.ops if name in op.outputs), None)
        if op is None or ir.tensors[name].is_output or sum(each.inputs.count(name) for each in ir.ops) != 1:
            return None
        if op.op_type in (T.CONV_INT8, T.GEMM_INT8, T.DEQUANTIZE):
            return [op]
        if op.op_type in (T.RELU, T.MAX_POOL, T.HARDTANH, T.CLAMP) and not (
            op.op_type is T.HARDTANH and "min_val" not in op.attrs
        ):
            found = self._scalable(op.inputs[0])
            return found if found is None else [*found, op]
        if op.op_type is T.ADD and len(op.inputs) == 2 and not op.attrs:
            parts = [self._scalable(each) for each in op.inputs]
            return None if None in parts else [*parts[0], *parts[1], op]
        return None

    def _scale(self, op: ACALSimOp, factor: float) -> None:
        of, _ = self.forms.get(op.outputs[0], (op.outputs[0], 1.0))
        self.forms[op.outputs[0]] = of, 1 / factor
        if op.op_type is T.DEQUANTIZE:
            self._replace(op, replace(op, attrs={"scale": op.attrs["scale"] * factor}))
        elif op.op_type in (T.CONV_INT8, T.GEMM_INT8):
            for name in op.inputs[2:]:
                self.ir.constants[name] = (self.ir.constants[name] * np.float32(factor)).astype(np.float32)
        elif op.attrs and op.op_type in (T.HARDTANH, T.CLAMP):
            bounds = {
                key: value * factor for key, value in op.attrs.items() if isinstance(value, int | float)
            }
            self._replace(op, replace(op, attrs={**op.attrs, **bounds}))

    def _replace(self, old: ACALSimOp, new: ACALSimOp) -> None:
        index = next(index for index, op in enumerate(self.ir.ops) if op.name == old.name)
        self.ir.ops[index] = new

    def drop_unread(self) -> None:
        read = {name for op in self.ir.ops for name in op.inputs}
        for name in [name for name in self.ir.params if name not in read and name not in self.ir.outputs]:
            del self.ir.tensors[name]
            self.ir.constants.pop(name, None)
