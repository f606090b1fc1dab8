# SPDX-License-Identifier: Apache-2.0
"""The devices behind a merlin router instead of a link each: a crossbar with a port for either end of a bus.

Takes config.py's arguments; needs sst-elements.
"""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))

import sst  # noqa: E402
from config import build_node, main  # noqa: E402

LINK = {"link_bw": "32GB/s", "input_buf_size": "64KiB", "output_buf_size": "64KiB"}


def build(machine, options):
    router = sst.Component("router", "merlin.hr_router")
    ends = 2 * len(machine.devices)
    router.addParams({"id": 0, "num_ports": ends, "xbar_bw": "64GB/s", "flit_size": "8B", **LINK})
    topology = router.setSubComponent("topology", "merlin.singlerouter")
    topology.addParams({"num_ports": ends})
    taken = iter(range(ends))

    def attach(cpu, port, device):
        first, second = next(taken), next(taken)
        end_of_bus(router, cpu, port, first, second, options)
        end_of_bus(router, device, "bus", second, first, options)

    build_node(machine, options, attach=attach)


def end_of_bus(router, owner, port, number, peer, options):
    name = f"{owner.getFullName()}_{port}"
    end = sst.Component(f"{name}_end", "acalsim.NetworkPort")
    end.addParams({"peer": peer})
    sst.Link(name).connect((owner, port, options.link_latency), (end, "bus", options.link_latency))
    control = end.setSubComponent("network", "merlin.linkcontrol")
    control.addParams(LINK)
    sst.Link(f"{name}_router").connect((control, "rtr_port", "1ns"), (router, f"port{number}", "1ns"))


main(build)
