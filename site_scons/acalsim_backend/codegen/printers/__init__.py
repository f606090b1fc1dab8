# SPDX-License-Identifier: Apache-2.0
"""The statements of every kernel: pointwise ones by themselves, others by the printer of their op."""

from . import copies, linear, norms, order, pointwise, pooling, products, reductions
from .registry import PRINTERS, Printer, prints

__all__ = [
    "PRINTERS",
    "Printer",
    "prints",
    "copies",
    "linear",
    "norms",
    "order",
    "pointwise",
    "pooling",
    "products",
    "reductions",
]
