# SPDX-License-Identifier: Apache-2.0
"""README and docs: every command there is run, and what a page says that a command prints, it prints."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml
from conftest import ROOT, Tree
from page_commands import PAGES, block, commands, tidy
from sst_fixtures import has_element

README, TIMING, EXPLORE = ROOT / "README.md", ROOT / "docs/timing.md", ROOT / "docs/explore.md"
CI = ROOT / "docs/ci.md"
BY_OTHERS = {
    "./run pytest": "is what runs this",
    "git add baseline.json": "is git's",
    "./run dask scheduler": "is Dask's",
    "./run dask worker tcp://HOST:8786": "is Dask's",
    "./run scons sweep-mlp SWEEP=my.toml SCHEDULER=tcp://HOST:8786": "test_sweep_cluster.py has a cluster",
}
TERMINALS = ("acalsim_backend.serve", "qemu-system-riscv64")
BY_HAND = (*TERMINALS, "examples/cluster.py")
"""Programs that run until others end them: test_the_two_terminals, and test_sst_nodes.py."""
ELEMENTS = {"memhierarchy.toml": "memHierarchy", "network.toml": "merlin"}
"""What machine files for SST need of sst-elements."""

SAMPLE = '[sample]\ncount = 9\n"devices.compute.rows" = {from = 4, to = 32, step = 4}\n'


def every_command():
    return list(dict.fromkeys(command for page in PAGES for command in commands(page)))


def is_slow(command):
    return "resnet18_32" in command or command.endswith("scons baseline")


BENCHES = [command for command in every_command() if "bench/" in command]
LEFT_OUT = [*BENCHES, *BY_OTHERS, *(c for c in every_command() if any(word in c for word in BY_HAND))]
SST = [command for command in every_command() if "sst" in command and command not in LEFT_OUT]
PLAIN = [command for command in every_command() if command not in (*SST, *LEFT_OUT)]


@pytest.fixture(scope="module")
def reader(tree_of_all, tmp_path_factory):
    """A tree as a reader has it who follows the pages; what one command leaves the next one finds."""
    tree = Tree(shutil.copytree(tree_of_all, tmp_path_factory.mktemp("reader") / "tree", symlinks=True))
    machine = (ROOT / "sim/machines/default.toml").read_text()
    (tree / "my").mkdir()
    (tree / "my/wide.toml").write_text(machine.replace("columns = 16", "columns = 32"))
    shutil.copytree(ROOT / "examples", tree / "examples", ignore=shutil.ignore_patterns("output*"))
    (tree / "cases.csv").write_text(block_of_cases()[0])
    (tree / "my.toml").write_text('models = ["mlp"]\n' + block(EXPLORE, "A sweep file says what to turn"))
    (tree / "sample.toml").write_text(SAMPLE)
    return tree


def typed(tree, command, **options):
    """Run a page's command in the tree, in the environment that ./run would make."""
    environment = {**os.environ, "PYTHONPATH": str(tree / "site_scons")}
    environment["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), environment["PATH"]])
    line = command.removeprefix("./run ").replace("NAME", "mlp").replace("~/nets", "models")
    options = {"cwd": tree.folder, "env": environment, "capture_output": True, "text": True, **options}
    return subprocess.run(["bash", "-c", line], timeout=600, **options)


def prerequisites(tree, command):
    """What a page says comes before: reports that are compared, a baseline that is checked, a device that is begun."""
    if "new-device my_unit" in command:
        shutil.rmtree(tree / "my_unit", ignore_errors=True)
    elif "my_unit" in command and not (tree / "my_unit").exists():
        assert typed(tree, "./run scons new-device my_unit LANGUAGE=py").returncode == 0
    if "before.json" in command and not (tree / "before.json").exists():
        shutil.copy(tree / "build/reports/mlp.json", tree / "before.json")
    if "build/cpu/reports" in command:
        tree.scons("MACHINE=cpu", "sim-mlp", "sim-matmul")
    if "check" in command and "base" in command:
        variant = ["MACHINE=cpu"] if "MACHINE=cpu" in command else []
        tree.scons(*variant, "baseline", "MODEL=mlp,matmul,bmm,chained_matmul")


@pytest.mark.parametrize("command", [pytest.param(c, marks=[pytest.mark.slow] * is_slow(c)) for c in PLAIN])
def test_a_command_of_a_page_does_what_it_says(reader, command):
    prerequisites(reader, command)
    with borrowed_models(reader, command):
        done = typed(reader, command)
    assert done.returncode == 0, done.stdout + done.stderr


@contextmanager
def borrowed_models(reader, command):
    """Those of the zoo that the command names are in the reader's tree for so long."""
    own = {path.name for path in (reader / "models").iterdir()}
    wanted = [path for path in (ROOT / "models").glob("*.py") if re.search(rf"-{path.stem}\b", command)]
    helpers = list((ROOT / "models").glob("_*.py")) if {path.name for path in wanted} - own else []
    borrowed = [path for path in (*wanted, *helpers) if path.name not in own]
    for path in borrowed:
        shutil.copy(path, reader / "models")
    yield
    for path in borrowed:
        (reader / "models" / path.name).unlink()


@pytest.mark.parametrize("command", SST)
def test_a_command_for_sst_does_what_it_says(reader, command):
    for program in ("sst", "sst-config", "sst-info"):
        if not shutil.which(program):
            pytest.skip(f"no {program}")
    for file, element in ELEMENTS.items():
        if file in command and not has_element(element):
            pytest.skip(f"no {element} of sst-elements")
    with borrowed_models(reader, command):
        done = typed(reader, command)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("command", BENCHES)
def test_a_bench_of_a_page_is_there_and_compiles(command):
    path = ROOT / next(word for word in shlex.split(command) if word.startswith("bench/"))
    compile(path.read_text(), path, "exec")


def test_the_workflow_for_github_is_one_and_checks_the_baseline():
    text = re.search(r"```yaml\n(.*?)```", CI.read_text(), re.DOTALL)[1]
    (job,) = yaml.safe_load(text)["jobs"].values()
    assert all("run" in step or "uses" in step for step in job["steps"])
    (line,) = (step["run"] for step in job["steps"] if "./run" in step.get("run", ""))
    assert line.split()[-1] == "check-baseline" and "--cache-dir" in line


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_to_a_page_leads_to_one_and_to_a_heading_of_it(page):
    for target in re.findall(r"\]\((?!https?:)([^)\s]+)\)", page.read_text()):
        path, _, heading = target.partition("#")
        there = page.parent / path if path else page
        assert there.exists(), f"{page.name} links to {target}"
        if heading:
            titles = re.findall(r"^#+ (.+)$", there.read_text(), re.MULTILINE)
            anchors = {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}
            assert heading in anchors, f"{page.name} links to {target}; there are {sorted(anchors)}"


def test_the_two_terminals_print_what_the_page_says(reader, tmp_path):
    reader.scons("host", "build/matmul.elf")
    serve, qemu = (next(c for c in commands(README) if word in c) for word in TERMINALS)
    serve, qemu = (line.replace("/tmp/", f"{tmp_path}/").replace("./run ", "") for line in (serve, qemu))
    environment = {**os.environ, "PYTHONPATH": str(reader / "site_scons")}
    environment["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), environment["PATH"]])
    pipes = {"cwd": reader.folder, "env": environment, "text": True, "stdout": subprocess.PIPE}
    with subprocess.Popen(["bash", "-c", f"exec env {serve}"], **pipes) as simulator:
        said = simulator.stdout.readline()
        while "listening on" not in said:
            said = simulator.stdout.readline()
            assert said, "the simulator did not listen"
        with subprocess.Popen(["bash", "-c", f"exec {qemu}"], stdin=subprocess.DEVNULL, **pipes) as guest:
            said = simulator.stdout.read()
            assert guest.wait(60) == 0
        assert simulator.wait(60) == 0
    assert block(README, "The first prints every register access") in tidy(said)


def test_the_report_of_the_readme_is_what_is_printed(reader):
    (reader / "build/reports/mlp.json").unlink()
    printed = tidy(reader.scons("sim-mlp").stdout)
    assert tidy(block(README, "`./run scons sim-mlp` ends with")) in printed


def block_of_cases():
    """The input and the output of the example of timing.md."""
    text = TIMING.read_text()
    given = text.split("$ cat cases.csv\n")[1].split("\n\n")[0] + "\n"
    return given, text.split("cases.csv\n")[2].split("```")[0]


def test_the_cycles_of_the_example_are_those_printed(reader):
    assert (
        typed(reader, next(c for c in commands(TIMING) if "cases.csv" in c and "timing" in c)).stdout
        == (block_of_cases()[1])
    )


def test_the_comparison_of_the_page_is_what_is_printed(reader):
    printed = tidy(reader.scons("compare", "A=default", "B=cpu", "MODEL=mlp").stdout)
    assert tidy(block(EXPLORE, "changed: the total, its ledger")) in printed


def test_a_failing_check_says_what_the_page_says(reader):
    reader.scons("baseline", "MODEL=mlp")
    machine = reader / "sim/machines/default.toml"
    before = machine.read_text()
    try:
        reader.edit("sim/machines/default.toml", "latency_cycles = 40", "latency_cycles = 60")
        done = reader.scons("check-baseline", "MODEL=mlp", check=False)
    finally:
        machine.write_text(before)
    assert done.returncode != 0
    assert block(CI, "fails the build, in one line") in done.stderr
