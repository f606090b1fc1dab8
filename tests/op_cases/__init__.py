# SPDX-License-Identifier: Apache-2.0
"""The cases of every op: functions of PyTorch, each with its inputs; test_ops.py computes them."""

from acalsim_backend.ir.graph import ACALSimOpType

from op_cases.linear import LINEAR
from op_cases.lookups import LOOKING_UP
from op_cases.movement import MOVING
from op_cases.normalising import NORMALISING
from op_cases.order import ORDERING
from op_cases.pointwise import POINTWISE
from op_cases.products import PRODUCTS
from op_cases.reductions import REDUCING
from op_cases.running import RUNNING
from op_cases.values import T
from op_cases.windows import WINDOWS

CASES = {
    **PRODUCTS,
    **POINTWISE,
    **REDUCING,
    **RUNNING,
    **NORMALISING,
    **WINDOWS,
    **MOVING,
    **LOOKING_UP,
    **ORDERING,
    **LINEAR,
}
"""For every op: its cases, each a function, its inputs, and a tolerance where it is not the common one."""


DECOMPOSED = (T.ALL, T.SELECT_SCATTER)
"""Ops that PyTorch makes others of before they are captured; a graph may hold them all the same."""

OF_INT8 = {ACALSimOpType[name] for name in ("QUANTIZE", "DEQUANTIZE", "CONV_INT8", "GEMM_INT8")}
"""What quantisation makes of other ops; test_int8.py has their cases."""
