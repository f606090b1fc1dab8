# SPDX-License-Identifier: Apache-2.0
"""The compiler under the name by which the tutorial imports it, and the op types by PyTorch's names of ops."""

from __future__ import annotations

from .capture.lower import ACALSimCompiler
from .errors import IRError
from .ir.graph import ACALSimOpType
from .ir.ops import ATEN

__all__ = ["ACALSimCompiler", "get_acalsim_op_type"]


FUNCTIONS = {
    "linear": ACALSimOpType.GEMM,
    "conv1d": ACALSimOpType.CONV,
    "conv2d": ACALSimOpType.CONV,
    "max_pool2d": ACALSimOpType.MAX_POOL,
    "avg_pool2d": ACALSimOpType.AVG_POOL,
}
"""PyTorch's functions whose names are neither those of types nor of ATen ops."""


def get_acalsim_op_type(op_name: str) -> ACALSimOpType:
    """The type of the op that PyTorch calls `op_name`: "matmul", "add", "mm", "aten.relu.default".

    Raises IRError where there is none.
    """
    name = op_name.removeprefix("aten.").partition(".")[0]
    if name.upper() in ACALSimOpType.__members__:
        return ACALSimOpType[name.upper()]
    if name in FUNCTIONS:
        return FUNCTIONS[name]
    for overload, row in ATEN.items():
        if name in (overload, overload.removeprefix("aten.").partition(".")[0]):
            return row.type
    raise IRError(f"no op type for '{op_name}'; the types are those of ACALSimOpType")
