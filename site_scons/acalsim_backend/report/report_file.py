# SPDX-License-Identifier: Apache-2.0
"""NAME.json, the report of one run (schema 1), and NAME.verify.json: the contract that users' scripts read.

Every number is an integer unless its key says `error` or it is one of `passed` and `first_bad_op`; keys are
only ever added. Counters that the run has under the same keys are rows of the run's own dataclasses.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ..capture.capture_file import QuantisedOp
from ..check.placement_file import RegionRow
from ..doors import FLAT
from ..simulate.run_file import Counters, EngineCounters, OpCounters

SCHEMA = 1

NONE_IN_INT8 = "no product is in int8, since float32 takes no longer on this machine"
"""What there is to say of a report whose `quantised` is empty."""


@dataclass(frozen=True)
class Ledger:
    """Where cycles go: the CPU's own work, its wait for a register access; and while it waits for a device's
    work what the device does: fetch commands, move a tile between scratchpad and DMA port, compute, store,
    wait for RAM."""

    cpu: int
    stall: int
    fetch: int
    load: int
    compute: int
    store: int
    dram: int
    vector: int = 0


@dataclass(frozen=True)
class Check:
    """How far the outputs are from PyTorch's, and the op whose output is the first that is too far. An error is
    None where no number measures it: NaN where PyTorch has a number, or the reverse."""

    passed: bool
    max_abs_error: float | None
    max_rel_error: float | None
    first_bad_op: str | None


@dataclass(frozen=True)
class Roofline:
    """The fewest cycles that the machine could take if everything overlapped; `limiter` sets them.

    `by` has a term for each resource that the machine has: array, vector, special, dram. Where nothing
    is asked of any, `limiter` is None.
    """

    bound_cycles: int
    limiter: str | None
    by: Mapping[str, int]


@dataclass(frozen=True)
class EnergyLedger:
    """Where picojoules go: multiply-accumulates, the bytes of each memory, other elements of the vector unit, the CPU's
    instructions, and cycles in which the CPU waits."""

    mac: int
    scratchpad: int
    accumulator: int
    dram: int
    vector: int
    special: int
    cpu: int
    idle: int


@dataclass(frozen=True)
class Energy:
    """Whole picojoules; `total_pj` is the ledger's sum, and the run's that of its ops and of the overhead."""

    total_pj: int
    ledger: EnergyLedger


@dataclass(frozen=True)
class Hardware:
    """What a machine's compute devices are made of, all together."""

    sram_bytes: int
    macs_per_cycle: int


@dataclass(frozen=True, kw_only=True)
class ReportedOp:
    """One function of the program; `reason` says why it is not on a device, if there is something to say."""

    index: int
    name: str
    type: str
    placed_on: str
    reason: str = ""
    cycles: int
    ledger: Ledger
    counters: OpCounters = field(metadata=FLAT)
    macs: int
    source: str
    torch_ops: tuple[str, ...]
    fused: tuple[str, ...]
    roofline: Roofline | None = None
    """Of the op alone; reports of earlier versions have none."""
    energy: Energy | None = None
    """Where the machine file says what events take."""


@dataclass(frozen=True)
class Provenance:
    """Hashes of what went in and versions of what made it; nothing that differs between hosts."""

    model_sha256: str
    weights_sha256: str
    elf_sha256: str
    machine_sha256: str
    torch: str
    compiler: str
    qemu: str
    devices: Mapping[str, str] | None = None
    """Of the user's own devices, the digest of what each is made from."""


@dataclass(frozen=True)
class Generated:
    """Tokens that a language model made, one after the other, for each sequence of the batch.

    The first follows from the prompt, whose cycles are from the start of the program; `token_cycles` are those of
    each further one. `tokens_per_second` is of these in all sequences, at the machine file's clock_mhz.
    `cache_bytes_read` are what ops of all steps read of the tensors that go from step to step.
    """

    tokens: tuple[tuple[int, ...], ...]
    expected: tuple[tuple[int, ...], ...]
    """PyTorch's own."""
    prompt_cycles: int
    token_cycles: tuple[int, ...]
    cache_bytes_read: int
    clock_mhz: float | None = None
    tokens_per_second: float | None = None


@dataclass(frozen=True)
class SampleRow:
    """The whole run's cycles with one of several samples, and how far its outputs are from PyTorch's."""

    total_cycles: int
    check: Check


@dataclass(frozen=True, kw_only=True)
class Report:
    """All of NAME.json."""

    schema: int
    model: str
    machine: str
    engine: str
    total_cycles: int
    cpu_cycles: int
    stall_cycles: int
    ledger: Ledger
    counters: Counters = field(metadata=FLAT)
    engine_counters: EngineCounters = field(metadata=FLAT)
    ops: tuple[ReportedOp, ...]
    overhead_cycles: int
    check: Check
    placement: tuple[RegionRow, ...]
    devices: Mapping[str, Mapping[str, int]]
    provenance: Provenance
    quantised: tuple[QuantisedOp, ...] | None = None
    roofline: Roofline | None = None
    hardware: Hardware | None = None
    """Reports of earlier versions have neither."""
    energy: Energy | None = None
    overhead_energy: Energy | None = None
    narrowed: bool | None = None
    """Whether memory and products are of a half type."""
    generated: Generated | None = None
    """Of a language model that makes tokens."""
    samples: tuple[SampleRow, ...] = ()
    """Where there are several; `check` is of all of them, and all else of the first."""
    half: str | None = None
    """The half types of memory and products: "bfloat16", "float16" or both."""


@dataclass(frozen=True)
class VerifiedOp:
    """An op's result beside PyTorch's."""

    name: str
    type: str
    tensor: str
    shape: tuple[int, ...]
    source: str
    aten: tuple[str, ...]
    passed: bool
    max_abs_error: float | None
    max_rel_error: float | None


@dataclass(frozen=True)
class Verification:
    """All of NAME.verify.json: every op in order of execution."""

    schema: int
    check: Check
    ops: tuple[VerifiedOp, ...]
    model_sha256: str = ""
    weights_sha256: str = ""
