# SPDX-License-Identifier: Apache-2.0
"""An edit redoes what depends on it, and nothing else."""

import os
import re
import shutil

from conftest import modules_imported_by
from pipeline_fixtures import MODELS, model_file, report_of, stages_run


def test_touching_nothing_does_nothing(tree):
    tree.scons("all-reports")
    done = tree.scons("all-reports")
    assert stages_run(done) == set() and "up to date" in done.stdout


def test_editing_a_model_redoes_that_model_only(tree):
    tree.edit("models/mlp.py", "import torch", "import torch  # edited")
    done = tree.scons("all-reports")
    assert {subject.split()[0] for _, subject in stages_run(done)} == {"mlp"}


def test_editing_only_weights_does_not_recompile_the_kernel_code(tree):
    tree.edit("models/matmul.py", "torch.randn(K, N)", "torch.randn(K, N) * 2")
    stages = stages_run(tree.scons("all-reports"))
    assert {(stage, "matmul") for stage in ("capture", "values", "report")} <= stages
    assert ("codegen", "matmul") not in stages
    assert not any("graph_0.c" in subject for _, subject in stages)
    assert {re.split(r"[/. ]", subject)[0] for _, subject in stages} <= {"matmul", "build"}


def test_a_timing_parameter_of_the_cpu_plans_anew_and_reruns_only_simulations(tree):
    """What is computed where may change; here it does not, and nothing is compiled."""
    tree.edit("sim/machines/default.toml", "load = 2 ", "load = 7 ")
    before = report_of(tree, "matmul")["total_cycles"]
    stages = stages_run(tree.scons("all-reports"))
    assert {stage for stage, _ in stages} == {"codegen", "simulate", "report"}
    assert {subject for stage, subject in stages if stage == "simulate"} == set(MODELS)
    assert report_of(tree, "matmul")["total_cycles"] > before


def test_the_simulators_code_reruns_what_asks_the_simulator(tree):
    """Tilings are chosen by the device's model, simulations run it; nothing is compiled for the guest."""
    tree.edit("sim/model/echo.cc", "class Echo", "// edited\nclass Echo")
    tree.edit(
        "sim/model/echo.cc",
        'latency_cycles_(slot.parameter("latency_cycles"))',
        'latency_cycles_(1 + slot.parameter("latency_cycles"))',
    )
    stages = {stage for stage, _ in stages_run(tree.scons("all-reports"))}
    assert stages == {"compile", "link", "codegen", "simulate", "report"}


def test_a_kernel_header_rebuilds_what_includes_it(tree):
    tree.edit("kernels/loops.h", "#ifndef", "/* edited */\n#ifndef")
    with_softmax = stages_run(tree.scons("all-reports"))
    tree.edit("kernels/console.h", "#ifndef", "/* edited */\n#ifndef")
    with_console = stages_run(tree.scons("all-reports"))
    assert not any("console" in subject for _, subject in with_softmax)
    assert any("console.c" in subject for _, subject in with_console)
    assert not any("graph_0" in subject for _, subject in with_console)


def environment_with_another(program, folder):
    """An environment in which a script that starts the program has its place."""
    wrapper = folder / program
    wrapper.write_text(f'#!/bin/sh\nexec {shutil.which(program)} "$@"\n')
    wrapper.chmod(0o755)
    return {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}


def test_a_changed_compiler_is_noticed(tree, tmp_path):
    environment = environment_with_another("riscv64-unknown-elf-gcc", tmp_path)
    stages = stages_run(tree.scons("build/matmul.elf", env=environment))
    assert any("graph_0.c" in subject for _, subject in stages)


def test_a_changed_qemu_is_noticed(tree, tmp_path):
    environment = environment_with_another("qemu-system-riscv64", tmp_path)
    stages = stages_run(tree.scons("sim-matmul", env=environment))
    assert ("qemu", "check") in stages and ("simulate", "matmul") in stages
    assert not any(stage == "compile" for stage, _ in stages)


def test_a_data_file_that_the_model_reads_is_a_dependency(tree, tmp_path):
    folder = tmp_path / "models"
    model_file(
        folder,
        "loads",
        extra="\n\nfrom pathlib import Path\n\n"
        "WIDTH = int(Path(__file__).with_name('width.txt').read_text())\n",
    )
    (folder / "width.txt").write_text("3")
    tree.scons(f"MODELS={folder}", "sim-loads")
    assert stages_run(tree.scons(f"MODELS={folder}", "sim-loads")) == set()
    (folder / "width.txt").write_text("4")
    assert ("capture", "loads") in stages_run(tree.scons(f"MODELS={folder}", "sim-loads"))


def test_values_are_written_without_planner_engine_and_torch():
    found = modules_imported_by("import acalsim_backend.codegen.values")
    rooms = {name.rpartition(".")[2] for name in found if name.startswith("acalsim_backend.")}
    assert "values" in rooms and not rooms & {"passes", "plan", "decide", "tiling", "timer", "engine"}
    assert "torch" not in found
