# SPDX-License-Identifier: Apache-2.0
"""A stage's code is its module and all that this imports, however the import is written."""

import subprocess
import sys

import pytest
from acalsim_build.stage_code import Package
from conftest import ROOT

pytestmark = pytest.mark.quick

FILES = {
    "__init__.py": "",
    "errors.py": "",
    "alone.py": "import os\n",
    "room/__init__.py": "",
    "room/__main__.py": "from .work import (  # all of it\n    one,\n    two,\n)\n",
    "room/work.py": "def one():\n    from .. import errors as trouble\n    from ..tables.rows import ROW\n",
    "tables/__init__.py": "from . import (\n    columns,\n)\n",
    "tables/rows.py": "",
    "tables/columns.py": "from ..alone import x; from os import path\n",
    "tables/other.py": "",
}
OF_ROOM = set(FILES) - {"tables/other.py"}


@pytest.fixture
def folder(tmp_path):
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.mark.parametrize("name", FILES)
def test_an_edit_changes_the_stages_that_import_the_module_and_no_other(folder, name):
    before = Package(folder)
    with open(folder / name, "a") as stream:
        stream.write("# edited\n")
    after = Package(folder)
    assert (before.digest("room") != after.digest("room")) == (name in OF_ROOM)
    assert (before.digest("alone") != after.digest("alone")) == (name in ("__init__.py", "alone.py"))


def test_several_modules_are_one_stage(folder):
    package = Package(folder)
    assert len({package.digest("alone"), package.digest("errors"), package.digest("alone", "errors")}) == 3


@pytest.mark.parametrize(
    "module", ["codegen.values", "check.check", "report.report", "simulate.run", "host.qemu"]
)
def test_what_python_imports_is_found(module):
    """Python itself says which modules of the package it has imported."""
    program = f"import acalsim_backend.{module}, sys; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT / "site_scons", capture_output=True, text=True
    )
    prefix = "acalsim_backend."
    imported = {name.removeprefix(prefix) for name in done.stdout.split() if name.startswith(prefix)}
    assert module in imported
    assert imported <= Package(ROOT / "site_scons/acalsim_backend").closure([module])
