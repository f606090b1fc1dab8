# SPDX-License-Identifier: Apache-2.0
"""The drawing of a graph on a page: nothing lies over another, lines lead down to the ops that need one."""

from acalsim_backend.report.page.layout import Sizes, lay_out
from hypothesis import given, settings
from hypothesis import strategies as st

SIZES = Sizes()
ROUNDING = 1e-6


@st.composite
def graphs(draw):
    count = draw(st.integers(0, 14))
    pairs = [(a, b) for b in range(count) for a in range(b)]
    return count, draw(st.lists(st.sampled_from(pairs), unique=True, max_size=30)) if pairs else []


@settings(max_examples=150)
@given(graphs())
def test_ops_do_not_overlap_and_stand_above_those_that_need_them(graph):
    count, edges = graph
    layout = lay_out(count, edges, SIZES)
    for index, (x, y) in enumerate(layout.places):
        assert (
            -ROUNDING <= x <= layout.width - SIZES.width + ROUNDING and 0 <= y <= layout.height - SIZES.height
        )
        for left, top in layout.places[:index]:
            assert abs(left - x) >= SIZES.width - ROUNDING or abs(top - y) >= SIZES.height
    assert all(layout.places[a][1] + SIZES.height < layout.places[b][1] for a, b in edges)


@settings(max_examples=150)
@given(graphs())
def test_a_line_leads_from_the_bottom_of_an_op_to_the_top_of_another_around_all_else(graph):
    count, edges = graph
    layout = lay_out(count, edges, SIZES)
    for (source, target), line in zip(edges, layout.lines, strict=True):
        (x, y), (end_x, end_y) = layout.places[source], layout.places[target]
        assert line[0] == (x + SIZES.width / 2, y + SIZES.height)
        assert line[-1] == (end_x + SIZES.width / 2, end_y)
        assert list(line) == sorted(line, key=lambda point: point[1])
        for across, down in line[1:-1]:
            assert not any(
                left + ROUNDING < across < left + SIZES.width - ROUNDING and top <= down <= top + SIZES.height
                for left, top in layout.places
            )


def test_an_op_that_needs_none_stands_right_above_the_first_that_needs_it():
    layout = lay_out(4, [(0, 1), (1, 3), (2, 3)], SIZES)
    assert layout.places[2][1] == layout.places[1][1]
