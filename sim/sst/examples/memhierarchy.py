# SPDX-License-Identifier: Apache-2.0
"""RAM's time from SST's memHierarchy instead of the machine file's [ram]: a controller with a bank model.

Takes config.py's arguments; needs sst-elements. The machine file stays what compiler and CPU see.
"""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))

import sst  # noqa: E402
from config import build_node, main  # noqa: E402


def build(machine, options):
    parts = build_node(machine, options)
    interface = parts["cpu"].setSubComponent("memory", "memHierarchy.standardInterface")
    controller = sst.Component("memory", "memHierarchy.MemController")
    controller.addParams({
        "clock": "1GHz",
        "backing": "none",  # the bytes are in guest RAM
        "addr_range_start": machine.ram.origin,
        "addr_range_end": machine.ram.end - 1,
    })
    backend = controller.setSubComponent("backend", "memHierarchy.simpleDRAM")
    backend.addParams({
        "mem_size": f"{machine.ram.size_bytes}B",
        "banks": machine.ram.banks,
        "row_size": "1KiB",
        "cycle_time": "1ns",
        "tCAS": 14,
        "tRCD": 14,
        "tRP": 14,
    })
    link = sst.Link("cpu_memory")
    link.connect((interface, "lowlink", "1ns"), (controller, "highlink", "1ns"))


main(build)
