# SPDX-License-Identifier: Apache-2.0
"""From a model file to a report through scons, as users type it: real compiler, real QEMU, real sockets."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

MODELS = ("bmm", "chained_matmul", "matmul", "mlp")
ON_CPU = ("MACHINE=cpu",)  # where kernels/ computes: on `default` the compute device takes a matmul


def report_of(tree, name, build="build"):
    return json.loads((tree / f"{build}/reports/{name}.json").read_text())


def stages_run(done):
    """The stages that a build ran, as {(stage, subject)}."""
    stages = "headers compile link qemu capture codegen check simulate report objdump objcopy"
    rows = (line.split(None, 1) for line in done.stdout.splitlines() if not line.startswith(" "))
    return {tuple(row) for row in rows if len(row) == 2 and row[0] in stages.split()}


def model_file(folder, name, body="return x @ self.w", inputs="(torch.ones(2, 3),)", extra=""):
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.py").write_text(
        "import torch\n\n\nclass M(torch.nn.Module):\n"
        "    def __init__(self):\n        super().__init__()\n        self.w = torch.nn.Parameter(torch.ones(3, 4))\n\n"
        f"    def forward(self, x):\n        {body}\n\n\n"
        f"def model():\n    return M()\n\n\ndef inputs():\n    return {inputs}\n{extra}"
    )


# --- the report ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MODELS)
def test_every_model_is_simulated_and_equals_pytorch(built_tree, name):
    report = report_of(built_tree, name)
    assert report["schema"] == 1 and report["model"] == name
    assert (report["machine"], report["engine"]) == ("default", "embedded")
    assert report["check"]["passed"] and report["check"]["max_rel_error"] <= 1e-6
    assert report["check"]["first_bad_op"] is None


@pytest.mark.parametrize("name", MODELS)
def test_the_cycles_of_a_report_sum_exactly(built_tree, name):
    report = report_of(built_tree, name)
    assert report["total_cycles"] == report["cpu_cycles"] + report["stall_cycles"]
    assert report["total_cycles"] == sum(op["cycles"] for op in report["ops"]) + report["overhead_cycles"]
    assert all(op["cycles"] > 0 for op in report["ops"])
    assert all(sum(op["ledger"].values()) == op["cycles"] for op in report["ops"])
    assert (
        sum(report["ledger"].values()) == report["total_cycles"]
        and report["ledger"]["cpu"] == report["cpu_cycles"]
    )


def test_a_report_says_what_the_device_did_while_the_cpu_waited(built_tree):
    report = report_of(built_tree, "matmul")
    (op,) = report["ops"]
    assert all(op["ledger"][stage] > 0 for stage in ("cpu", "stall", "fetch", "compute", "dram"))
    waited = sum(cycles for stage, cycles in op["ledger"].items() if stage not in ("cpu", "stall"))
    assert (
        0 <= report["devices"]["compute"]["busy_cycles"] - waited <= 20
    )  # the CPU's way from START to its first wait


def test_a_report_says_why_an_op_is_on_the_cpu(built_tree):
    for op in report_of(built_tree, "chained_matmul")["ops"]:
        assert ("reason" in op) == (op["placed_on"] == "cpu")


def test_a_table_is_as_wide_as_its_numbers_where_there_is_no_terminal(tree):
    (tree / "build/reports/mlp.json").unlink()
    printed = tree.scons("sim-mlp", env={**os.environ, "COLUMNS": "40"}).stdout
    report = report_of(tree, "mlp")
    assert "…" not in printed and f"mlp on default (embedded): {report['total_cycles']:,} cycles" in printed
    assert all(
        re.search(rf"^ {op['name']} +{op['placed_on']} +{op['cycles']:,} ", printed, re.MULTILINE)
        for op in report["ops"]
    )


def test_a_report_says_all_that_its_schema_promises(built_tree):
    report = report_of(built_tree, "matmul")
    counters = (
        "total_cycles cpu_cycles stall_cycles instructions memory_reads memory_writes memory_bytes_read "
        "memory_bytes_written device_transactions overhead_cycles"
    )
    assert all(type(report[name]) is int for name in counters.split())
    assert [op["type"] for op in report["ops"]] == ["MATMUL"]
    assert report["ops"][0]["torch_ops"] == ["aten.mm.default", "aten.add.Tensor"] and report["ops"][0][
        "fused"
    ] == ["add_1"]
    assert report["ops"][0]["macs"] == 8 * 16 * 8 and report["ops"][0]["placed_on"] == "compute"
    assert set(report["ops"][0]) == {
        "index",
        "name",
        "type",
        "placed_on",
        "cycles",
        "ledger",
        "instructions",
        "macs",
        "source",
        "torch_ops",
        "fused",
    }
    assert set(report["placement"][0]) == {"region", "origin", "length", "used", "sections"}
    assert set(report["devices"]) == {"echo", "compute"}
    assert (
        report["devices"]["echo"]["transactions"] + report["devices"]["compute"]["transactions"]
        == (report["device_transactions"])
    )
    assert {
        len(report["provenance"][f"{what}_sha256"]) for what in ("model", "weights", "elf", "machine")
    } == {64}
    assert report["provenance"]["torch"].startswith("2.13.0")


def test_memory_traffic_is_at_least_what_a_matmul_must_move(tree):
    tree.scons(*ON_CPU, "sim-matmul")
    report = report_of(tree, "matmul", "build/cpu")
    assert report["memory_bytes_read"] >= 4 * (8 * 16 + 16 * 8 + 8)
    assert report["memory_bytes_written"] >= 4 * 8 * 8


def test_reports_are_bit_identical_from_run_to_run_and_under_load(settled):
    before = (settled / "build/reports/mlp.json").read_bytes()
    shutil.rmtree(settled / "build/mlp/run")
    load = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(4)]
    try:
        settled.scons("sim-mlp")
    finally:
        for process in load:
            process.kill()
            process.wait()
    assert (settled / "build/reports/mlp.json").read_bytes() == before


def test_the_guests_outputs_are_what_the_report_compared(built_tree):
    plan = json.loads((built_tree / "build/matmul/plan.json").read_text())["outputs"][0]
    guest = np.frombuffer(
        (built_tree / "build/matmul/run/outputs.bin").read_bytes(), plan["dtype"], 64, plan["offset"]
    )
    torch = np.fromfile(built_tree / "build/capture/matmul/outputs.bin", "float32", 64)
    assert np.abs(guest - torch).max() <= 1e-6 * np.abs(torch).max()


def test_a_wrong_result_fails_the_target_naming_the_op(tree):
    tree.edit("kernels/matmul.h", "sums[i][j] = 0.0f;", "sums[i][j] = 1.0f;")
    done = tree.scons(*ON_CPU, "sim-matmul", check=False)
    assert done.returncode != 0 and "Traceback" not in done.stderr
    assert "report: model 'matmul': outputs differ from PyTorch's" in done.stderr
    assert report_of(tree, "matmul", "build/cpu")["check"]["passed"] is False
    assert tree.scons(*ON_CPU, "sim-matmul", check=False).returncode != 0, (
        "a failed target must not count as built"
    )


@pytest.fixture
def settled(tree):
    """The tree with everything built."""
    tree.scons("-j2", "all-reports")
    return tree


# --- exact rebuilds -----------------------------------------------------------------------------


def test_touching_nothing_does_nothing(tree):
    tree.scons("all-reports")
    done = tree.scons("all-reports")
    assert stages_run(done) == set() and "up to date" in done.stdout


def test_editing_a_model_redoes_that_model_only(settled):
    settled.edit("models/mlp.py", "import torch", "import torch  # edited")
    done = settled.scons("all-reports")
    assert {subject.split()[0] for _, subject in stages_run(done)} == {"mlp"}


def test_editing_only_weights_does_not_recompile_the_kernel_code(settled):
    settled.edit("models/matmul.py", "torch.randn(K, N)", "torch.randn(K, N) * 2")
    stages = stages_run(settled.scons("all-reports"))
    assert (
        ("capture", "matmul") in stages
        and ("codegen", "matmul data") in stages
        and ("report", "matmul") in stages
    )
    assert ("codegen", "matmul code") not in stages
    assert not any("graph_0.c" in subject for _, subject in stages)
    assert {re.split(r"[/. ]", subject)[0] for _, subject in stages} <= {"matmul", "build"}


def test_a_timing_parameter_of_the_machine_reruns_only_simulations(settled):
    settled.edit("sim/machines/default.toml", "load = 2 ", "load = 7 ")
    before = report_of(settled, "matmul")["total_cycles"]
    stages = stages_run(settled.scons("all-reports"))
    assert {stage for stage, _ in stages} == {"simulate", "report"}
    assert {subject for stage, subject in stages if stage == "simulate"} == set(MODELS)
    assert report_of(settled, "matmul")["total_cycles"] > before


def test_the_simulators_code_reruns_what_asks_the_simulator(settled):
    """Tilings are chosen by the device's model, simulations run it; nothing is compiled for the guest."""
    settled.edit("sim/model/echo.cc", "class Echo", "// edited\nclass Echo")
    settled.edit(
        "sim/model/echo.cc",
        'latency_cycles_(slot.parameter("latency_cycles"))',
        'latency_cycles_(1 + slot.parameter("latency_cycles"))',
    )
    stages = {stage for stage, _ in stages_run(settled.scons("all-reports"))}
    assert stages == {"compile", "link", "codegen", "simulate", "report"}


