# SPDX-License-Identifier: Apache-2.0
"""Many nodes in one simulation, each a machine of its own with a CPU of its own.

Takes config.py's arguments and --nodes; node 3 listens at SOCKET.node3 and leaves STATS.node3.
"""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))

from config import arguments, build_node, main  # noqa: E402


def build(machine, options):
    for node in range(options.nodes):
        build_node(machine, options, f"node{node}")


parser = arguments()
parser.add_argument("--nodes", type=int, default=2)
main(build, parser)
