# SPDX-License-Identifier: Apache-2.0
"""What a device in SystemVerilog has beside what it declares: its ports, and the parameters of all such devices."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ..errors import DeviceError
from .rows import Parameter

OF_RTL = (
    Parameter(
        "clock_numerator", 1, 1, 1 << 16, "cycles of the module's clock in clock_denominator of the system's"
    ),
    Parameter("clock_denominator", 1, 1, 1 << 16, "see clock_numerator"),
    Parameter(
        "silent_cycles",
        1_000_000,
        100,
        1 << 40,
        "of its own without a word on its buses; then it hangs, and the run ends",
    ),
    Parameter(
        "not_ready_percent", 0, 0, 95, "of the cycles RAM does not take what it could, to try the module"
    ),
)

DATA_WIDTHS = (32, 64, 128, 256, 512)
"""Of m_axi."""
OFFSET_BITS = 12
"""Of s_axil's addresses at most: a device's window has 4 KiB."""


@dataclass(frozen=True)
class Port:
    """`bits` is a number, or `data` or `data / 8` for m_axi's width, or 0 for any up to 64. A bus may be left out as
    a whole, a port that is not `needed` by itself."""

    name: str
    is_output: bool
    bits: int | str
    needed: bool
    description: str

    @property
    def bus(self) -> str:
        """What is left out as a whole or not at all."""
        return self.name[:7] if self.name.startswith("m_axi_") else "s_axil" if "axil" in self.name else ""


def _port(name: str, direction: str, bits: int | str, description: str, needed: bool = True) -> Port:
    return Port(name, direction == "out", bits, needed, description)


PORTS = (
    _port("clk", "in", 1, "all that is registered changes at its rising edge"),
    _port(
        "rst_n",
        "in",
        1,
        "0 at the beginning and after CONTROL = RESET, for four cycles; no valid may be 1 then",
    ),
    _port(
        "busy",
        "out",
        1,
        "from a register: BUSY as the CPU has it; set with the answer to what starts work, if not before",
    ),
    _port("irq", "out", 1, "raises the device's interrupt when it goes to 1", needed=False),
    _port("s_axil_awaddr", "in", 0, "a register's offset"),
    _port("s_axil_awprot", "in", 3, "always 0", needed=False),
    _port("s_axil_awvalid", "in", 1, ""),
    _port("s_axil_awready", "out", 1, ""),
    _port("s_axil_wdata", "in", 32, ""),
    _port("s_axil_wstrb", "in", 4, "always 15", needed=False),
    _port("s_axil_wvalid", "in", 1, ""),
    _port("s_axil_wready", "out", 1, ""),
    _port("s_axil_bresp", "out", 2, "0, or else the CPU's access fails"),
    _port("s_axil_bvalid", "out", 1, ""),
    _port("s_axil_bready", "in", 1, "always 1"),
    _port("s_axil_araddr", "in", 0, "a register's offset"),
    _port("s_axil_arprot", "in", 3, "always 0", needed=False),
    _port("s_axil_arvalid", "in", 1, ""),
    _port("s_axil_arready", "out", 1, ""),
    _port("s_axil_rdata", "out", 32, ""),
    _port("s_axil_rresp", "out", 2, "0, or else the CPU's access fails"),
    _port("s_axil_rvalid", "out", 1, ""),
    _port("s_axil_rready", "in", 1, "always 1"),
    _port("m_axi_arid", "out", 0, "answers of one id come in order", needed=False),
    _port("m_axi_araddr", "out", 0, "of the first byte"),
    _port("m_axi_arlen", "out", 8, "beats, less 1"),
    _port("m_axi_arsize", "out", 3, "log2 of a beat's bytes"),
    _port("m_axi_arburst", "out", 2, "1: INCR"),
    _port("m_axi_arvalid", "out", 1, ""),
    _port("m_axi_arready", "in", 1, "0 while 16 bursts are under way"),
    _port("m_axi_rid", "in", 0, "as m_axi_arid", needed=False),
    _port("m_axi_rdata", "in", "data", ""),
    _port("m_axi_rresp", "in", 2, "always 0", needed=False),
    _port("m_axi_rlast", "in", 1, "", needed=False),
    _port("m_axi_rvalid", "in", 1, ""),
    _port("m_axi_rready", "out", 1, ""),
    _port("m_axi_awid", "out", 0, "", needed=False),
    _port("m_axi_awaddr", "out", 0, "of the first byte"),
    _port("m_axi_awlen", "out", 8, "beats, less 1"),
    _port("m_axi_awsize", "out", 3, "log2 of a beat's bytes"),
    _port("m_axi_awburst", "out", 2, "1: INCR"),
    _port("m_axi_awvalid", "out", 1, ""),
    _port("m_axi_awready", "in", 1, "0 while 16 bursts are under way"),
    _port("m_axi_wdata", "out", "data", ""),
    _port("m_axi_wstrb", "out", "data / 8", ""),
    _port("m_axi_wlast", "out", 1, ""),
    _port("m_axi_wvalid", "out", 1, ""),
    _port("m_axi_wready", "in", 1, "from the cycle after m_axi_aw on"),
    _port("m_axi_bid", "in", 0, "as m_axi_awid", needed=False),
    _port("m_axi_bresp", "in", 2, "always 0", needed=False),
    _port("m_axi_bvalid", "in", 1, "all of the burst is in RAM"),
    _port("m_axi_bready", "out", 1, ""),
)

BUSES = {"m_axi_r": ("m_axi_r", "m_axi_ar"), "m_axi_w": ("m_axi_w", "m_axi_aw", "m_axi_b")}


def part_of(name: str) -> str:
    """The part of m_axi, reading or writing, that a port belongs to, or ''."""
    for part, prefixes in BUSES.items():
        if name.startswith(prefixes):
            return part
    return ""


@dataclass(frozen=True)
class Found:
    """A port as a module has it."""

    is_output: bool
    bits: int


def check_ports(module: str, found: Mapping[str, Found]) -> None:
    """Raise DeviceError with the first port that is missing, of the wrong direction or width, or driven by nothing."""
    parts = {part_of(name) for name in found}
    width = next((found[name].bits for name in ("m_axi_rdata", "m_axi_wdata") if name in found), 0)
    for port in PORTS:
        part = part_of(port.name)
        if port.name in found:
            _check_port(module, port, found[port.name], width)
        elif port.needed and (not part or part in parts):
            raise DeviceError(f"{module} has no port {_text(port, width)}")
    known = {port.name for port in PORTS}
    for name, one in found.items():
        if name not in known and not one.is_output:
            raise DeviceError(
                f"{module} has an input '{name}' that nothing drives; known are {', '.join(_inputs())}"
            )


def _inputs() -> Iterator[str]:
    return (port.name for port in PORTS if not port.is_output)


def _check_port(module: str, port: Port, found: Found, width: int) -> None:
    wanted = _bits(port, width)
    fits = found.bits == wanted if wanted else found.bits <= 64
    if port.bits == "data":
        fits = fits and found.bits in DATA_WIDTHS
    if found.is_output != port.is_output or not fits:
        is_there = f"{'an output' if found.is_output else 'an input'} of {found.bits} bits"
        raise DeviceError(f"{module} has {is_there} '{port.name}'; it takes {_text(port, width)}")


def _bits(port: Port, width: int) -> int:
    if isinstance(port.bits, int):
        return port.bits
    return width if port.bits == "data" else width // 8


def _text(port: Port, width: int) -> str:
    wanted = _bits(port, width)
    many = f"{wanted} bits" if wanted else "up to 64 bits"
    if port.bits == "data" and width not in DATA_WIDTHS:
        many = f"{', '.join(map(str, DATA_WIDTHS[:-1]))} or {DATA_WIDTHS[-1]} bits"
    return f"'{port.name}', an {'output' if port.is_output else 'input'} of {many}"
