# SPDX-License-Identifier: Apache-2.0
"""The door of this room: kernel_cycles, for every type of op that has a kernel on the CPU."""

from __future__ import annotations

import math

from ..errors import CostError
from ..ir.graph import HALVES, ACALSimIR, ACALSimOp, ACALSimOpType
from ..ir.shapes import Shape, reduced_dims
from ..machine.machine import Cpu, Machine
from . import scalar, vector
from .rates import ELEMENTS, ROWS, element_cycles
from .shapes import grids_of, matmul_of

T = ACALSimOpType
PRODUCTS = (T.CONV, T.CONV_INT8, T.GEMM, T.GEMM_INT8, T.MATMUL, T.BMM)
CALL = 30
"""Cycles of the functions around a kernel."""


def kernel_cycles(machine: Machine, ir: ACALSimIR, op: ACALSimOp) -> int:
    """CPU cycles of the kernel that computes `op` alone.

    Most float32 products are within 15 % of what is simulated, most other ops that are not broadcast and most
    int8 products within 25 %. int8 convolutions with vectors have the scalar rates; nobody measured them. Copies
    and paddings that the kernel may need are ops of their own. Without caches; these are not foreseen. Raises
    CostError for types of ops that this room does not know.
    """
    return round(CALL + _cycles(machine.cpu, ir, op))


def _cycles(cpu: Cpu, ir: ACALSimIR, op: ACALSimOp) -> float:
    if op.op_type in PRODUCTS:
        return _products(cpu, ir, op)
    if op.op_type in ROWS:
        shape = ir.tensors[op.inputs[0]].shape
        dims = _row_dims(op, shape)
        length = math.prod(shape[dim] for dim in dims)
        return ROWS[op.op_type].cycles(cpu, math.prod(shape) // max(length, 1), length)
    if op.op_type in ELEMENTS:
        return element_cycles(cpu, op.op_type, ir.tensors[op.outputs[0]].elements, len(op.inputs) < 2)
    raise CostError(f"op '{op.name}': what {op.op_type.name} takes on the CPU is not known")


def _row_dims(op: ACALSimOp, shape: Shape) -> tuple[int, ...]:
    if op.op_type is T.LAYER_NORM:
        return tuple(range(len(shape) - len(op.attrs["normalized_shape"]), len(shape)))
    return tuple(reduced_dims(shape, op.attrs))


def _products(cpu: Cpu, ir: ACALSimIR, op: ACALSimOp) -> float:
    dtype = ir.tensors[op.inputs[0]].dtype
    if op.op_type in (T.CONV, T.CONV_INT8):
        times, found = grids_of(ir, op)
        grids = [
            grid for grid in found if grid.rows and grid.columns
        ]  # phases of a transposed one may have none
        if dtype in HALVES:
            return times * sum(scalar.conv_half_cycles(grid, dtype, bool(cpu.vlen)) for grid in grids)
        if op.op_type is T.CONV_INT8:
            return times * sum(scalar.conv_i8_cycles(grid) for grid in grids)
        if cpu.vlen:
            return times * sum(vector.conv_cycles(grid, cpu) for grid in grids)
        return times * sum(scalar.conv_cycles(grid, cpu.latency) for grid in grids)
    product = matmul_of(ir, op)
    if dtype in HALVES:
        return scalar.matmul_half_cycles(product, dtype, bool(cpu.vlen))
    if op.op_type is T.GEMM_INT8:
        return scalar.matmul_i8_cycles(product, bool(cpu.vlen))
    if cpu.vlen:
        return vector.matmul_cycles(product, cpu)
    return scalar.matmul_cycles(product, cpu.latency)
