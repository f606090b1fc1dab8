# SPDX-License-Identifier: Apache-2.0
"""Graph breaks, shapes, weights and buffers: which program torch.compile runs, and what comes back."""

import pytest
import torch
from acalsim_backend import ACALSimBackend
from acalsim_backend.errors import CaptureError
from backend_fixtures import Scaled, compiled_by, simulated
from torch import nn

pytestmark = pytest.mark.usefixtures("fresh_dynamo")


def test_every_graph_after_a_graph_break_is_a_program_of_its_own(tmp_path):
    class Broken(Scaled):
        def forward(self, x):
            y = super().forward(x)
            torch._dynamo.graph_break()
            return y * y

    model, x = Broken(), torch.randn(2, 4)
    backend = ACALSimBackend(mode="simulate", output_dir=tmp_path)
    y = compiled_by(backend, model, fullgraph=False)(x)
    torch.testing.assert_close(y, model(x))
    assert (
        [report["model"] for report in backend.reports]
        == [ir.name for ir in backend.irs]
        == ["graph_0", "graph_1"]
    )
    assert (tmp_path / "graph_0.elf").exists() and (tmp_path / "graph_1/graph_1.elf").exists()


@pytest.mark.parametrize("dynamic", [False, None], ids=["static", "as torch.compile has it"])
def test_every_shape_is_a_program_of_its_own(dynamic):
    model, backend = Scaled(), ACALSimBackend(mode="simulate")
    run = compiled_by(backend, model, dynamic=dynamic)
    for rows in (2, 5, 2):
        x = torch.randn(rows, 4)
        torch.testing.assert_close(run(x), model(x))
    assert [report["model"] for report in backend.reports] == ["graph_0", "graph_1", "graph_0"]


def test_a_dynamic_shape_is_refused_with_what_to_type():
    run = compiled_by(ACALSimBackend(mode="compile"), Scaled(), dynamic=True)
    with pytest.raises(CaptureError, match=r"argument \d+ of the graph is dynamic .*dynamic=False"):
        run(torch.randn(2, 4))


def test_too_many_shapes_raise_where_dynamo_would_go_on_without_the_machine():
    run = compiled_by(ACALSimBackend(mode="simulate"), Scaled(), fullgraph=False)
    with (
        torch._dynamo.config.patch(recompile_limit=1),
        pytest.raises(torch._dynamo.exc.FailOnRecompileLimitHit),
    ):
        for rows in (2, 3):
            run(torch.randn(rows, 4))


@pytest.mark.parametrize(
    "edit",
    [lambda weight: weight.mul_(2), lambda weight: weight.data.add_(1)],
    ids=["in place", "through .data"],
)
def test_weights_edited_after_compilation_are_never_stale(edit):
    model, x = Scaled(), torch.randn(2, 4)
    backend, run = simulated(model)
    run(x)
    with torch.no_grad():
        edit(model.weight)
    torch.testing.assert_close(run(x), model(x))
    first, second = (report["provenance"]["weights_sha256"] for report in backend.reports)
    assert first != second and backend.reports[1]["check"]["passed"] and len(backend.irs) == 1


def test_another_module_of_the_same_class_has_its_own_weights():
    backend = ACALSimBackend(mode="simulate")
    x = torch.randn(2, 4)
    for model in (Scaled(), Scaled()):
        torch.testing.assert_close(compiled_by(backend, model)(x), model(x))


def test_buffers_that_the_model_writes_are_kept_up_by_the_machine():
    class Running(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("count", torch.zeros(1))
            self.register_buffer("total", torch.zeros(2, 4))

        def forward(self, x):
            self.count.add_(1)
            self.total += x
            return self.total / self.count

    model = Running()
    backend, run = simulated(model)
    seen = [torch.randn(2, 4) for _ in range(3)]
    for number, x in enumerate(seen, 1):
        torch.testing.assert_close(run(x), sum(seen[:number]) / number)
    assert model.count.item() == 3
    torch.testing.assert_close(model.total, sum(seen))
    assert len({report["provenance"]["elf_sha256"] for report in backend.reports}) == 1, "a buffer was baked"


def test_results_that_are_inputs_parameters_views_or_none_come_back_as_pytorch_gives_them():
    class Many(Scaled):
        def forward(self, x):
            y = super().forward(x)
            return {"x": x, "w": self.weight, "t": (y * 2).t(), "flat": y.view(6), "none": None}

    model, x = Many(), torch.randn(2, 4)
    _, run = simulated(model)
    with torch.no_grad():
        found, right = run(x), model(x)
    assert found["x"] is x and found["w"] is model.weight and found["none"] is None
    for name in ("t", "flat"):
        torch.testing.assert_close(found[name], right[name])
        assert found[name].stride() == right[name].stride()


def test_a_call_outside_no_grad_is_inference_all_the_same():
    model, x = Scaled(), torch.randn(2, 4, requires_grad=True)
    _, run = simulated(model)
    y = run(x)
    torch.testing.assert_close(y, model(x).detach())
    assert not y.requires_grad


def test_a_model_of_many_products_builds_and_is_right():
    class Chain(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = nn.Sequential(
                *(nn.Linear(k, n) for k, n in ((16, 32), (32, 17), (17, 10), (10, 16)))
            )

        def forward(self, x):
            y = self.layers(x)
            return torch.bmm(y.view(2, 3, 16), y.view(2, 16, 3)) @ torch.ones(3, 5), y.t() @ x

    model, x = Chain().eval(), torch.randn(6, 16)
    backend, compiled = simulated(model)
    with torch.no_grad():
        torch.testing.assert_close(compiled(x), model(x))
    assert backend.reports[-1]["check"]["passed"]


def test_a_result_that_repeats_itself_in_memory_comes_back():
    x = torch.randn(1, 4)
    _, compiled = simulated(lambda x: (x + 1).expand(3, 4))
    torch.testing.assert_close(compiled(x), (x + 1).expand(3, 4))
