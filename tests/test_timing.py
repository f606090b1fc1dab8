# SPDX-License-Identifier: Apache-2.0
"""The array on its own: the model against closed formulas and a literal count, and the CSV door."""

import csv
import io
import itertools
import os
import random
import subprocess
import sys
import time

import pytest
from acalsim_backend.errors import TimingError
from acalsim_backend.host import library
from acalsim_backend.timing import LARGEST_SIZE
from array_formulas import MODES, NO_FETCH, OVERLAPS, expected
from conftest import modules_imported_by
from hypothesis import given, settings
from hypothesis import strategies as st
from simulator_fixtures import ROOT

pytestmark = pytest.mark.quick


def compare(embedded, cases):
    wrong = [
        (case, found, expected(*case))
        for case, found in zip(cases, embedded.array_cycles(cases), strict=True)
        if found != expected(*case)
    ]
    assert not wrong, f"{len(wrong)} of {len(cases)}: (case, found, expected) {wrong[0]}"


# --- The model -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("dataflow", "overlap"), MODES)
def test_every_small_case_takes_the_cycles_of_its_formula(embedded, dataflow, overlap):
    sizes = itertools.product((1, 3, 4), (1, 2, 5), (1, 4, 7), (1, 5, 6), (1, 3, 4, 9), (0, 1, 3, 4, 20))
    compare(embedded, [(dataflow, overlap, *size, *NO_FETCH) for size in sizes])


def random_case(chooser, largest_array, largest, fetched):
    size = [chooser.randint(1, largest) for _ in range(3)]
    array = [chooser.randint(1, largest_array) for _ in range(2)]
    fetch = (chooser.randint(1, 40), chooser.choice([0, chooser.randint(1, 80)]), chooser.randint(1, 9))
    tile_m = chooser.choice([0, chooser.randint(1, largest)])
    return (*chooser.choice(MODES), *array, *size, tile_m, *(fetch if fetched else NO_FETCH))


def test_thousands_of_random_cases_take_the_cycles_of_their_formula(embedded):
    chooser = random.Random(1)
    compare(embedded, [random_case(chooser, 16, 100, False) for _ in range(4000)])


def test_thousands_of_fetched_cases_take_the_cycles_of_the_recurrence(embedded):
    chooser = random.Random(2)
    compare(embedded, [random_case(chooser, 12, 60, True) for _ in range(4000)])


def test_long_runs_are_counted_as_if_they_were_walked(embedded):
    """Few rows and many tiles: periods of all lengths, also where buffers fill slowly."""
    chooser = random.Random(3)
    cases = []
    for _ in range(100):
        array, bandwidth = [chooser.randint(1, 4) for _ in range(2)], chooser.randint(1, 9)
        size = (chooser.randint(1, 40), chooser.randint(1, 100), chooser.randint(1, 40))
        fetch = (bandwidth, chooser.randint(0, 500), chooser.choice([1, 2, 3, 7, 60, 5000]))
        cases.append((*chooser.choice(MODES), *array, *size, chooser.randint(1, 5), *fetch))
    compare(embedded, cases)


@given(st.data())
@settings(max_examples=200)
def test_more_bandwidth_less_latency_and_more_buffers_never_cost(embedded, data):
    draw = lambda largest: data.draw(st.integers(1, largest))  # noqa: E731
    mode = data.draw(st.sampled_from(MODES))
    problem = (*mode, draw(8), draw(8), draw(40), draw(40), draw(40), draw(40))
    bandwidth, latency, depth = draw(20), draw(50), draw(5)
    slow, *others = embedded.array_cycles(
        [
            (*problem, bandwidth, latency, depth),
            (*problem, bandwidth + 1, latency, depth),
            (*problem, bandwidth, latency - 1, depth),
            (*problem, bandwidth, latency, depth + 1),
            (*problem, *NO_FETCH),
        ]
    )
    assert all(other <= slow for other in others)


