# SPDX-License-Identifier: Apache-2.0
"""The numbers of the wire protocol between CPU and simulator; docs/protocol.md has their meaning."""

from .registers import Flag

PROTOCOL_VERSION = 1

REQUEST_TYPES = (
    Flag("REQUEST_READ", 0, "read `size` bytes at `addr`"),
    Flag("REQUEST_WRITE", 1, "write `data`, `size` bytes, at `addr`"),
    Flag(
        "REQUEST_ADVANCE",
        2,
        "`data` CPU cycles passed since the last frame, on the account in the lower half of `addr`, its "
        "caches moved the bytes in the upper half; no response",
    ),
    Flag(
        "REQUEST_HELLO",
        3,
        "`addr` is the client's protocol version; the response's `data` "
        "counts the bytes of machine description that follow it",
    ),
    Flag("REQUEST_TEXT", 4, "`data` bytes of text follow, of the kind in `size`; no response"),
    Flag(
        "REQUEST_WAIT",
        5,
        "the CPU sleeps until an interrupt; the response's `data` has a bit for each "
        "source that was raised since the last one, bit n for source 32 + n",
    ),
)

TEXT_KINDS = (
    Flag("TEXT_RAM", 1, "guest RAM: origin, size and file offset in hex, then the file's path"),
    Flag("TEXT_STATISTICS", 2, "the client's counters, a JSON object, after the simulation's end"),
)

RESPONSE_FLAGS = (
    Flag("RESPONSE_ENDED", 1, "the simulation is over; reserved byte 6"),
    Flag(
        "RESPONSE_INTERRUPT", 2, "a device has interrupted, a WAIT would be answered at once; reserved byte 6"
    ),
)