def test_a_kernel_header_rebuilds_what_includes_it(settled):
    settled.edit("kernels/loops.h", "#ifndef", "/* edited */\n#ifndef")
    with_softmax = stages_run(settled.scons("all-reports"))
    settled.edit("kernels/console.h", "#ifndef", "/* edited */\n#ifndef")
    with_console = stages_run(settled.scons("all-reports"))
    assert not any("console" in subject for _, subject in with_softmax)
    assert any("console.c" in subject for _, subject in with_console)
    assert not any("graph_0" in subject for _, subject in with_console)


def test_a_changed_compiler_is_noticed(settled, tmp_path):
    wrapper = tmp_path / "riscv64-unknown-elf-gcc"
    wrapper.write_text(f'#!/bin/sh\nexec {shutil.which("riscv64-unknown-elf-gcc")} "$@"\n')
    wrapper.chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    stages = stages_run(settled.scons("build/matmul.elf", env=environment))
    assert any("graph_0.c" in subject for _, subject in stages)


def test_a_changed_qemu_is_noticed(settled, tmp_path):
    wrapper = tmp_path / "qemu-system-riscv64"
    wrapper.write_text(f'#!/bin/sh\nexec {shutil.which("qemu-system-riscv64")} "$@"\n')
    wrapper.chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    stages = stages_run(settled.scons("sim-matmul", env=environment))
    assert ("qemu", "check") in stages and ("simulate", "matmul") in stages
    assert not any(stage == "compile" for stage, _ in stages)