@pytest.mark.parametrize(("dataflow", "overlap"), MODES)
def test_a_fetch_of_no_bytes_to_speak_of_delays_the_first_tile_only(embedded, dataflow, overlap):
    problem = (dataflow, overlap, 4, 4, 30, 30, 30, 9)
    none, wide = embedded.array_cycles([(*problem, *NO_FETCH), (*problem, LARGEST_SIZE, 0, 2)])
    assert wide == none + 1
    far, near = embedded.array_cycles(
        [(*problem, LARGEST_SIZE, 7, 10**4), (*problem, LARGEST_SIZE, 0, 10**4)]
    )
    assert far == near + 7


def test_overlap_helps_or_costs_nothing(embedded):
    chooser = random.Random(4)
    for _ in range(300):
        dataflow, _, *rest = random_case(chooser, 16, 60, chooser.random() < 0.5)
        serial, single, double = embedded.array_cycles([(dataflow, overlap, *rest) for overlap in OVERLAPS])
        assert serial >= single >= double


def test_a_ragged_tile_costs_what_a_full_one_does(embedded):
    for dataflow, overlap in MODES:
        for fetch in (NO_FETCH, (3, 20, 2)):
            ragged, full = embedded.array_cycles(
                [(dataflow, overlap, 8, 8, m, n, 16, 8, *fetch) for m, n in ((16, 9), (16, 16))]
            )
            assert ragged == full
    for ragged, full in [
        (("ws", 16, 16, 9, 8), ("ws", 16, 16, 16, 8)),
        (("os", 9, 16, 16, 8), ("os", 16, 16, 16, 8)),
    ]:
        a, b = embedded.array_cycles(
            [(dataflow, "double", 8, 8, *rest, 3, 20, 2) for dataflow, *rest in (ragged, full)]
        )
        assert a == b


def test_the_last_tile_is_that_of_the_rows_left_over(embedded):
    """Double-buffered, only the last tile's stream may be shorter than a load: order shows."""
    case = ("ws", "double", 8, 4, 17, 8, 24, 16, *NO_FETCH)
    strip = [16, 16, 16, 1, 1, 1]
    assert embedded.array_cycles([case]) == [8 + sum(max(t, 8) for t in (strip + strip)[:-1]) + 1 + 8 + 4 - 1]


def test_tile_m_of_os_is_cut_to_what_the_array_holds(embedded):
    def cycles(tile_m):
        return embedded.array_cycles([("os", "double", 8, 8, 32, 8, 50, tile_m, *NO_FETCH)])[0]

    assert cycles(0) == cycles(8) == cycles(16) == cycles(32) == cycles(1000) == 50 * 4 + 16 + 8 - 1
    assert cycles(4) == 50 * 8 + 16 + 8 - 1
    assert cycles(12) == 50 * (2 + 2 + 1) + 16 + 8 - 1


def test_a_billion_tiles_are_counted_at_once(embedded):
    start = time.perf_counter()
    cases = [
        ("ws", "double", 8, 8, 4096, 4096, 4096, 8, *NO_FETCH),
        ("os", "double", 1, 1, 2**15, 2**15, 7, 1, 3, 90, 4),
    ]
    ws, _ = embedded.array_cycles(cases)
    assert ws == 8 + 8 * 512**3 + 8 + 8 - 1
    assert time.perf_counter() - start < 0.5


@pytest.mark.parametrize("mode", MODES)
def test_cycles_that_63_bits_cannot_hold_are_refused(embedded, mode):
    with pytest.raises(OverflowError, match="63 bits"):
        embedded.array_cycles([(*mode, 1, 1, LARGEST_SIZE, LARGEST_SIZE, LARGEST_SIZE, 1, *NO_FETCH)])
    with pytest.raises(OverflowError, match="63 bits"):
        embedded.array_cycles([(*mode, 1, 1, 2**16, 2**16, 2**16, 1, 1, LARGEST_SIZE, 2)])
    with pytest.raises(OverflowError):
        embedded.array_cycles([(*mode, 1, 1, LARGEST_SIZE + 1, 1, 1, 1, *NO_FETCH)])


def test_a_size_of_nothing_is_refused(embedded):
    for place in (2, 3, 4, 5, 6, 10):
        case = ["ws", "serial", 4, 4, 4, 4, 4, 4, 1, 0, 2]
        case[place] = 0
        with pytest.raises(ValueError, match="a size is 0"):
            embedded.array_cycles([tuple(case)])


