# SPDX-License-Identifier: Apache-2.0
"""What users type: variables, targets and options of scons."""

import os
import re
import shutil
import subprocess
import sys

from pipeline_fixtures import MODELS, model_file, report_of, stages_run


def test_help_names_variables_models_machines_and_examples(tree):
    text = tree.scons("-h").stdout
    for word in (
        "MACHINE",
        "ENGINE",
        "MODELS",
        "TIMEOUT",
        "VERBOSE",
        "sim-matmul",
        "-j8 all-reports",
        "chained_matmul",
        "cpu",
    ):
        assert word in text


def test_another_machine_builds_beside_the_default(tree):
    default = (tree / "build/reports/matmul.json").read_bytes()
    done = tree.scons("MACHINE=cpu", "sim-matmul")
    assert ("capture", "matmul") not in stages_run(done), "capture does not depend on the machine"
    assert report_of(tree, "matmul", "build/cpu")["machine"] == "cpu"
    assert set(report_of(tree, "matmul", "build/cpu")["devices"]) == {"echo"}
    assert (tree / "build/reports/matmul.json").read_bytes() == default
    assert (tree / "build/cpu/matmul.elf").exists() and (tree / "build/cpu/matmul/graph_0.c").exists()


def test_models_may_live_outside_the_repository(tree, tmp_path):
    model_file(tmp_path / "my nets", "tiny")
    (tmp_path / "my nets" / "_helper.py").write_text("")
    done = tree.scons(f"MODELS={tmp_path}/my nets", "all-reports")
    assert report_of(tree, "tiny")["check"]["passed"] and "_helper" not in done.stdout


def test_the_elf_comes_with_map_listing_and_binary(host_tree):
    for suffix in ("elf", "map", "dump", "bin"):
        assert (host_tree / f"build/matmul.{suffix}").stat().st_size > 0
    assert "<op_matmul_0>:" in (host_tree / "build/matmul.dump").read_text()


def test_verbose_logs_register_accesses_with_their_cycle_and_traces_memory(tree):
    done = tree.scons("VERBOSE=1", "sim-matmul")
    assert re.search(r"\[Cycle \d+\] echo: WRITE to REG_DATA_IN = 0xDEADBEEF", done.stdout)
    assert re.search(r"\[Cycle \d+\] Simulation complete", done.stdout)
    trace = (tree / "build/matmul/run/memory.trace").read_text().splitlines()
    report = report_of(tree, "matmul")
    reads = sum(" R " in line for line in trace)
    assert reads >= report["memory_reads"] > 0
    assert "acalsim_backend.simulate" in done.stdout


def test_dry_run_changes_nothing_and_clean_removes_all_that_was_built(tree, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(tree.folder, copy, symlinks=True)
    run = subprocess.run(
        [sys.executable, "-m", "SCons", "-Q", "-n", "MACHINE=cpu", "sim-mlp"],
        cwd=copy,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0 and ("simulate", "mlp") in stages_run(run)
    assert not (copy / "build/cpu/mlp").exists()
    subprocess.run([sys.executable, "-m", "SCons", "-Q", "-c"], cwd=copy, check=True, capture_output=True)
    assert not any((copy / f"build/reports/{name}.json").exists() for name in MODELS)
    assert not any(
        (copy / f"build/{name}.elf").exists() or (copy / f"build/{name}").exists() for name in MODELS
    )


def test_a_cache_folder_serves_another_tree(tree, tmp_path):
    first = tree.scons(f"--cache-dir={tmp_path}/cache", "MACHINE=cpu", "sim-bmm")
    assert first.returncode == 0
    shutil.rmtree(tree / "build/cpu")
    again = tree.scons(f"--cache-dir={tmp_path}/cache", "MACHINE=cpu", "sim-bmm")
    assert "Retrieved `build/cpu/reports/bmm.json' from cache" in again.stdout


def test_entries_of_a_cache_folder_that_were_damaged_are_made_anew(tree, tmp_path):
    cache = f"--cache-dir={tmp_path}/cache"
    tree.scons(cache, "MACHINE=cpu", "sim-bmm")
    report, elf = (tree / path for path in ("build/cpu/reports/bmm.json", "build/cpu/bmm.elf"))
    before = report.read_bytes(), elf.read_bytes()
    damaged = [path for path in (tmp_path / "cache").glob("*/*") if path.suffix != ".sha256"]
    assert len(damaged) > 10
    for path in damaged:
        os.truncate(path, path.stat().st_size // 2)
    shutil.rmtree(tree / "build/cpu")
    again = tree.scons(cache, "MACHINE=cpu", "sim-bmm")
    assert "Retrieved `build/cpu/bmm.elf'" not in again.stdout
    assert before == (report.read_bytes(), elf.read_bytes())
    shutil.rmtree(tree / "build/cpu")
    assert "Retrieved `build/cpu/bmm.elf' from cache" in tree.scons(cache, "MACHINE=cpu", "sim-bmm").stdout


def test_keep_going_builds_the_rest(tree, tmp_path):
    folder = tmp_path / "models"
    model_file(folder, "bad", body="return torch.linalg.svdvals(x)")
    model_file(folder, "good")
    done = tree.scons("-k", f"MODELS={folder}", "all-reports", check=False)
    assert done.returncode != 0 and report_of(tree, "good")["check"]["passed"]


def test_parallel_simulations_share_nothing(tree):
    for name in MODELS:
        shutil.rmtree(tree / f"build/{name}/run")
    before = {name: (tree / f"build/reports/{name}.json").read_bytes() for name in MODELS}
    tree.scons("-j8", "all-reports")
    assert before == {name: (tree / f"build/reports/{name}.json").read_bytes() for name in MODELS}