def test_a_data_file_that_the_model_reads_is_a_dependency(tree, tmp_path):
    folder = tmp_path / "models"
    model_file(
        folder,
        "loads",
        extra="\n\nfrom pathlib import Path\n\nWIDTH = int(Path(__file__).with_name('width.txt').read_text())\n",
    )
    (folder / "width.txt").write_text("3")
    tree.scons(f"MODELS={folder}", "sim-loads")
    assert stages_run(tree.scons(f"MODELS={folder}", "sim-loads")) == set()
    (folder / "width.txt").write_text("4")
    assert ("capture", "loads") in stages_run(tree.scons(f"MODELS={folder}", "sim-loads"))


# --- what users type ----------------------------------------------------------------------------


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


def test_the_elf_comes_with_map_listing_and_binary(built_tree):
    for suffix in ("elf", "map", "dump", "bin"):
        assert (built_tree / f"build/matmul.{suffix}").stat().st_size > 0
    assert "<op_matmul_0>:" in (built_tree / "build/matmul.dump").read_text()


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


def test_keep_going_builds_the_rest(tree, tmp_path):
    folder = tmp_path / "models"
    model_file(folder, "bad", body="return torch.linalg.svdvals(x)")
    model_file(folder, "good")
    done = tree.scons("-k", f"MODELS={folder}", "all-reports", check=False)
    assert done.returncode != 0 and report_of(tree, "good")["check"]["passed"]


