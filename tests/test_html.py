# SPDX-License-Identifier: Apache-2.0
"""Pages of reports in a browser: the numbers are the JSON's, nothing is loaded, everybody can read them."""

import json
import re
from dataclasses import fields, replace

import pytest
from acalsim_backend import doors
from acalsim_backend.report.page import words
from acalsim_backend.report.page.page import page
from acalsim_backend.report.page.view import sentence
from acalsim_backend.report.report_file import Check, Ledger, Verification, VerifiedOp
from browser_fixtures import needs_chromium
from page_fixtures import bounded, reported_op, subject_of
from pipeline_fixtures import MODELS, report_of

LIMIT = 2_000_000
TABLES = """Object.fromEntries([...document.querySelectorAll("table[id]")].map((table) => [table.id,
    [...table.tBodies[0].rows].map((row) => [...row.cells].map(
        (cell) => [cell.textContent, cell.dataset.value]))]))"""


@pytest.fixture
def written(tmp_path):
    """Writes the page of a subject."""

    def write(subject):
        path = tmp_path / f"{subject.report.model}.html"
        path.write_text(page(subject))
        return path

    return write


# --- the numbers ----------------------------------------------------------------------------------


@needs_chromium
@pytest.mark.parametrize("name", ["mlp", "chained_matmul"])
def test_the_numbers_on_the_page_are_those_of_the_json(host_tree, look, name):
    seen = look(host_tree / f"build/reports/{name}.html", f"[{TABLES}, document.documentElement.outerHTML]")
    (tables, dom), report = seen.found, report_of(host_tree, name)
    assert seen.console == []
    total, ops = report["total_cycles"], {op["name"]: op for op in report["ops"]}
    rows = {cells[1][0]: cells for cells in tables["ops-table"]}
    assert rows.keys() == ops.keys()
    used = [each for each in report["ledger"] if any(op["ledger"][each] for op in ops.values())]
    for op_name, cells in rows.items():
        op = ops[op_name]
        bound = op["roofline"]["bound_cycles"]
        numbers = [op["index"], op["cycles"], op["cycles"], bound, op["cycles"] / bound]
        numbers += [
            *(op["ledger"][each] for each in used),
            op["instructions"],
            op["macs"],
            op["macs"] / op["cycles"],
        ]
        assert [float(value) for _, value in cells if value is not None] == numbers
        assert cells[4][0] == f"{op['cycles']:,}"
    assert [int(cells[2][1]) for cells in tables["ledger"]] == list(report["ledger"].values())
    times = total / report["roofline"]["bound_cycles"]
    assert f"{name} on default: {total:,} cycles, {times:.1f} times its bound" in dom
    data = re.search(r'<script type="application/json" id="data">(.*?)</script>', dom, re.DOTALL)[1]
    assert json.loads(data)["report"] == report
    for device, counters in report["devices"].items():
        for key, value in counters.items():
            shown = f'data-counter="{device}.{key}" data-value="{value}"'
            assert shown in dom or re.search(r"(load|compute|vector|store)_(busy|wait|idle)", key)


def test_the_sentence_says_cycles_what_limits_and_the_longest_op():
    report = doors.as_json(subject_of([reported_op(0), reported_op(1)]).report)
    assert sentence(report) == (
        "it on default: 1,707 cycles; 59.8\u202f% of the time went to the CPU; 20.7\u202f% in op_1"
    )
    report = doors.as_json(bounded(subject_of([reported_op(0), reported_op(1)])).report)
    assert sentence(report) == (
        "it on default: 1,707 cycles, 8.5 times its bound, limited by the matrix array; "
        "59.8\u202f% of the time went to the CPU; 20.7\u202f% in op_1"
    )


def test_every_entry_of_the_ledger_has_its_words():
    entries = {each.name for each in fields(Ledger)}
    assert words.LEDGER.keys() == words.WENT_TO.keys() == entries


def test_a_page_is_the_same_from_build_to_build():
    subject = subject_of([reported_op(index) for index in range(30)])
    assert page(subject) == page(subject)


