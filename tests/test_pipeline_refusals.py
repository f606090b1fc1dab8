# SPDX-License-Identifier: Apache-2.0
"""Bad input stops scons in one line that names it."""

import pytest
from pipeline_fixtures import model_file, refused


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