def test_parallel_simulations_share_nothing(settled):
    for name in MODELS:
        shutil.rmtree(settled / f"build/{name}/run")
    before = {name: (settled / f"build/reports/{name}.json").read_bytes() for name in MODELS}
    settled.scons("-j8", "all-reports")
    assert before == {name: (settled / f"build/reports/{name}.json").read_bytes() for name in MODELS}


# --- bad input ----------------------------------------------------------------------------------


def refused(done, line):
    """One clear line, a failing status, no traceback."""
    assert done.returncode != 0
    assert "Traceback" not in done.stdout + done.stderr
    assert re.search(line, done.stderr, re.MULTILINE), done.stdout + done.stderr
    return True


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["MACHINE=huge", "sim-matmul"], r"^scons: machine: no machine named 'huge'; there are: .*cpu"),
        (["ENGINE=fast", "sim-matmul"], r"^scons: ENGINE is 'fast'; known are embedded, sst$"),
        (["MODELS=nowhere", "all-reports"], r"^scons: MODELS is 'nowhere', which is no folder"),
        (["MACHINES=cpu", "sim-matmul"], r"^scons: unknown variable MACHINES; known are "),
        (["VERBOSE=yes", "sim-matmul"], r"^scons: VERBOSE is 'yes'; it is 0 or 1$"),
        (["TIMEOUT=0", "sim-matmul"], r"^scons: TIMEOUT is '0'"),
        (["sim-nothing"], r"sim-nothing"),
    ],
)
def test_a_wrong_variable_or_target_is_refused_in_one_line(tree, arguments, line):
    assert refused(tree.scons(*arguments, check=False), line)


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("def inputs():\n    return ()\n", r"^capture: .*wrong\.py.*model\(\)"),
        ("def model():\n    return None\n", r"^capture: .*wrong\.py.*inputs\(\)"),
        ("def model(:\n", r"^capture: .*wrong\.py.*line 1"),
        (
            "def model():\n    raise RuntimeError('no weights here')\n\n\ndef inputs():\n    return ()\n",
            r"^capture: .*wrong\.py.*RuntimeError.*no weights here",
        ),
    ],
)
def test_a_wrong_model_file_is_refused_in_one_line(tree, tmp_path, source, line):
    (tmp_path / "wrong.py").write_text(source)
    assert refused(tree.scons(f"MODELS={tmp_path}", "all-reports", check=False), line)
    assert (
        not (tree / "build/reports/wrong.json").exists()
        and not (tree / "build/capture/wrong/graph_0.ir").exists()
    )


def test_unsupported_ops_are_named_with_the_users_line(tree, tmp_path):
    model_file(tmp_path / "m", "svd", body="return torch.linalg.svdvals(x)")
    done = tree.scons(f"MODELS={tmp_path}/m", "all-reports", check=False)
    assert refused(done, r"^capture: .*svd.*svd\.py:10")


def test_too_small_a_ram_says_what_is_needed_and_what_there_is(tree, tmp_path):
    text = (tree / "sim/machines/cpu.toml").read_text()
    (tmp_path / "small.toml").write_text(text.replace("0x1000_0000", "0x1_0000"))
    model_file(tmp_path / "m", "wide", inputs="(torch.ones(9000, 3),)")
    done = tree.scons(f"MACHINE={tmp_path}/small.toml", f"MODELS={tmp_path}/m", "sim-wide", check=False)
    assert refused(done, r"^plan: .*0x[0-9a-f]+ bytes.*0x10000")


@pytest.mark.parametrize(
    ("program", "target", "line"),
    [
        ("riscv64-unknown-elf-", "build/matmul.elf", r"^toolchain: .*riscv64-unknown-elf-gcc.*install"),
        ("qemu-system-riscv64", "sim-matmul", r"^qemu: .*qemu-system-riscv64.*qemu-system-misc"),
    ],
)
def test_a_missing_tool_is_named_with_its_package(tree, tmp_path, environment_without, program, target, line):
    environment = environment_without(tmp_path / "bin", program)
    assert refused(tree.scons(target, check=False, env=environment), line)


