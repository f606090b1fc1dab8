# SPDX-License-Identifier: Apache-2.0
"""RAM's time from SST's memHierarchy: its timingDRAM with the channels, banks and rows of the machine file's [ram].

Takes config.py's arguments; needs sst-elements. The compiler chooses tiles by [ram] as ever.
"""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))

import sst  # noqa: E402
from config import build_node, main  # noqa: E402

COLUMN_ACCESS = 14
"""Cycles from an open row to the first data, CL in a data sheet."""
LINE_BYTES = 64


def build(machine, options):
    ram = machine.ram
    parts = build_node(machine, options)
    interface = parts["cpu"].setSubComponent("memory", "memHierarchy.standardInterface")
    controller = sst.Component("memory", "memHierarchy.MemController")
    controller.addParams(
        {
            "clock": "1GHz",
            "backing": "none",  # the bytes are in guest RAM
            "addr_range_start": ram.origin,
            "addr_range_end": ram.end - 1,
        }
    )
    backend = controller.setSubComponent("backend", "memHierarchy.timingDRAM")
    backend.addParams(
        {
            "id": 0,
            "clock": "1GHz",
            "mem_size": f"{ram.size_bytes}B",
            "max_requests_per_cycle": ram.channels,
            "channels": ram.channels,
            "addrMapper": "memHierarchy.roundRobinAddrMapper",
            "addrMapper.interleave_size": f"{ram.interleave_bytes}B",
            "addrMapper.row_size": f"{ram.row_bytes}B",
            "channel.transaction_Q_size": 32,
            "channel.rank.numBanks": ram.banks,
        }
    )
    bank = {
        "CL": COLUMN_ACCESS,
        "CL_WR": COLUMN_ACCESS,
        "RCD": ram.row_miss_cycles // 2,
        "TRP": ram.row_miss_cycles - ram.row_miss_cycles // 2,
        "dataCycles": LINE_BYTES // ram.bytes_per_cycle,
        "transactionQ": "memHierarchy.reorderTransactionQ",
        "pagePolicy": "memHierarchy.simplePagePolicy",
        "pagePolicy.close": 0,
    }
    backend.addParams({f"channel.rank.bank.{name}": value for name, value in bank.items()})
    backend.addParams(
        {f"{part}printconfig": 0 for part in ("", "channel.", "channel.rank.", "channel.rank.bank.")}
    )
    link = sst.Link("cpu_memory")
    link.connect((interface, "lowlink", "1ns"), (controller, "highlink", "1ns"))


main(build)