@needs_chromium
def test_every_op_with_arithmetic_and_bytes_is_on_the_roofline(written, look):
    subject = bounded(subject_of([reported_op(index) for index in range(9)]))
    drawn = """[charts["roofline-chart"].spec.marks.map((mark) => [mark.lines[0], mark.x[0], mark.y[0]]),
        document.querySelectorAll("#roofline canvas").length]"""
    seen = look(written(subject), drawn)
    marks, canvases = seen.found
    assert canvases == 1 and seen.console == []
    for (name, across, up), op in zip(marks, subject.report.ops, strict=True):
        by = op.roofline.by
        assert (name, across, up) == (op.name, by["array"] / by["dram"], by["array"] / op.cycles)
        assert up <= min(1, across)


def test_without_those_keys_there_is_no_roofline():
    shown = page(subject_of([reported_op(0)]))
    assert 'id="roofline"' not in shown and 'href="#roofline"' not in shown
    assert 'id="roofline"' in page(bounded(subject_of([reported_op(0)])))


VERIFIED = VerifiedOp("op_0", "GEMM", "t", (2, 3), "models/it.py:3", ("aten.mm.default",), True, 1e-8, 3.5e-7)


def test_errors_op_by_op_are_shown_only_of_the_same_model_and_parameters():
    subject = subject_of([reported_op(0)])
    verification = Verification(1, subject.report.check, (VERIFIED,), "a" * 64, "b" * 64)
    assert '<td class="num" data-value="3.5e-07">3.5e-07</td>' in page(
        replace(subject, verification=verification)
    )
    for other in ({"model_sha256": "z" * 64}, {"weights_sha256": "z" * 64}):
        shown = page(replace(subject, verification=replace(verification, **other)))
        assert 'id="verify-table"' not in shown and "scons verify-it sim-it" in shown


def test_a_wrong_result_is_said_first():
    shown = page(subject_of([reported_op(0)], check=Check(False, 1.0, 0.25, "op_0")))
    assert 'class="verdict bad"' in shown
    assert re.search(
        r"Outputs differ from PyTorch's, first at <a[^>]*>op_0</a>: the relative error is 0.25", shown
    )


def test_an_error_that_no_number_measures_is_the_largest():
    subject = subject_of([reported_op(0)], check=Check(False, None, None, "op_0"))
    nan = replace(VERIFIED, name="op_nan", passed=False, max_abs_error=None, max_rel_error=None)
    verification = Verification(1, subject.report.check, (VERIFIED, nan), "a" * 64, "b" * 64)
    shown = page(replace(subject, verification=verification))
    assert "the relative error is NaN" in shown and '<td class="num" data-value="Infinity">NaN</td>' in shown
    rows = shown[shown.index('id="verify-table"') :]
    assert rows.index("op_nan") < rows.index("op_0")


# --- one file -------------------------------------------------------------------------------------


def test_a_page_loads_nothing(host_tree):
    for name in (*MODELS, "index"):
        shown = (host_tree / f"build/reports/{name}.html").read_text()
        assert (
            "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:"
            in shown
        )
        outside = re.findall(
            r'<(\w+)[^>]*\s(?:src|href|xlink:href|srcset|action)="(?:https?:)?//[^"]*"', shown
        )
        assert set(outside) <= {"a"}, "only a link may lead to a network"
        assert not re.search(r"@import|url\(|fetch\(|XMLHttpRequest|sendBeacon|WebSocket|import\(", shown)
        assert len(shown.encode()) < LIMIT


def test_a_page_of_a_thousand_ops_is_below_the_limit():
    assert len(page(subject_of([reported_op(index) for index in range(1000)])).encode()) < LIMIT


