# SPDX-License-Identifier: Apache-2.0
"""Rows that vectors do not divide, on a simulated CPU with vectors."""

from acalsim_backend import pipeline
from host_fixtures import captured_function, f

LENGTHS = (31, 32, 48, 64)


def test_a_row_that_vectors_do_not_divide_costs_no_more_than_the_next_that_they_do(tmp_path):
    captured = captured_function(
        lambda *rows: [x.softmax(-1) for x in rows], [f(16, length) for length in LENGTHS]
    )
    _, report = pipeline.run_graph(tmp_path, captured.ir, captured.inputs, captured.references, "vector")
    cycles = dict(zip(LENGTHS, (op.cycles for op in report.ops), strict=True))
    assert cycles[31] < 1.2 * cycles[32] and cycles[48] < 1.2 * cycles[64]