def test_engine_sst_without_sst_says_where_to_get_it(tree, tmp_path, environment_without):
    environment = environment_without(tmp_path / "bin", "sst")
    done = tree.scons("ENGINE=sst", "sim-matmul", check=False, env=environment)
    assert refused(done, r"ENGINE=sst needs SST's `sst` and `sst-config`.*sst-simulator\.org")
    assert not (tree / "build/default-sst/reports/matmul.json").exists()


@pytest.fixture
def failing_kernel(tree):
    """Replaces the matmul kernel's body by C statements of the test's choice."""

    def replace(statements):
        text = (tree / "kernels/matmul.h").read_text()
        body = re.search(r"^INLINE [^;{]*matmul_f32\([^{]*\{", text, re.MULTILINE)
        (tree / "kernels/matmul.h").write_text(
            text[: body.end()] + "\n" + statements + "\n" + text[body.end() :]
        )
        return tree

    return replace


def test_a_trapping_guest_is_reported_with_cause_and_symbol(failing_kernel):
    tree = failing_kernel('__asm__ volatile(".word 0");')
    done = tree.scons(*ON_CPU, "sim-matmul", check=False)
    assert refused(
        done, r"^simulate: the guest trapped: illegal instruction at mepc 0x8[0-9a-f]+ <kernel_matmul_0\+0x"
    )
    assert "illegal instruction" in (tree / "build/cpu/matmul/run/console.log").read_text()


def test_a_guest_that_writes_past_its_ram_is_reported_with_the_address(failing_kernel):
    tree = failing_kernel("*(volatile int *)0x90000010 = 1;")
    assert refused(
        tree.scons(*ON_CPU, "sim-matmul", check=False),
        r"^simulate: the guest trapped: store access fault at .*mtval 0x90000010; RAM is 0x80000000\.\.0x90000000$",
    )


def test_a_guest_that_never_ends_is_stopped_and_its_place_named(failing_kernel):
    tree = failing_kernel('for (;;) __asm__ volatile("");')
    done = tree.scons(*ON_CPU, "TIMEOUT=2", "sim-matmul", check=False)
    assert refused(
        done, r"^simulate: the guest had not ended after 2 s; it is in 0x8[0-9a-f]+ <kernel_matmul_0\+0x"
    )
    assert simulation_processes() == []


