# SPDX-License-Identifier: Apache-2.0
"""Models, machines and folders may have any names; what is made of one never lies where another's is."""

import os
import shutil
from pathlib import Path

import pytest
from acalsim_backend.paths import MACHINES
from acalsim_build.models import ModelsError, find_models
from acalsim_build.products import Code, Data
from acalsim_build.variables import variant_folder
from conftest import Tree
from pipeline_fixtures import model_file, refused

ODD = "o'd d,\"$x;(y)&"
"""A folder's name with all that means something to a shell or to SCons."""
BESIDE = ("t", "t.host", "t.verify", "t.elf", "t.map", "t.dump", "t.bin", "t.elf.elf", "sympy", "index.html")


def everything_made_of(model):
    made = [f"{model.build}/{model.name}{suffix}" for suffix in (".elf", ".map", ".dump", ".bin")]
    made += [model.report(), model.report(".host"), model.report(".verify"), f"{model.capture}/graph_0.ir"]
    made += [f"{model.reports}/{model.name}.{end}" for end in ("ops.csv", "html")]
    return made + [path for kind in (Code, Data) for path in kind.at(model.folder)]


@pytest.mark.quick
def test_no_model_writes_where_another_does(tmp_path):
    for name in BESIDE:
        (tmp_path / f"{name}.py").write_text("")
    models = find_models(str(tmp_path), "here", "build", "build/capture")
    owners = {}
    for model in models:
        for path in set(everything_made_of(model)):
            owners.setdefault(path, []).append(model.name)
    assert {model.name for model in models} == set(BESIDE)
    assert not {path: names for path, names in owners.items() if len(names) > 1}
    folders = {model.folder for model in models}
    assert not folders & owners.keys() and len(folders) == len(models)


@pytest.mark.quick
def test_no_machine_shares_a_folder_with_a_variant():
    names = ("default", "default-int8", "default-sst", "default-sst-int8", "host", "capture-int8", "cpu")
    folders = [
        variant_folder(name, name == "default", engine, precision)
        for name in names
        for engine in ("embedded", "sst")
        for precision in ("float32", "int8")
    ]
    assert len(set(folders)) == len(folders)
    assert not {f"build/{name}" for name in ("capture", "capture-int8", "host", "host-sst", "reports")} & set(
        folders
    )


@pytest.mark.quick
@pytest.mark.parametrize("name", ["mlp", "mlp.elf", "reports", "capture", "cpu-int8"])
def test_a_machine_that_is_called_as_a_folder_of_models_lies_apart(name):
    assert variant_folder(name, False, "embedded", "float32", ["mlp"]) == f"build/{name}+"
    assert variant_folder("wide", False, "embedded", "float32", ["mlp"]) == "build/wide"
    assert variant_folder("mlp", False, "sst", "float32", ["mlp"]) == "build/mlp-sst"


def test_a_machine_file_that_replaces_another_of_its_name_is_said_to(host_tree, tmp_path):
    model_file(tmp_path, "t")
    files = [tmp_path / place / "wide.toml" for place in ("one", "other")]
    for file in files:
        file.parent.mkdir()
        shutil.copyfile(MACHINES / "default.toml", file)
    first, second, again = (
        host_tree.scons(f"MODELS={tmp_path}", f"MACHINE={file}", "list").stderr for file in (*files, files[1])
    )
    assert first == again == ""
    assert (
        second
        == f"scons: build/wide held what '{files[0]}' gave; '{files[1]}' of the same name replaces it\n"
    )


@pytest.mark.quick
@pytest.mark.parametrize(
    "given, line",
    [
        ("", r"^MODELS is empty; it names a folder"),
        ("nowhere", r"^MODELS is 'nowhere', which is no folder"),
        (".", r"^no model files in '\.'"),
    ],
)
def test_a_folder_without_models_is_refused(tmp_path, monkeypatch, given, line):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModelsError, match=line):
        find_models(given, given, "build", "build/capture")


@pytest.mark.quick
@pytest.mark.parametrize(
    "make, line",
    [
        (os.mkfifo, r"pipe\.py' is no regular file"),
        (os.mkdir, r"pipe\.py' is no regular file"),
        (lambda path: os.symlink("nowhere", path), r"pipe\.py' cannot be read: No such file"),
        (lambda path: Path(path).with_name("a b.py").touch(), r"a b\.py' can't be a model's file name"),
    ],
    ids=["pipe", "folder", "broken link", "space"],
)
def test_what_is_no_model_file_is_refused(tmp_path, make, line):
    make(tmp_path / "pipe.py")
    with pytest.raises(ModelsError, match=line):
        find_models(str(tmp_path), "here", "build", "build/capture")


def test_an_empty_MODELS_is_one_line(host_tree):
    assert refused(host_tree.scons("MODELS=", check=False), r"^scons: MODELS is empty")


def test_a_checkout_in_a_folder_of_any_name_builds(host_tree, tmp_path):
    tree = Tree(shutil.copytree(host_tree.folder, tmp_path / ODD, symlinks=True))
    model_file(tree / ODD, "t")
    asked = (f"MODELS={tree / ODD}", "sim-t", "build/t.bin")
    tree.scons(*asked)
    assert (tree / "build/reports/t.json").exists() and "up to date" in tree.scons(*asked).stdout
