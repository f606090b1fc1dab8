# SPDX-License-Identifier: Apache-2.0
"""The package as it is installed: public names, and a wheel without the checkout."""

import os
import shutil
import subprocess
import sys

import pytest
from backend_fixtures import clean_environment
from conftest import CACHE, ROOT

pytestmark = pytest.mark.usefixtures("fresh_dynamo")


def test_the_public_names_load_on_first_use_and_without_torch():
    names = "ACALSimBackend ACALSimCompiler ACALSimIR ACALSimOp ACALSimOpType TensorDesc RISCVCodeGenerator"
    program = (
        "import sys, acalsim_backend as a; assert 'numpy' not in sys.modules; "
        f"[getattr(a, name) for name in '{names}'.split()]; assert 'torch' not in sys.modules"
    )
    environment = clean_environment(PYTHONPATH=str(ROOT / "site_scons"))
    subprocess.run([sys.executable, "-c", program], env=environment, check=True)


SIMULATE_ELSEWHERE = """
import sys
import torch
import acalsim_backend
from acalsim_backend import ACALSimBackend, paths
backend = ACALSimBackend(mode="simulate")
model = torch.nn.Linear(4, 3)
x = torch.randn(2, 4)
error = (torch.compile(model, backend=backend, dynamic=False)(x) - model(x)).abs().max().item()
assert error < 1e-5 and backend.reports[0]["check"]["passed"]
print(acalsim_backend.__file__, paths.ROOT, sep="\\n")
"""


def test_an_installed_wheel_works_without_the_checkout(tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for name in ("site_scons", "kernels", "sim"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    pip = [sys.executable, "-m", "pip", "-q", "--disable-pip-version-check"]
    subprocess.run([*pip, "wheel", "--no-deps", "--no-build-isolation", "-w", tmp_path, source], check=True)
    (wheel,) = tmp_path.glob("*.whl")
    installed, scratch = tmp_path / "installed", tmp_path / "scratch"
    scratch.mkdir()
    subprocess.run([*pip, "install", "--no-deps", "--target", installed, wheel], check=True)
    shutil.rmtree(source)
    environment = clean_environment(PYTHONPATH=str(installed), TMPDIR=str(scratch), XDG_CACHE_HOME=str(CACHE))
    command = [sys.executable, "-c", SIMULATE_ELSEWHERE]
    done = subprocess.run(command, cwd=scratch, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        str(installed / "acalsim_backend/__init__.py"),
        str(installed / "acalsim_backend"),
    ]
    assets = "acalsim_backend/report/page/assets"
    assert set(os.listdir(installed / assets)) == set(os.listdir(ROOT / "site_scons" / assets))
    assert not list(scratch.glob("acalsim-*")), "the temporary output folder was left behind"
