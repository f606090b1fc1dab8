# SPDX-License-Identifier: Apache-2.0
"""The machine file as an SST graph: one bridge to the CPU, one component a device, a link each.

A configuration of your own takes main() and build_node() from here and adds what it likes, see examples/.

    sst --add-lib-path=build/host-sst sim/sst/config.py -- --machine default --socket PATH
        [--stats FILE.json] [--spans FILE] [--sst-statistics FILE] [--link-latency 100ps] [--device NAME=FILE.so] [--verbose]

SST runs this in the Python that it was built with, of which only the standard library is needed.
"""

import argparse
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../site_scons"))

import sst  # noqa: E402
from acalsim_backend.errors import AcalsimError  # noqa: E402
from acalsim_backend.host.own import recipe_of  # noqa: E402
from acalsim_backend.machine.file import load_machine  # noqa: E402

STATISTICS = {
    ".csv": ("sst.statOutputCSV", {"separator": ","}),
    ".json": ("sst.statOutputJSON", {}),
    ".txt": ("sst.statOutputTXT", {}),
}


def main(build, parser=None):
    """Read the command line and the machine file; build(machine, options) makes the graph."""
    options = (parser or arguments()).parse_args()
    if any(sst.getProgramOptions().get(f"checkpoint-{period}-period") for period in ("sim", "wall")):
        sys.exit(
            "acalsim: a checkpoint would hold SST's side only: the CPU is in a process of its own; leave it out"
        )
    try:
        machine = load_machine(options.machine)
    except AcalsimError as error:
        sys.exit(f"acalsim: {error}")
    build(machine, options)
    if options.sst_statistics:
        write_statistics(options.sst_statistics)


def arguments():
    """The parser of what every configuration takes."""
    parser = argparse.ArgumentParser(prog="config.py", description=__doc__.splitlines()[0])
    parser.add_argument("--machine", default="default", help="a name in sim/machines/, or a path")
    parser.add_argument("--socket", required=True, help="where to listen for the CPU")
    parser.add_argument("--stats", default="", help="JSON file for the results")
    parser.add_argument("--spans", default="", help="file for what happened when")
    parser.add_argument(
        "--sst-statistics", default="", help="file for SST's own statistics: .csv, .json or .txt"
    )
    parser.add_argument(
        "--link-latency", default="100ps", help="of every link; up to 100ps it costs no cycles"
    )
    parser.add_argument(
        "--device", action="append", default=[], metavar="NAME=FILE.so", help="the library of an own device"
    )
    parser.add_argument("--verbose", action="store_true", help="print every access and state change")
    return parser


def build_node(machine, options, name="", attach=None):
    """One machine: its bridge and its devices, by name. Where there are several machines, `name` is part of
    their components' names and the end of their files'.

    attach(cpu, port, device) connects a device's port "bus" to one of the bridge's; a link, if not given."""
    common = {"verbose": int(options.verbose)}
    spans = {"spans": int(bool(options.spans))}
    before = f"{name}_" if name else ""
    parts = {"cpu": sst.Component(f"{before}cpu", "acalsim.QEMUBinary")}
    parts["cpu"].addParams({**bridge_parameters(machine, options, name), **common})
    for index, device in enumerate(machine.devices):
        component = sst.Component(f"{before}{device.name}", f"acalsim.{component_of(device)}")
        component.addParams({"name": device.name, "base": device.base, **common, **spans})
        component.addParams(own_parameters(device, options) if device.own else device.parameters)
        (attach or linked(options.link_latency))(parts["cpu"], f"device{index}", component)
        parts[device.name] = component
    return parts


def component_of(device):
    return "OwnDevice" if device.own else f"{device.model.capitalize()}Device"


def own_parameters(device, options):
    """What the component of a device of the user's takes: its library, and all that the device is to know."""
    given = dict(text.split("=", 1) for text in options.device)
    if device.name not in given:
        sys.exit(
            f"acalsim: device '{device.name}' is an own one; give its library: --device {device.name}=FILE.so"
        )
    told = " ".join(f"{name}={value}" for name, value in device.parameters.items())
    library = given[device.name] + recipe_of(device.own).told(device.own)
    return {"library": library, "parameters": told}


def linked(latency):
    """Connects a bridge's port to a device with a link of that latency."""

    def attach(cpu, port, device):
        link = sst.Link(f"{cpu.getFullName()}_{port}")
        link.connect((cpu, port, latency), (device, "bus", latency))

    return attach


def write_statistics(path):
    """SST's own statistics of all components, in the format that the file's name ends with."""
    output = STATISTICS.get(os.path.splitext(path)[1])
    if output is None:
        sys.exit(f"acalsim: --sst-statistics is '{path}'; it ends with one of {', '.join(STATISTICS)}")
    sst.setStatisticLoadLevel(1)
    sst.setStatisticOutput(output[0], {"filepath": path, **output[1]})
    sst.enableAllStatisticsForAllComponents()


def bridge_parameters(machine, options, name):
    end = f".{name}" if name else ""
    return {
        "socket": options.socket + end,
        "stats": options.stats and options.stats + end,
        "spans": options.spans and options.spans + end,
        "description": machine.description_text(),
        **{f"ram_{key}": value for key, value in machine.ram.timing.items()},
    }


if __name__ == "__main__":
    main(build_node)
