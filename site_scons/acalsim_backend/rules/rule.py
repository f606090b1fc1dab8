# SPDX-License-Identifier: Apache-2.0
"""What the user's rules are written in: the base of a rule, and the ops and tensors that it is shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import RuleError
from ..ir.graph import ITEM_BYTES
from ..ir.strides import row_major
from ..machine.machine import Device, Machine


@dataclass(frozen=True)
class Tensor:
    """An operand or a result as the driver finds it in RAM.

    `strides` count elements. `pointer` is its C name in the driver, and what an f-string makes of the tensor.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    strides: tuple[int, ...]
    is_constant: bool = False
    pointer: str = ""

    @property
    def rank(self) -> int:
        return len(self.shape)

    @property
    def elements(self) -> int:
        count = 1
        for size in self.shape:
            count *= size
        return count

    @property
    def item_bytes(self) -> int:
        return ITEM_BYTES[self.dtype]

    @property
    def size_bytes(self) -> int:
        return self.elements * self.item_bytes

    @property
    def is_dense(self) -> bool:
        """Whether the elements follow each other in row-major order without gaps."""
        steps = zip(self.shape, self.strides, row_major(self.shape), strict=True)
        return not self.elements or all(size == 1 or step == own for size, step, own in steps)

    def __str__(self) -> str:
        if not self.pointer:
            raise RuleError(
                f"tensor '{self.name}' is inside the pattern and never in memory: it has no pointer"
            )
        return self.pointer


@dataclass(frozen=True)
class Op:
    """An op, or ops that match a pattern: `parts` has these, the first one first, else the op alone.

    `type` is an op type's name, as in a report; `attrs` are the op's, by ATen's names. Of a pattern `type`,
    `name`, `attrs`, `source` and `output` are the last op's, and `inputs` what comes from outside, in order.
    `source` is the model's line.
    """

    type: str
    name: str
    inputs: tuple[Tensor, ...]
    output: Tensor
    attrs: Mapping[str, Any] = field(default_factory=dict)
    source: str = ""
    parts: tuple[Op, ...] = field(default=(), compare=False)


class Rule:
    """Which ops go to a device, what they take there, and the C that drives it.

    A rules file has a subclass for each kind of work. `matches` is a pattern or several: names of op types from
    the first op to the last, each of which alone reads the one before; "MUL|DIV SOFTMAX" is either behind the
    other. `device` has `name`, `base` and `parameters`; `machine` is the whole machine.

    Operands and result are dense and row-major unless the rule is `strided`: then `takes` is asked about the
    strides that there are, and what it refuses is copied. `declarations` is C before the driver's function.
    """

    matches: str | tuple[str, ...] = ()
    strided: bool = False
    declarations: str = ""

    def __init__(self, device: Device, machine: Machine):
        self.device, self.machine = device, machine

    def takes(self, op: Op) -> bool:
        """Whether the device computes an op that matches."""
        return True

    def cycles(self, op: Op) -> int | None:
        """What the op takes there, from the driver's start to its end. None: it goes there whatever it takes."""
        return None

    def driver(self, op: Op) -> str:
        """The statements in C that have the device compute the op."""
        raise NotImplementedError
