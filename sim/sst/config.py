# SPDX-License-Identifier: Apache-2.0
"""The machine file as an SST graph: one bridge to the CPU, one component a device, a link each.

    sst --add-lib-path=build/host-sst sim/sst/config.py -- --machine default --socket PATH
        [--stats FILE.json] [--sst-statistics FILE.csv] [--link-latency 100ps] [--verbose]

SST runs this in the Python that it was built with, of which only the standard library is needed.
"""

import argparse
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../site_scons"))

import sst  # noqa: E402
from acalsim_backend.errors import AcalsimError  # noqa: E402
from acalsim_backend.machine import load_machine  # noqa: E402


def main(arguments):
    options = parse(arguments)
    try:
        machine = load_machine(options.machine)
    except AcalsimError as error:
        sys.exit(f"acalsim: {error}")
    build(machine, options)
    if options.sst_statistics:
        sst.setStatisticLoadLevel(1)
        sst.setStatisticOutput("sst.statOutputCSV", {"filepath": options.sst_statistics, "separator": ","})
        sst.enableAllStatisticsForAllComponents()


def parse(arguments):
    parser = argparse.ArgumentParser(prog="config.py", description=__doc__.splitlines()[0])
    parser.add_argument("--machine", default="default", help="a name in sim/machines/, or a path")
    parser.add_argument("--socket", required=True, help="where to listen for the CPU")
    parser.add_argument("--stats", default="", help="JSON file for the results")
    parser.add_argument("--sst-statistics", default="", help="CSV file for SST's own statistics")
    parser.add_argument("--link-latency", default="100ps", help="of every link; up to 100ps it costs no cycles")
    parser.add_argument("--verbose", action="store_true", help="print every access and state change")
    return parser.parse_args(arguments)


def build(machine, options):
    """The graph of one machine: its bridge, with a link to every device."""
    common = {"verbose": int(options.verbose)}
    bridge = sst.Component("cpu", "acalsim.QEMUBinary")
    bridge.addParams({**bridge_parameters(machine, options), **common})
    for index, device in enumerate(machine.devices):
        component = sst.Component(device.name, f"acalsim.{device.model.capitalize()}Device")
        component.addParams({**device.parameters, "name": device.name, "base": device.base, **common})
        link = sst.Link(f"cpu_{device.name}")
        link.connect((bridge, f"device{index}", options.link_latency), (component, "bus", options.link_latency))


def bridge_parameters(machine, options):
    return {
        "socket": options.socket,
        "stats": options.stats,
        "description": machine.description_text(),
        **{f"ram_{name}": value for name, value in machine.ram.timing.items()},
    }


main(sys.argv[1:])
