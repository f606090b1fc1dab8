# SPDX-License-Identifier: Apache-2.0
"""torch.compile on the simulated machine, as users meet it: real compiler, real QEMU, real simulator."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from acalsim_backend import (
    ACALSimBackend,
    ACALSimCompiler,
    ACALSimIR,
    ACALSimOp,
    ACALSimOpType,
    TensorDesc,
    paths,
    pipeline,
)
from acalsim_backend.backend import shared_backend
from acalsim_backend.errors import CaptureError, MachineError, PlanError, ToolchainError
from acalsim_backend.host.build import host_tools
from torch import nn

ROOT = Path(__file__).resolve().parents[1]
CACHE = ROOT / "build/tests/cache"


@pytest.fixture(scope="module", autouse=True)
def shared_cache():
    """Plugin and engine are built once for all runs of the tests in this checkout."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(CACHE))
        yield


@pytest.fixture(autouse=True)
def fresh_dynamo():
    torch.manual_seed(0)
    torch._dynamo.reset()
    kept = torch._dynamo.config.fail_on_recompile_limit_hit
    yield
    torch._dynamo.config.fail_on_recompile_limit_hit = kept
    torch._dynamo.reset()


class Scaled(nn.Module):
    """x @ weight + bias."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(4, 3))
        self.bias = nn.Parameter(torch.randn(3))

    def forward(self, x):
        return x @ self.weight + self.bias


def compiled_by(backend, model, **options):
    return torch.compile(model, backend=backend, **{"dynamic": False, "fullgraph": True, **options})


def simulated(model, **options):
    backend = ACALSimBackend(mode="simulate", **options)
    return backend, compiled_by(backend, model)


def clean_environment(**more):
    return {**{name: value for name, value in os.environ.items() if name != "PYTHONPATH"}, **more}


# --- the tutorial's demo ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """The demo script, run in a folder of its own: (what it printed, the folder that it wrote)."""
    folder = tmp_path_factory.mktemp("examples")
    shutil.copy(ROOT / "examples/matmul_demo.py", folder)
    environment = clean_environment(PYTHONPATH=str(ROOT / "site_scons"))
    done = subprocess.run(
        [sys.executable, "matmul_demo.py"], cwd=folder, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout, folder / "output_matmul"


def test_the_demo_writes_the_tutorials_files_and_lists_them(demo):
    said, folder = demo
    for name in (
        "graph_0.c",
        "graph_0.h",
        "graph_0_weights.c",
        "graph_0_weights.bin",
        "graph_0.ld",
        "Makefile",
    ):
        assert (folder / name).is_file() and f"  {name}\n" in said


def test_the_demo_prints_the_tutorials_ir(demo):
    said, _ = demo
    for line in ("=== ACALSim IR: graph_0 ===", "  input_0: (8, 16) float32 [input]", "Inputs: ['input_0']"):
        assert line in said
    assert re.search(r"0: t_2 = MATMUL\(input_0, param_1\)", said)


def test_the_demos_last_lines_are_the_command_that_builds_it(demo):
    said, folder = demo
    command = said.strip().splitlines()[-1].strip()
    subprocess.run(command, shell=True, cwd=folder.parent, check=True, capture_output=True)
    assert all((folder / f"graph_0.{suffix}").stat().st_size > 0 for suffix in ("elf", "bin", "dump"))


# --- modes in which PyTorch computes ------------------------------------------------------------


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


# --- mode simulate ------------------------------------------------------------------------------


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


# --- backend="acalsim" --------------------------------------------------------------------------


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


# --- refusals -----------------------------------------------------------------------------------


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
    _, compiled = simulated(nn.Linear(2, 2).bfloat16())
    with pytest.raises(CaptureError, match="dtype bfloat16 of .* is not supported; known are float32"):
        compiled(torch.randn(2, 2).bfloat16())


@pytest.mark.parametrize("suppress", [False, True], ids=["as usual", "with errors suppressed"])
def test_an_unsupported_op_reaches_the_user_with_the_line_it_stands_on(suppress):
    def singular(x):
        return torch.linalg.svdvals(x)

    run = compiled_by(ACALSimBackend(mode="compile"), singular)
    line = singular.__code__.co_firstlineno + 1
    with (
        torch._dynamo.config.patch(suppress_errors=suppress),
        pytest.raises(CaptureError, match=rf"svd.*test_backend\.py:{line}"),
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


# --- the pipeline by itself ---------------------------------------------------------------------


def sum_ir():
    ir = ACALSimIR("sum")
    for name, roles in (
        ("input_0", {"is_input": True}),
        ("input_1", {"is_input": True}),
        ("t_2", {"is_output": True}),
    ):
        ir.add_tensor(TensorDesc(name, (2, 3), **roles))
    ir.add_op(ACALSimOp(ACALSimOpType.ADD, "add_0", ("input_0", "input_1"), ("t_2",)))
    ir.outputs.append("t_2")
    return ir


def test_run_graph_takes_arrays_to_the_machines_arrays_and_a_report(tmp_path):
    a, b = np.arange(6, dtype=np.float32).reshape(2, 3), np.ones((2, 3), np.float32)
    (c,), report = pipeline.run_graph(tmp_path, sum_ir(), [a, b], [a + b])
    np.testing.assert_array_equal(c, a + b)
    assert report["check"] == {
        "passed": True,
        "max_abs_error": 0.0,
        "max_rel_error": 0.0,
        "first_bad_op": None,
    }
    assert [op["type"] for op in report["ops"]] == ["ADD"]


def test_a_wrong_reference_fails_the_check_at_the_op_that_made_it(tmp_path):
    zeros = np.zeros((2, 3), np.float32)
    _, report = pipeline.run_graph(tmp_path, sum_ir(), [zeros, zeros], [zeros + 1])
    assert not report["check"]["passed"] and report["check"]["first_bad_op"] == "add_0"


def test_an_output_folder_that_another_machine_used_is_built_anew(tmp_path):
    x = np.ones((2, 3), np.float32)
    digests = []
    for machine in ("default", "cpu", "default"):
        _, report = pipeline.run_graph(tmp_path, sum_ir(), [x, x], [x + x], machine)
        digests.append(report["provenance"]["elf_sha256"])
    assert digests[0] == digests[2] != digests[1]


def test_host_tools_are_built_once_and_for_all_processes(capfd):
    host_tools()
    capfd.readouterr()
    host_tools.cache_clear()
    tools = host_tools()
    assert tools.plugin.is_file() and tools.library.is_file() and tools.plugin.is_relative_to(CACHE)
    assert capfd.readouterr().err == ""


# --- the package --------------------------------------------------------------------------------


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
    assert not list(scratch.glob("acalsim-*")), "the temporary output folder was left behind"