@needs_chromium
def test_names_are_shown_as_text_whatever_they_are(written, look):
    evil = "</script><img src=x onerror=alert(1)>&amp;'\""
    subject = subject_of([reported_op(0, evil, source=evil, torch_ops=(evil,)), reported_op(1)])
    seen = look(written(subject), f'[document.images.length, {TABLES}["ops-table"][1][1][0]]')
    assert seen.found == [0, f"{evil}_0"] and seen.console == []


@needs_chromium
def test_the_console_would_tell_an_error(written, look):
    seen = look(written(subject_of([reported_op(0)])), "missing.name")
    assert len(seen.console) == 1 and "missing is not defined" in seen.console[0]


# --- for everybody --------------------------------------------------------------------------------

ACCESS = """({
    overflow: document.documentElement.scrollWidth - innerWidth, width: innerWidth,
    named: [...document.querySelectorAll("button, input, a, [role=region], [role=group], [tabindex]")]
        .filter((e) => !(e.getAttribute("aria-label") || e.textContent.trim() || e.labels?.length)).length,
    ids: [...document.querySelectorAll("[id]")].map((e) => e.id),
    links: [...document.querySelectorAll('a[href^="#"]')].map((e) => e.getAttribute("href").slice(1)),
    heads: [...document.querySelectorAll("th:not([scope])")].length,
    colours: Object.fromEntries(["paper", "sunk", "ink", "soft", "link", "good", "bad", "cpu", "compute",
        "dram", "store"]
        .map((name) => [name, getComputedStyle(document.documentElement).getPropertyValue("--" + name)])),
})"""


