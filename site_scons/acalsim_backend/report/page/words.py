# SPDX-License-Identifier: Apache-2.0
"""Numbers as a page says them: separators, units, shares; and what the keys of a report stand for."""

from __future__ import annotations

from collections.abc import Mapping

from ..compare import error_text

THIN = "\u202f"
"""A narrow space that no line breaks at."""

LEDGER = {
    "cpu": "the CPU's own work",
    "stall": "the CPU waits for a register access",
    "fetch": "the device fetches commands",
    "load": "the device moves tiles into its scratchpad",
    "compute": "the device computes",
    "store": "the device moves results out",
    "dram": "the device waits for RAM",
    "vector": "the device computes what is no product",
}
"""What the CPU's clock runs for; of the last six the CPU waits for a device meanwhile."""

WENT_TO = {
    "cpu": "the CPU",
    "stall": "register accesses",
    "fetch": "the fetching of commands",
    "load": "the loading of tiles",
    "compute": "the device's arithmetic",
    "store": "the storing of results",
    "dram": "RAM",
    "vector": "the vector unit",
}
"""What the time of each entry of the ledger went to."""

RESOURCES = {
    "array": "the matrix array",
    "vector": "the vector unit",
    "special": "the vector unit's special functions",
    "dram": "RAM",
}
"""What a roofline's bound is the bound of."""

UNITS = (
    ("macs_per_cycle", "MACs a cycle"),
    ("cycles", "cycles"),
    ("bytes_read", "bytes"),
    ("bytes_written", "bytes"),
    ("bytes_sent", "bytes"),
    ("bytes", "bytes"),
    ("macs", "MACs"),
    ("transactions", "transactions"),
    ("commands", "commands"),
)
"""By the end of a counter's key; any other counts events."""


def number(value: float) -> str:
    """With separators; what is no integer with three digits."""
    return (
        f"{value:,}" if isinstance(value, int) else f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    )


def percent(part: float, whole: float) -> str:
    share = 100 * part / (whole or 1)
    if share in (0, 100):
        return f"{share:.0f}{THIN}%"
    return f"{share:.1f}{THIN}%" if share >= 0.05 else f"<{THIN}0.1{THIN}%"


def width(part: float, whole: float) -> str:
    """A share as CSS has it."""
    return f"{100 * part / (whole or 1):.2f}%"


def error(value: float | None) -> str:
    """An error as people read it."""
    return error_text(value)


def rank(value: float | None) -> float | str:
    """What an error is sorted by: one that no number measures is the largest."""
    return "Infinity" if value is None else value


def size(count: int) -> str:
    """Bytes as a person reads them."""
    value, unit = float(count), "bytes"
    for larger in ("KiB", "MiB", "GiB"):
        if value < 1024:
            break
        value, unit = value / 1024, larger
    return f"{count:,} bytes" if unit == "bytes" else f"{value:.4g} {unit}"


def unit_of(key: str) -> str:
    return next((unit for end, unit in UNITS if key == end or key.endswith(f"_{end}")), "events")


def name_of(key: str) -> str:
    """A counter's key without the unit, which stands beside its value."""
    name = key.removesuffix("_cycles").removesuffix("_macs_per_cycle").replace("_", " ")
    return name.replace("dma ", "DMA ").replace("macs", "MACs")


def largest(ledger: Mapping[str, int]) -> str:
    """Where most cycles went; the first of those that are alike."""
    return max(ledger, key=lambda name: ledger[name])
