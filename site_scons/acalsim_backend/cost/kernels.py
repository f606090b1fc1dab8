# SPDX-License-Identifier: Apache-2.0
"""The door of this room: kernel_cycles, for every type of op that has a kernel on the CPU."""

from __future__ import annotations

from ..ir.graph import ACALSimIR, ACALSimOp, ACALSimOpType
from ..machine.machine import Cpu, Machine
from . import scalar, vector
from .shapes import grids_of, matmul_of

T = ACALSimOpType
CALL = 30
"""Cycles of the functions around a kernel."""


def kernel_cycles(machine: Machine, ir: ACALSimIR, op: ACALSimOp) -> int:
    """CPU cycles of the kernel that computes `op` alone, within about 15 % of what is simulated.

    Copies and paddings that the kernel may need are ops of their own. Without caches; these are not foreseen.
    """
    return round(CALL + _products(machine.cpu, ir, op))


def _products(cpu: Cpu, ir: ACALSimIR, op: ACALSimOp) -> float:
    if op.op_type in (T.CONV, T.CONV_INT8):
        times, grids = grids_of(ir, op)
        if op.op_type is T.CONV_INT8:
            return times * sum(scalar.conv_i8_cycles(grid) for grid in grids)
        if cpu.vlen:
            return times * sum(vector.conv_cycles(grid, cpu) for grid in grids)
        return times * sum(scalar.conv_cycles(grid, cpu.latency) for grid in grids)
    product = matmul_of(ir, op)
    if op.op_type is T.GEMM_INT8:
        return scalar.matmul_i8_cycles(product, bool(cpu.vlen))
    if cpu.vlen:
        return vector.matmul_cycles(product, cpu)
    return scalar.matmul_cycles(product, cpu.latency)
