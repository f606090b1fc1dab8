# SPDX-License-Identifier: Apache-2.0
"""docs/own_device.md: its listings run, and its tables name what is there."""

import os
import re
import subprocess
import sys

import pytest
from acalsim_backend import device
from acalsim_backend.own import conform
from acalsim_backend.own.checks import both_engines_agree, values_are_those_of_the_sketch
from conftest import ROOT

PAGE = (ROOT / "docs/own_device.md").read_text()
SKETCH, BENCH = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
EXAMPLES = ROOT / "examples/devices"


def section(title):
    return PAGE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


@pytest.mark.quick
def test_the_sketch_of_the_page_is_the_example():
    example = (EXAMPLES / "softmax_py/softmax_unit.py").read_text()
    assert example.partition('"""\n\n')[2] == SKETCH


def test_the_bench_of_the_page_prints_what_it_says(engine_library):
    environment = {"PYTHONPATH": str(ROOT / "site_scons"), "ACALSIM_ENGINE": str(engine_library)}
    done = subprocess.run(
        [sys.executable, "-c", BENCH],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
    )
    said = re.search(r"It prints\n\n((?:    .*\n)+)", PAGE)[1]
    assert done.stdout == re.sub("^    ", "", said, flags=re.MULTILINE), done.stderr


@pytest.mark.quick
def test_the_tables_name_every_method_and_every_check():
    rows = re.findall(r"^\| (`.*?) \|", section("Python").partition("| of Device |")[2], re.MULTILINE)
    named = {name for row in rows for name in re.findall(r"`(?:self\.)?(\w+)", row)}
    own = {name for name in vars(device.Device) if not name.startswith("_") and not name.isupper()}
    assert own <= named, own - named
    checks = [*conform.ALWAYS, *conform.WITH_JOB, values_are_those_of_the_sketch, both_engines_agree]
    text = re.sub(r"[',]", "", section("What every device promises")).lower()
    for check in checks:
        assert f"| {check.__name__.replace('_', ' ')} |" in text, check.__name__