@pytest.fixture
def endless(failing_kernel):
    """A simulation that is under way and would never end: (tree, scons process)."""
    tree = failing_kernel("for (;;) *(volatile int *)0x10200010 = 1;")
    process = subprocess.Popen(
        [sys.executable, "-m", "SCons", "-Q", *ON_CPU, "sim-matmul"],
        cwd=tree.folder,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    wait_until(lambda: any("sst-device,socket" in command for command in processes().values()))
    yield tree, process
    process.kill()
    process.communicate()


def processes():
    found = {}
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{entry}/cmdline", "rb") as stream:
                found[int(entry)] = stream.read().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
    return found


def wait_until(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def simulation_processes():
    return [
        pid
        for pid, command in processes().items()
        if "sst-device,socket" in command
        or "acalsim_backend.serve" in command
        or "acalsim_backend.simulate" in command
    ]


@pytest.mark.parametrize(
    ("victim", "line"),
    [
        (
            "acalsim_backend.serve",
            r"^simulate: the simulator was killed by SIGKILL in the middle of the run$",
        ),
        ("sst-device,socket", r"^simulate: QEMU was killed by SIGKILL in the middle of the run$"),
    ],
)
def test_a_side_that_is_killed_in_the_middle_is_named(endless, victim, line):
    tree, scons = endless
    (pid,) = [pid for pid, command in processes().items() if victim in command]
    os.kill(pid, signal.SIGKILL)
    out, err = scons.communicate(timeout=30)
    assert refused(subprocess.CompletedProcess((), scons.returncode, out, err), line)
    assert simulation_processes() == [] and not (tree / "build/cpu/matmul/run/run.json").exists()


@pytest.mark.parametrize("to_group", [True, False], ids=["to all as a terminal does", "to scons alone"])
def test_ctrl_c_leaves_no_process_behind(endless, to_group):
    _, scons = endless
    (os.killpg if to_group else os.kill)(scons.pid, signal.SIGINT)
    out, err = scons.communicate(timeout=30)
    assert scons.returncode != 0 and "Traceback" not in out + err
    wait_until(lambda: simulation_processes() == [], 10)


def test_killing_the_build_leaves_no_process_behind(endless):
    _, scons = endless
    (pid,) = [
        pid
        for pid, command in processes().items()
        if "-m acalsim_backend.simulate" in command and "sh -c" not in command
    ]
    os.kill(pid, signal.SIGKILL)
    scons.communicate(timeout=30)
    wait_until(lambda: simulation_processes() == [], 10)


def test_a_second_build_in_the_same_tree_is_refused(endless):
    tree, _ = endless
    done = tree.scons("sim-mlp", check=False)
    assert refused(done, r"^scons: another build is running in this tree \(process \d+\)")
    assert tree.scons("-h").returncode == 0


# --- NAME.tiling.toml ---------------------------------------------------------------------------


def test_a_tiling_file_beside_the_model_decides_and_is_a_dependency(tree):
    tree.scons("sim-matmul")
    before = report_of(tree, "matmul")["total_cycles"]
    (tree / "models/matmul.tiling.toml").write_text("[default.matmul_0]\nm = 1\n\n[edge.no_such_op]\nm = 1\n")
    tree.scons("sim-matmul")
    op = json.loads((tree / "build/matmul/plan.json").read_text())["ops"][0]
    assert (
        op["tiling"]["m"] == 1
        and report_of(tree, "matmul")["total_cycles"] > before
        and op["device_cycles"] < before
    )
    (tree / "models/matmul.tiling.toml").write_text("[default.matmul_0]\non = 'cpu'\n")
    tree.scons("sim-matmul")
    assert report_of(tree, "matmul")["ops"][0]["reason"] == "the tiling file says so"
    (tree / "models/matmul.tiling.toml").unlink()
    tree.scons("sim-matmul")
    assert report_of(tree, "matmul")["total_cycles"] == before


def test_a_tiling_file_of_another_models_op_is_refused(tree):
    (tree / "models/matmul.tiling.toml").write_text("[default.conv_7]\nm = 1\n")
    assert refused(
        tree.scons("sim-matmul", check=False),
        r"^plan: the tiling file names op 'conv_7', which is none of this model's; its products are matmul_0$",
    )


# --- verify-NAME --------------------------------------------------------------------------------

BODY = "return torch.tanh(torch.sigmoid(x @ self.w) + 1) @ self.w.T"


def test_verify_holds_every_op_to_pytorch(tree, tmp_path):
    model_file(tmp_path / "m", "net", BODY)
    done = tree.scons(f"MODELS={tmp_path}/m", "verify-net")
    assert re.search(r"^net: 5 tensors equal to PyTorch's", done.stdout, re.MULTILINE)
    found = json.loads((tree / "build/reports/net.verify.json").read_text())
    assert [op["type"] for op in found["ops"]] == ["MATMUL", "SIGMOID", "ADD", "TANH", "MATMUL"]
    assert (
        found["check"]["passed"]
        and found["check"]["first_bad_op"] is None
        and found["check"]["max_rel_error"] < 1e-6
    )


def test_verify_names_the_first_op_of_a_broken_kernel(tree, tmp_path):
    """The op is fused into another one's loop, and two more follow it there."""
    model_file(tmp_path / "m", "net", BODY)
    tree.edit(
        "kernels/elementary.h",
        "INLINE float sigmoid_f32(float x) {",
        "INLINE float sigmoid_f32(float x) {\n    x *= 1.01f;",
    )
    done = tree.scons(f"MODELS={tmp_path}/m", "verify-net", check=False)
    assert refused(
        done,
        r"^verify: op 'sigmoid_\d+', SIGMOID of aten.sigmoid.default \(m/net.py:\d+\), is the first that differs from "
        r"PyTorch: max_rel_error is [\d.e-]+, allowed is 0.0001; every op before it agrees$",
    )
    found = json.loads((tree / "build/reports/net.verify.json").read_text())
    assert found["check"]["first_bad_op"].startswith("sigmoid")
    assert [op["passed"] for op in found["ops"]] == [True, False, False, False, False]
