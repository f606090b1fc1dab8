# SPDX-License-Identifier: Apache-2.0
"""new-device: a folder that works as it is, and is never written over."""

import os
import subprocess
import sys

import pytest
from acalsim_backend.errors import DeviceError
from acalsim_backend.own.new import languages, new_device
from conftest import ROOT


@pytest.mark.parametrize("language", languages())
def test_a_new_device_passes_its_own_test(language, request, tmp_path, engine_library):
    if language == "sv":
        request.getfixturevalue("verilog")
    made = new_device(tmp_path / "my_unit", language)
    assert {path.name for path in made} >= {f"my_unit.{language}", "my_unit.toml", "test_my_unit.py"}
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT / "site_scons"),
        "ACALSIM_ENGINE": str(engine_library),
    }
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_my_unit.py"]
    done = subprocess.run(command, cwd=tmp_path / "my_unit", env=environment, capture_output=True, text=True)
    assert done.returncode == 0 and "2 passed" in done.stdout, done.stdout


@pytest.mark.parametrize(
    ("name", "language", "complaint"),
    [
        ("my-unit", "py", "device name 'my-unit' is not lower-case letters, digits and _"),
        ("unit", "vhdl", "LANGUAGE is 'vhdl'; known are cc, py, sv"),
    ],
)
def test_what_cannot_be_begun_is_refused(name, language, complaint, tmp_path):
    with pytest.raises(DeviceError, match=complaint):
        new_device(tmp_path / name, language)
    assert not list(tmp_path.iterdir())


def test_nothing_is_written_over(tmp_path):
    new_device(tmp_path / "unit", "py")
    (tmp_path / "unit/unit.py").write_text("mine")
    with pytest.raises(DeviceError, match=r"unit.toml' is there already, and is not overwritten"):
        new_device(tmp_path / "unit", "cc")
    assert (tmp_path / "unit/unit.py").read_text() == "mine" and not (tmp_path / "unit/unit.cc").exists()