def luminance(colour):
    parts = [int(colour.strip()[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one, other):
    darker, lighter = sorted(map(luminance, (one, other)))
    return (lighter + 0.05) / (darker + 0.05)


@needs_chromium
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_a_page_can_be_read_at_any_width_in_both_schemes(written, look, width, dark):
    subject = bounded(subject_of([reported_op(index, "an_op_with_a_long_name_" * 3) for index in range(40)]))
    seen = look(written(subject), ACCESS, width=width, dark=dark)
    found, colours = seen.found, seen.found["colours"]
    assert seen.console == [] and found["width"] == width and found["overflow"] == 0
    assert found["named"] == found["heads"] == 0
    assert len(set(found["ids"])) == len(found["ids"]) and set(found["links"]) <= set(found["ids"])
    assert (luminance(colours["paper"]) < 0.1) == dark
    for name in ("ink", "soft", "link", "good", "bad"):
        assert contrast(colours[name], colours["paper"]) >= 4.5
        assert name in ("good", "bad") or contrast(colours[name], colours["sunk"]) >= 4.5
    assert all(
        contrast(colours[name], colours["paper"]) >= 2.2 for name in ("cpu", "compute", "dram", "store")
    )


KEYS = """(async () => {
    const plot = document.querySelector("#timeline .plot"), said = plot.querySelector(".said");
    const press = (key) => {
        plot.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
        return said.textContent;
    };
    plot.focus();
    const start = press("ArrowRight"), first = press("ArrowRight"), second = press("ArrowRight"), back = press("ArrowLeft");
    const gone = press("Escape");
    const range = async () => {
        await new Promise((done) => setTimeout(done, 50));
        return charts.timeline.view();
    };
    const whole = await range(); press("+"); const near = await range(); press("0");
    const again = await range(), focused = document.activeElement === plot;
    return { start, first, second, back, gone, whole, near, again, focused };
})()"""


@needs_chromium
def test_a_timeline_is_read_and_zoomed_with_keys(written, look):
    subject = subject_of([reported_op(index) for index in range(5)])
    found = look(written(subject), KEYS).found
    assert found["focused"] and found["start"].startswith("overhead, ")
    assert found["first"].startswith("op_0, GEMM on cpu: 353 cycles, ")
    assert "compute: 300 cycles, the device computes" in found["first"]
    assert found["second"].startswith("op_1, ") and found["back"].startswith("op_0, ") and found["gone"] == ""
    total = subject.report.total_cycles
    assert found["whole"] == found["again"] == [0, total]
    assert found["near"] == [total / 4, 3 * total / 4]


SORTED = """(() => {
    const table = document.getElementById("ops-table"), heads = [...table.tHead.rows[0].cells];
    const names = () => [...table.tBodies[0].rows].filter((row) => !row.hidden)
        .map((row) => row.cells[1].textContent);
    const before = names(), head = heads.find((each) => each.textContent === "cycles"), states = [];
    for (let i = 0; i < 2; i++) {
        head.querySelector("button").click();
        states.push([head.getAttribute("aria-sort"), ...names()]);
    }
    const field = document.querySelector('[data-filter="ops-table"]');
    field.value = "OP_2"; field.dispatchEvent(new Event("input"));
    const count = document.querySelector('[data-count="ops-table"]').textContent;
    return { before, states, left: names(), count };
})()"""


@needs_chromium
def test_a_table_is_sorted_and_filtered(written, look):
    found = look(written(subject_of([reported_op(index) for index in range(4)])), SORTED).found
    falling = ["op_3", "op_2", "op_1", "op_0"]
    assert found["before"] == falling
    assert found["states"] == [["ascending", *falling[::-1]], ["descending", *falling]]
    assert found["left"] == ["op_2"] and found["count"] == "1 of 4"


# --- in the build ---------------------------------------------------------------------------------


@needs_chromium
def test_the_index_compares_all_reports_and_leads_to_their_pages(host_tree, look):
    index = host_tree / "build/reports/index.html"
    seen = look(
        index,
        f'[{TABLES}["models-table"], '
        '[...document.querySelectorAll("tbody a")].map((a) => a.getAttribute("href"))]',
    )
    rows, links = seen.found
    assert seen.console == [] and links == [f"{name}.html" for name in MODELS]
    assert [row[0][0].strip() for row in rows] == list(MODELS)
    for row, name in zip(rows, MODELS, strict=True):
        report = report_of(host_tree, name)
        assert int(row[1][1]) == report["total_cycles"] and row[1][0] == f"{report['total_cycles']:,}"
        assert float(row[-1][1]) == report["check"]["max_rel_error"] and row[-2][0] == "equal"


def test_the_index_follows_the_reports_that_were_asked_for(tree):
    assert "index" in stages(tree.scons("sim-mlp", "sim-matmul"))
    assert stages(tree.scons("sim-mlp", "sim-matmul")) == set()
    tree.edit("models/mlp.py", "64", "48")
    assert {"report", "index"} <= stages(tree.scons("sim-mlp", "sim-matmul"))
    cycles = f"{report_of(tree, 'mlp')['total_cycles']:,}"
    assert cycles in (tree / "build/reports/index.html").read_text()


def test_the_index_names_reports_that_it_cannot_read(tree):
    old = tree / "build/reports/old.json"
    try:
        old.write_text('{"schema": 0, "model": "old"}')
        assert stages(tree.scons("index")) == {"index"}
    finally:
        old.unlink()
    shown = (tree / "build/reports/index.html").read_text()
    assert "<li>old.json: the report&#39;s schema is 0; known is 1" in shown and ">mlp<" in shown
    tree.scons("index")


def test_a_page_is_made_anew_when_its_template_or_the_verification_changes(tree):
    tree.scons("sim-matmul")
    assert "verify-table" not in (tree / "build/reports/matmul.html").read_text()
    tree.scons("verify-matmul")
    assert "report" in stages(tree.scons("sim-matmul"))
    assert "verify-table" in (tree / "build/reports/matmul.html").read_text()
    tree.edit(
        "site_scons/acalsim_backend/report/page/assets/style.css", "max-width: 76rem", "max-width: 80rem"
    )
    assert stages(tree.scons("sim-matmul")) == {"report", "index"}
    assert "max-width: 80rem" in (tree / "build/reports/matmul.html").read_text()


def stages(done):
    known = "capture codegen values compile link check simulate report index verify"
    return {line.split()[0] for line in done.stdout.splitlines() if line and not line.startswith(" ")} & set(
        known.split()
    )
