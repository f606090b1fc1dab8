# SPDX-License-Identifier: Apache-2.0
"""SST on several ranks and with several nodes, and with SST's own elements."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from acalsim_backend.errors import MachineError
from acalsim_backend.machine.file import load_machine
from simulator_fixtures import COMPUTE, RESULT, ROOT, Client
from sst_fixtures import RANKS, assert_success, has_element, needs_mpirun, needs_sst, outcome, session, start

# --- The same numbers -----------------------------------------------------------------------------


@needs_sst
@needs_mpirun
def test_two_ranks_give_the_same_session(config, server, ram, two_computes):
    sst = config("--partitioner=sst.linear", before=RANKS.split(), ours=["--machine", two_computes])
    in_sst = outcome(sst, Client(sst.socket), ram, 1)
    reference = server("--machine", two_computes)
    reference.process.stats = reference.stats
    assert in_sst == outcome(reference.process, reference.client(), ram, 1)


# --- Many nodes -----------------------------------------------------------------------------------


@needs_sst
@pytest.mark.parametrize("options", [(), ("-n", "2")], ids=["one thread", "two threads"])
def test_each_node_of_a_cluster_is_the_machine_alone(config, server, ram, two_computes, options):
    _, shared, list_bytes, _ = ram  # which all nodes leave as they found it, but for results
    nodes = {f".node{node}": node for node in range(3)}
    ours = ["--machine", two_computes, "--nodes", len(nodes)]
    sst = config(*options, ours=ours, script="examples/cluster.py", nodes=nodes)
    with ThreadPoolExecutor() as pool:
        clients = {node: Client(f"{sst.socket}{node}") for node in nodes}
        sessions = {
            node: pool.submit(session, clients[node], shared, list_bytes, nodes[node]) for node in nodes
        }
        in_sst = {node: one.result(60) for node, one in sessions.items()}
    assert_success(sst)
    for node, seed in nodes.items():
        alone = server("--machine", two_computes)
        assert in_sst[node] == session(alone.client(), shared, list_bytes, seed)
        assert_success(alone.process)
        assert json.loads(Path(f"{sst.stats}{node}").read_text()) == json.loads(alone.stats.read_text())


# --- SST's own elements ---------------------------------------------------------------------------


def needs_element(name):
    return pytest.mark.skipif(not has_element(name), reason=f"needs {name} of sst-elements")


@needs_sst
@pytest.mark.parametrize(
    "example",
    [
        pytest.param("memhierarchy", marks=needs_element("memHierarchy")),
        pytest.param("network", marks=needs_element("merlin")),
    ],
)
def test_ssts_memory_and_network_change_the_time_and_nothing_else(sst_server, server, ram, example):
    path, shared, list_bytes, _ = ram
    before = path.read_bytes()

    def work(process):
        client = process.client()
        client.send(shared)
        answers = [*start(client, COMPUTE, list_bytes), client.read(COMPUTE + RESULT), client.end()]
        assert_success(process.process)
        after = path.read_bytes()
        path.write_bytes(before)
        return [answer[:2] for answer in answers], after, answers[-2][2]

    example = ROOT / f"sim/sst/examples/{example}.toml"
    *in_sst, cycles = work(sst_server("--machine", example))
    *alone, other_cycles = work(server())
    assert in_sst == alone and cycles != other_cycles


def test_a_configuration_for_sst_that_is_not_there_is_told(tmp_path):
    path = tmp_path / "machine.toml"
    path.write_text('[sst]\nconfig = "nowhere.py"\n[devices.echo]\nbase = 0x10200000\n')
    with pytest.raises(
        MachineError, match=r"machine.toml: sst.config is 'nowhere.py'; there is no file '.*/nowhere.py'$"
    ):
        load_machine(str(path))


def test_a_machine_with_a_configuration_for_sst_is_no_machine_of_the_embedded_engine(server):
    process = server("--machine", ROOT / "sim/sst/examples/network.toml")
    status, _, err = process.finish()
    assert status == 1 and err.endswith("sst.config says more than this engine knows; it needs ENGINE=sst\n")
