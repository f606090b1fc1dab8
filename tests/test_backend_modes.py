# SPDX-License-Identifier: Apache-2.0
"""The backend's modes in which PyTorch computes, and the backend by its name."""

import pytest
import torch
from acalsim_backend import ACALSimBackend
from acalsim_backend.backend import shared_backend
from acalsim_backend.errors import MachineError
from backend_fixtures import Scaled, compiled_by

pytestmark = [pytest.mark.quick, pytest.mark.usefixtures("fresh_dynamo")]


@pytest.mark.parametrize("mode", ["eager", "trace", "compile", "codegen"])
def test_modes_without_simulation_give_pytorchs_result_and_no_report(mode, tmp_path):
    model, x = Scaled(), torch.randn(2, 4)
    backend = ACALSimBackend(mode=mode, output_dir=tmp_path)
    torch.testing.assert_close(compiled_by(backend, model)(x), model(x))
    assert backend.reports == []
    assert len(backend.graphs) == (mode == "trace") and len(backend.irs) == (mode in ("compile", "codegen"))
    assert (tmp_path / "graph_0.c").exists() == (mode == "codegen")


def test_mode_trace_prints_the_graph(capsys):
    compiled_by(ACALSimBackend(mode="trace"), Scaled())(torch.randn(2, 4))
    assert "call_function" in capsys.readouterr().out


def test_codegen_follows_weights_that_change_after_compilation(tmp_path):
    model = Scaled()
    backend = ACALSimBackend(mode="codegen", output_dir=tmp_path)
    run = compiled_by(backend, model)
    run(torch.randn(2, 4))
    before = (tmp_path / "graph_0_weights.bin").read_bytes()
    with torch.no_grad():
        model.bias.zero_()
    run(torch.randn(2, 4))
    assert (tmp_path / "graph_0_weights.bin").read_bytes() != before
    assert not backend.irs[0].constants[backend.irs[0].params[-1]].any()


def test_an_unknown_mode_is_refused_with_the_modes_there_are():
    with pytest.raises(
        ValueError, match="mode is 'fast'; the modes are eager, trace, compile, codegen, simulate"
    ):
        ACALSimBackend(mode="fast")


def test_an_unknown_machine_is_refused_at_once():
    with pytest.raises(MachineError, match="no machine named 'huge'"):
        ACALSimBackend(machine="huge")


def test_the_backend_is_known_to_torch_by_name():
    assert "acalsim" in torch._dynamo.list_backends(exclude_tags=())


def test_backend_acalsim_takes_the_same_options(tmp_path):
    model, x = Scaled(), torch.randn(2, 4)
    options = {"mode": "simulate", "output_dir": str(tmp_path), "machine": "cpu"}
    torch.testing.assert_close(compiled_by("acalsim", model, options=options)(x), model(x))
    assert [report["machine"] for report in shared_backend(**options).reports] == ["cpu"]
    assert (tmp_path / "graph_0.elf").exists()


def test_backend_acalsim_without_options_compiles_and_pytorch_computes():
    model, x = Scaled(), torch.randn(2, 4)
    torch.testing.assert_close(compiled_by("acalsim", model)(x), model(x))