# --- The command -----------------------------------------------------------------------------------

HEADER = "dataflow,overlap,rows,cols,M,N,K,tile_m"
GOOD = "ws,double,16,16,256,256,256,256"


@pytest.fixture
def run(engine_library, tmp_path):
    """Runs the command on a CSV text, as file cases.csv or as standard input; returns what it did."""

    def start(text, *arguments, path=None, library=engine_library):
        (tmp_path / "cases.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
        command = [sys.executable, "-m", "acalsim_backend.timing", path or "cases.csv", *arguments]
        environment = {**os.environ, "PYTHONPATH": str(ROOT / "site_scons"), "ACALSIM_ENGINE": str(library)}
        with open(tmp_path / "cases.csv") as stdin:
            return subprocess.run(
                command,
                cwd=tmp_path,
                env=environment,
                stdin=stdin,
                capture_output=True,
                text=True,
                timeout=20,
            )

    return start


def test_the_rows_come_back_with_their_cycles(run):
    done = run(f"{HEADER}\n{GOOD}\nos,serial,4,4,9,9,10,\n")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{HEADER},cycles\n{GOOD},65583\nos,serial,4,4,9,9,10,,{9 * (8 + 4 + 10 - 1)}\n"


def test_standard_input_serves_as_well(run):
    assert run(f"{HEADER}\n{GOOD}\n", path="-").stdout == f"{HEADER},cycles\n{GOOD},65583\n"


def test_columns_come_in_any_order_and_unknown_ones_are_passed_on(run):
    done = run('name,K,N,M,cols,rows,tile_m,overlap,dataflow,depth\n"a, b",256,256,256,16,16,0,double,ws,\n')
    assert list(csv.reader(io.StringIO(done.stdout)))[1][::10] == ["a, b", "65583"]


def test_what_spreadsheets_write_is_understood(run):
    text = f"\ufeff{HEADER},latency\r\n\r\nws, double ,16.0,16,256,256,256,,\r\n"
    done = run(text)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[1].endswith(",,65583")


def test_the_output_is_an_input_and_stays_as_it_is(run):
    once = run(f"{HEADER},cycles,note\n{GOOD},7,x\n").stdout
    assert once == f"{HEADER},cycles,note\n{GOOD},65583,x\n"
    assert run(once).stdout == once


def test_a_header_alone_is_a_table_of_no_cases(run):
    assert run(f"{HEADER}\n").stdout == f"{HEADER},cycles\n"


def test_the_fetch_columns_reach_the_model(run):
    done = run(f"{HEADER},bw_bytes_per_cycle,latency,depth\nws,double,4,5,9,9,9,3,2,30,1\n")
    assert int(done.stdout.split(",")[-1]) == expected("ws", "double", 4, 5, 9, 9, 9, 3, 2, 30, 1)


def changed(column, value):
    fields = GOOD.split(",")
    fields[HEADER.split(",").index(column)] = value
    return f"{HEADER}\n{GOOD}\n{','.join(fields)}\n"


NEEDED = "dataflow, overlap, rows, cols, M, N, K, tile_m"
BAD = [
    (changed("dataflow", "rs"), "line 3, column dataflow: 'rs' is none of ws, os"),
    (changed("overlap", ""), "line 3, column overlap: '' is none of serial, single, double"),
    (changed("rows", "0"), "line 3, column rows: 0 is not between 1 and 4294967295"),
    (changed("M", "-5"), "line 3, column M: -5 is not between 1 and 4294967295"),
    (changed("N", "4294967296"), "line 3, column N: 4294967296 is not between"),
    (changed("K", "many"), "line 3, column K: 'many' is not a whole number"),
    (changed("K", ""), "line 3, column K: '' is not a whole number"),
    (changed("K", "1_0"), "line 3, column K: '1_0' is not a whole number"),
    (changed("cols", "2.5"), "line 3, column cols: '2.5' is not a whole number"),
    (changed("tile_m", "nan"), "line 3, column tile_m: 'nan' is not a whole number"),
    (changed("tile_m", "-1"), "line 3, column tile_m: -1 is not between 0 and"),
    (f"{HEADER},depth\n{GOOD},0\n", "line 2, column depth: 0 is not between 1 and 65536"),
    (f"{HEADER},latency\n{GOOD},soon\n", "line 2, column latency: 'soon' is not a whole number"),
    (f"{HEADER[:-7]}\n", f"line 1, column tile_m: missing; needed are {NEEDED}"),
    (f"{HEADER},M\n", "line 1, column M: there are two of that name"),
    (f"{HEADER}\n{GOOD}\n{GOOD},1\n", "line 3: 9 fields, the header has 8"),
    (f"{HEADER}\n\nws,double\n", "line 3: 2 fields, the header has 8"),
    ("", f"line 1: no header; it names the columns {NEEDED}"),
    (f'{HEADER}\n"ws\n', "line 2: unexpected end of data"),
    (f"{HEADER}\n".encode() + b"\xff,", "line 2: not UTF-8 text"),
    (
        f"{HEADER}\n{GOOD}\nos,serial,1,1,4000000000,4000000000,4000000000,1\n",
        "line 3, columns M, N, K: cycles that 63 bits cannot hold",
    ),
]


@pytest.mark.parametrize(("text", "message"), BAD, ids=[message for _, message in BAD])
def test_bad_input_is_one_line_that_names_its_place(run, text, message):
    done = run(text)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"timing: cases.csv, {message}")
    assert done.stderr.count("\n") == 1


