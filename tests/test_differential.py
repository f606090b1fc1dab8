# SPDX-License-Identifier: Apache-2.0
"""Random graphs on random machines, held to PyTorch; and what is found made small."""

import pytest
from differential.batch import Verdict, random_case, verdict_on
from differential.generate import random_graph
from differential.graph import module_of
from differential.shrink import failures, shrunk

SEED = 7
GRAPHS = 12
"""Of a batch, which is one program."""


@pytest.mark.parametrize(
    "number", [0, 2, 3, *(pytest.param(number, marks=pytest.mark.slow) for number in range(4, 24))]
)
def test_graphs_of_a_batch_compute_what_pytorch_computes(number):
    case = random_case(SEED, number, GRAPHS)
    verdict = verdict_on(case)
    assert verdict == Verdict(), (
        f"python bench/differential.py --seed {SEED} --graphs {GRAPHS} --case {number} makes it small\n"
        f"{case.machine}\n{case.graphs[verdict.graph].source() if verdict.graph is not None else case.model}"
    )


def test_a_seed_and_a_number_make_the_same_case_again():
    assert random_case(3, 1, 4) == random_case(3, 1, 4) != random_case(3, 2, 4)


def test_graphs_are_of_many_sizes_and_their_text_is_what_runs():
    graphs = [random_graph(1, number)[0] for number in range(12)]
    assert min(len(graph.steps) for graph in graphs) < 5 and max(len(graph.steps) for graph in graphs) > 12
    for graph in graphs:
        module, inputs = module_of(graph)
        assert len(module(*inputs)) == len(graph.outputs)


def test_what_fails_is_made_as_small_as_it_fails():
    """The judge here dislikes softmax on a machine with a vector unit, and nothing else."""
    seen = []

    def judge(case):
        seen.append(case)
        bad = [number for number, graph in enumerate(case.graphs) if "softmax" in graph.source()]
        is_bad = bad and "lanes" in case.machine
        return Verdict("wrong output", "softmax", bad[0]) if is_bad else Verdict()

    number = next(number for number in range(99) if judge(random_case(2, number, 8)).kind != "passed")
    case = random_case(2, number, 8)
    found, passed = failures(case, judge)
    assert found and passed == 8 - len(found) and all(len(each.graphs) == 1 for each, _ in found)
    small = shrunk(*found[0], seconds=20, judge=judge)
    (graph,) = small.graphs
    assert len(graph.steps) == 1 and "softmax" in graph.source()
    assert "lanes" in small.machine and len(small.machine) < len(case.machine) and len(seen) < 500
