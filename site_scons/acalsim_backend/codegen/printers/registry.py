# SPDX-License-Identifier: Apache-2.0
"""Which function prints the statements of which op; printers register themselves."""

from __future__ import annotations

from collections.abc import Callable

from ...ir.graph import ACALSimOpType
from ..site import Site

Printer = Callable[[Site], list[str]]
"""A kernel in the making in, its statements as lines of C out.

A printer hands the elements of the result to `Elements`, which goes on with the ops fused behind it and
stores what stays in memory. Names that begin with KERNEL are completed by the code generator.
"""

PRINTERS: dict[ACALSimOpType, Printer] = {}


def prints(*types: ACALSimOpType) -> Callable[[Printer], Printer]:
    """Registers a function as the printer of these ops."""

    def register(printer: Printer) -> Printer:
        for each in types:
            if each in PRINTERS:
                raise ValueError(f"{each.name} is printed by {PRINTERS[each].__name__} already")
            PRINTERS[each] = printer
        return printer

    return register
