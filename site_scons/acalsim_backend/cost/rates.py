# SPDX-License-Identifier: Apache-2.0
"""What kernels beside the products take, by type of op: fitted to simulated programs (gcc 12, clang 16).

The programs ran with the default latencies; a CPU with other latencies is foretold as if it had these.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from ..ir.graph import ACALSimOpType
from ..machine.machine import Cpu

T = ACALSimOpType
TURN = 4
"""Registers that a turn of a vectorised loop fills."""


@dataclass(frozen=True)
class Row:
    """Cycles of a row, beside those of its elements; and of vector code: of a row, of a whole turn of a loop,
    and of each register that the rest of the row fills."""

    fixed: float
    element: float
    vector: tuple[float, float, float]

    def cycles(self, cpu: Cpu, rows: int, length: int) -> float:
        if not cpu.vlen:
            return rows * (self.fixed + length * self.element)
        lanes = cpu.vlen // 32
        fixed, turn, register = self.vector
        whole, left = divmod(length, TURN * lanes)
        passes = cpu.vlen / cpu.vector_bits
        return rows * (fixed + passes * (whole * turn + math.ceil(left / lanes) * register))


ROWS: Mapping[ACALSimOpType, Row] = {
    T.SOFTMAX: Row(83, 38.2, (101, 236, 38)),
    T.LOG_SOFTMAX: Row(139, 37.9, (179, 140, 31)),
    T.LAYER_NORM: Row(96, 23.3, (112, 127, 18)),
    T.SUM: Row(5.5, 4.2, (13, 11, 2)),
    T.MEAN: Row(26, 4.2, (34, 11, 2)),
    T.VAR: Row(64, 10.4, (76, 21, 2.6)),
    T.PROD: Row(4.4, 5, (25, 20, 6)),
    T.AMAX: Row(4, 8.4, (0, 534, 128)),
    T.AMIN: Row(4, 8.5, (0, 534, 128)),
}
"""Ops that work row by row along their operand's last dimensions."""

ELEMENTS: Mapping[ACALSimOpType, tuple[float, float]] = {
    T.RELU: (6.8, 0.57),
    T.LEAKY_RELU: (6.8, 0.7),
    T.HARDTANH: (9.5, 0.83),
    T.CLAMP: (9.5, 0.83),
    T.SIGN: (6.8, 1.05),
    T.NEG: (3.8, 0.45),
    T.ABS: (3.8, 0.45),
    T.FLOOR: (22, 1.6),
    T.ROUND: (19, 1.36),
    T.EXP: (35.5, 4.15),
    T.EXPM1: (63, 4.1),
    T.TANH: (57.5, 6.45),
    T.SIGMOID: (48.5, 6.0),
    T.GELU: (44.6, 6.1),
    T.ELU: (38, 4.5),
    T.ERF: (64, 7.8),
    T.SIN: (64, 5.9),
    T.COS: (63, 5.9),
    T.ADD: (8.3, 0.61),
    T.SUB: (8.3, 0.61),
    T.MUL: (8.5, 0.61),
    T.DIV: (27.3, 3.1),
    T.MAXIMUM: (13, 0.89),
    T.MINIMUM: (13, 0.89),
}
"""(scalar, 256-bit vectors) of an element of ops whose operands lie as their result does."""
NUMBERS: Mapping[ACALSimOpType, tuple[float, float]] = dict.fromkeys((T.ADD, T.SUB, T.MUL), (3.8, 0.45))
"""The same where an operand is a number."""
TABLE_BITS = 256


def element_cycles(cpu: Cpu, op_type: ACALSimOpType, elements: int, has_number: bool) -> float:
    scalar, vector = (NUMBERS if has_number and op_type in NUMBERS else ELEMENTS)[op_type]
    return elements * (vector * TABLE_BITS / cpu.vector_bits if cpu.vlen else scalar)
