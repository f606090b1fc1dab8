# SPDX-License-Identifier: Apache-2.0
"""What the backend does not take reaches the user as one line."""

import re
import shutil

import numpy as np
import pytest
import torch
from acalsim_backend import ACALSimBackend, ACALSimCompiler, paths, pipeline
from acalsim_backend.errors import CaptureError, PlanError, ToolchainError
from backend_fixtures import ROOT, Scaled, compiled_by, simulated
from torch import nn

pytestmark = pytest.mark.usefixtures("fresh_dynamo")


def test_the_compiler_takes_dynamos_graph_as_the_tutorial_does():
    found = []

    def backend(gm, example_inputs):
        found.append(ACALSimCompiler().compile(gm, example_inputs, "graph_0"))
        return gm.forward

    model, x = Scaled(), torch.randn(2, 4)
    compiled_by(backend, model)(x)
    assert [op.op_type.name for op in found[0].ops] == ["MATMUL", "ADD"]
    np.testing.assert_array_equal(found[0].constants["param_1"], model.weight.detach().numpy())


def test_a_dtype_that_is_not_supported_is_one_line():
    _, compiled = simulated(nn.Tanh())
    with pytest.raises(CaptureError, match="dtype complex128 of .* is not supported; known are float32"):
        compiled(torch.randn(2, 2, dtype=torch.complex128))


@pytest.mark.parametrize("suppress", [False, True], ids=["as usual", "with errors suppressed"])
def test_an_unsupported_op_reaches_the_user_with_the_line_it_stands_on(suppress):
    def singular(x):
        return torch.linalg.svdvals(x)

    run = compiled_by(ACALSimBackend(mode="compile"), singular)
    line = singular.__code__.co_firstlineno + 1
    with (
        torch._dynamo.config.patch(suppress_errors=suppress),
        pytest.raises(CaptureError, match=rf"svd.*test_backend_refusals\.py:{line}"),
    ):
        run(torch.randn(3, 3))


def test_a_machine_too_small_reaches_the_user(tmp_path):
    text = (ROOT / "sim/machines/cpu.toml").read_text()
    (tmp_path / "small.toml").write_text(text.replace("0x1000_0000", "0x1_0000"))
    _, run = simulated(nn.ReLU(), machine=str(tmp_path / "small.toml"))
    with pytest.raises(PlanError, match=r"needs 0x[0-9a-f]+ bytes of RAM.*has 0x10000"):
        run(torch.randn(300, 300))


def test_a_missing_cross_compiler_is_named_with_its_package(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    _, run = simulated(Scaled())
    with pytest.raises(ToolchainError, match="riscv64-unknown-elf-gcc.*apt install"):
        run(torch.randn(2, 4))


def test_what_the_cross_compiler_refuses_is_one_line(demo, tmp_path):
    shutil.copytree(demo[1], tmp_path / "code")
    makefile = tmp_path / "code/Makefile"
    makefile.write_text(
        re.sub(r"^KERNELS \?= .*$", f"KERNELS ?= {ROOT / 'kernels'}", makefile.read_text(), flags=re.M)
    )
    with open(tmp_path / "code/graph_0.c", "a") as source:
        source.write("nonsense here;\n")
    with pytest.raises(ToolchainError, match=r"graph_0\.elf cannot be built: .*error.*nonsense") as refusal:
        pipeline.build_elf(tmp_path / "code")
    assert "\n" not in str(refusal.value)


def test_a_cache_folder_that_cannot_be_made_is_named(monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", "/dev/null")
    with pytest.raises(
        ToolchainError, match="cannot make the cache folder /dev/null/acalsim: .*XDG_CACHE_HOME"
    ):
        paths.cache_folder()