def test_what_is_not_there_is_one_line(run, tmp_path):
    (tmp_path / "old.so").write_text("no library")
    for options, message in [
        ({"path": "none.csv"}, "timing: cannot read 'none.csv': No such file or directory\n"),
        ({"path": "."}, "timing: cannot read '.': Is a directory\n"),
        ({"library": "none.so"}, "timing: no engine at 'none.so'; build it: ./run scons host\n"),
        ({"library": "old.so"}, "timing: cannot load the engine 'old.so'"),
        ({"path": "--nonsense"}, "timing: the following arguments are required: CASES.csv; try --help\n"),
    ]:
        done = run(f"{HEADER}\n{GOOD}\n", **options)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith(message) and done.stderr.count("\n") == 1


def test_an_engine_that_is_too_old_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(library, "find_library", lambda given: tmp_path / "old.so")
    monkeypatch.setattr(library, "load", lambda path: object())
    with pytest.raises(TimingError, match="old.so' is older than this command; build it: ./run scons host"):
        library.timing_engine(None)


def test_help_shows_an_example_that_is_true(run):
    text = run("", path="--help").stdout
    example = [line.strip() for line in text.split("example:")[1].splitlines()]
    cases = example[example.index("$ cat cases.csv") + 1 :][:2]
    found = run("\n".join(cases) + "\n").stdout.splitlines()
    assert found == example[example.index("$ ./run python -m acalsim_backend.timing cases.csv") + 1 :][:2]


def test_the_page_shows_what_the_command_prints(run):
    page = (ROOT / "docs/timing.md").read_text()
    block = next(part for part in page.split("```") if "$ cat cases.csv" in part)
    lines = [line for line in block.splitlines()[1:] if line]
    command = lines.index("$ ./run python -m acalsim_backend.timing cases.csv")
    cases, output = lines[1:command], lines[command + 1 :]
    assert run("\n".join(cases) + "\n").stdout.splitlines() == output


def test_ten_thousand_cases_take_seconds_at_most(run):
    chooser = random.Random(5)
    lines = [f"{HEADER},bw_bytes_per_cycle,latency,depth"]
    lines += [",".join(map(str, random_case(chooser, 128, 4096, i % 2))) for i in range(10_000)]
    start = time.perf_counter()
    done = run("\n".join(lines) + "\n")
    assert time.perf_counter() - start < 5
    assert len(done.stdout.splitlines()) == len(lines)


def test_timing_imports_no_numeric_library():
    assert not {"torch", "numpy", "nanobind"} & modules_imported_by("import acalsim_backend.timing")
