# SPDX-License-Identifier: Apache-2.0
"""torch.compile on the simulated machine, as users meet it: real compiler, real QEMU, real simulator."""

import json
import re

import pytest
import torch
from acalsim_backend import pipeline
from acalsim_backend.schedule import passes
from backend_fixtures import Scaled, simulated

pytestmark = pytest.mark.usefixtures("fresh_dynamo")


@pytest.mark.quick
def test_a_simulated_result_equals_pytorchs_and_has_a_report():
    model, x = Scaled(), torch.randn(2, 4)
    backend, run = simulated(model)
    torch.testing.assert_close(run(x), model(x))
    (report,) = backend.reports
    assert report["schema"] == 1 and (report["model"], report["machine"], report["engine"]) == (
        "graph_0",
        "default",
        "embedded",
    )
    assert report["check"]["passed"] and report["ops"] and report["placement"][0]["region"] == "RAM"
    assert report["total_cycles"] == sum(op["cycles"] for op in report["ops"]) + report["overhead_cycles"]
    assert {
        len(report["provenance"][f"{what}_sha256"]) for what in ("model", "weights", "elf", "machine")
    } == {64}
    json.dumps(report)


def test_the_result_is_what_the_program_left_in_the_machines_memory(monkeypatch):
    write_code = pipeline.write_code

    def write_another(folder, *arguments):
        files = write_code(folder, *arguments)
        source = folder / "graph_0.c"
        text, found = re.subn(
            r"(\n    graph_0_cleanup\(\);)",
            r"\n    ((float *)graph_0_outputs)[1] = 42.0f;\1",
            source.read_text(),
        )
        assert found == 1
        source.write_text(text)
        return files

    monkeypatch.setattr(pipeline, "write_code", write_another)
    model, x = Scaled(), torch.randn(2, 4)
    backend, run = simulated(model)
    with pytest.warns(UserWarning, match="outputs differ from PyTorch's"):
        y = run(x)
    assert y[0, 1] == 42.0
    torch.testing.assert_close(y[1], model(x)[1])
    assert backend.reports[0]["check"]["passed"] is False


def test_a_poisoned_pytorch_changes_the_check_and_not_the_result(monkeypatch):
    model, x = Scaled(), torch.randn(2, 4)
    right = model(x).detach()
    backend, run = simulated(model)
    run(torch.zeros(2, 4))
    monkeypatch.setattr(torch.fx.Interpreter, "run", lambda self, *values: [torch.full((2, 3), 7.0)])
    with pytest.warns(UserWarning, match="outputs differ"):
        y = run(x)
    torch.testing.assert_close(y, right)
    assert backend.reports[1]["check"]["max_abs_error"] == pytest.approx(
        (right - 7).abs().max().item(), rel=1e-5
    )


def test_every_call_runs_with_its_own_inputs_on_the_same_elf(tmp_path, monkeypatch):
    model = Scaled()
    backend, run = simulated(model, output_dir=tmp_path)
    run(torch.zeros(2, 4))
    built = (tmp_path / "graph_0.elf").stat().st_mtime_ns
    monkeypatch.setattr(pipeline, "build_elf", lambda folder: pytest.fail("built again"))
    for _ in range(2):
        x = torch.randn(2, 4)
        torch.testing.assert_close(run(x), model(x))
    assert (tmp_path / "graph_0.elf").stat().st_mtime_ns == built
    assert len(backend.reports) == 3
    assert len({report["provenance"]["elf_sha256"] for report in backend.reports}) == 1


def test_equal_calls_give_equal_reports():
    backend, run = simulated(Scaled())
    x = torch.randn(2, 4)
    run(x), run(x)
    assert backend.reports[0] == backend.reports[1]


def test_the_machine_is_the_users_choice():
    backend, run = simulated(Scaled(), machine="cpu")
    run(torch.randn(2, 4))
    assert backend.reports[0]["machine"] == "cpu" and set(backend.reports[0]["devices"]) == {"echo"}


def test_a_program_is_planned_once_however_often_it_runs(monkeypatch):
    planned = []
    run_passes = passes.run_passes
    monkeypatch.setattr(
        passes, "run_passes", lambda plan, *rest: planned.append(plan.ir.name) or run_passes(plan, *rest)
    )
    backend, run = simulated(Scaled())
    for _ in range(2):
        run(torch.randn(2, 4))
    assert planned == ["graph_0"] and len(backend.reports) == 2
    run(torch.randn(3, 4))
    assert planned == ["graph_0", "graph_1"]
