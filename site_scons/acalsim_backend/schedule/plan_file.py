# SPDX-License-Identifier: Apache-2.0
"""plan.json: what a plan tells the later rooms. The check holds the ELF to it, values go where it says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import astuple, dataclass, field

from ..doors import called
from ..offload.tile import Tiling


@dataclass(frozen=True)
class ElfRow:
    """What the ELF header's class and flags will say."""

    elf_class: int = field(metadata=called("class"))
    float_abi: str
    rvc: bool


@dataclass(frozen=True)
class SymbolRow:
    """A C object of parameters, or of a whole block."""

    name: str
    section: str
    size_bytes: int
    alignment: int


@dataclass(frozen=True)
class WindowRow:
    """A device's addresses."""

    name: str
    base: int
    size_bytes: int


@dataclass(frozen=True)
class FusedRow:
    """An op that is computed in another one's function."""

    name: str
    type: str
    source: str
    aten: tuple[str, ...]


@dataclass(frozen=True)
class Demand:
    """What a model or an op asks of the machine's resources, whatever the compiler makes of it.

    Multiply-accumulates of products, and those of them that are of int8, bfloat16 and float16; elements of other
    ops' results, as often as an op goes over them; those of functions like exp; bytes of parameters, inputs and
    outputs of the graph.
    """

    macs: int = 0
    vector_elements: int = 0
    special_elements: int = 0
    dram_bytes: int = 0
    int8_macs: int = 0
    bfloat16_macs: int = 0
    float16_macs: int = 0

    def __add__(self, other: Demand) -> Demand:
        return Demand(*map(sum, zip(astuple(self), astuple(other), strict=True)))

    def __mul__(self, times: int) -> Demand:
        return Demand(*(times * each for each in astuple(self)))


@dataclass(frozen=True, kw_only=True)
class OpRow:
    """One function of the program: named after its anchor, with the ops fused into it."""

    index: int
    name: str
    symbol: str
    type: str
    placed_on: str
    wait_symbol: str | None = None
    """Of an op that others run beside: the function that waits for it."""
    place_in_run: int | None = None
    """From 1 on: which op of the command list that `symbol` starts, where that list computes several."""
    reason: str
    """Why the op is not on a device; empty where there is nothing to say."""
    tiling: Tiling | None = None
    device_cycles: int | None = None
    """What the device's model foretold."""
    macs: int
    source: str
    aten: tuple[str, ...]
    fused: tuple[FusedRow, ...]
    demand: Demand = Demand()
    rounds: int = 1
    """How often the program computes it; macs, device_cycles and demand are of all rounds."""
    needs: tuple[str, ...] = ()
    """The ops whose results it reads."""


@dataclass(frozen=True)
class BufferRow:
    """An intermediate tensor's bytes in the arena `.buffers`, which others may have before the op of index `first` and after
    that of index `last`. A buffer that is written over an operand has that operand's offset."""

    name: str
    offset: int
    size_bytes: int
    first: int
    last: int


@dataclass(frozen=True)
class TensorRow:
    """An input or output at byte `offset` of its block `symbol`; `op` computes it."""

    name: str
    op: str | None
    symbol: str
    offset: int
    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class PackedRow:
    """A matrix in blocks of `height` lines and `width` of the sum, dense, one after the other; each line by
    line if `by_lines`."""

    lines: int
    depth: int
    by_lines: bool
    height: int
    width: int


@dataclass(frozen=True)
class WeightRow:
    """A parameter; `packed` where its elements do not lie in row-major order."""

    name: str
    symbol: str
    dtype: str
    shape: tuple[int, ...]
    packed: PackedRow | None = None


@dataclass(frozen=True)
class LoopRow:
    """`rounds` of the ops from index `first_op` on.

    The clock before the first round and after each lies at byte `times_offset` of `symbol`: little-endian, 8 bytes
    each. `carried_bytes_read` are those of the tensors that go round which the ops of one round read.
    """

    rounds: int
    first_op: int
    symbol: str
    times_offset: int
    carried_bytes_read: int


@dataclass(frozen=True)
class PlanFile:
    """All of plan.json; `sections` has the bytes of each ELF section that holds tensors."""

    graph: str
    elf: ElfRow
    stack_bytes: int
    symbols: tuple[SymbolRow, ...]
    windows: tuple[WindowRow, ...]
    ops: tuple[OpRow, ...]
    inputs: tuple[TensorRow, ...]
    outputs: tuple[TensorRow, ...]
    sections: Mapping[str, int]
    weights: tuple[WeightRow, ...]
    vector_bytes: int = 0
    """Of a vector register of the CPU; 0: it has none."""
    demand: Demand = Demand()
    buffers: tuple[BufferRow, ...] = ()
    loop: LoopRow | None = None
