# SPDX-License-Identifier: Apache-2.0
"""Whatever a model reads, however it reads it: a change is noticed; the capture is as one from scratch."""

import contextlib
import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from acalsim_backend.capture import readings

MODEL = """\
import sqlite3, subprocess, wave
from pathlib import Path
import numpy as np, torch
from safetensors.torch import load_file
import _helper

here = Path(__file__).parent
VALUES = {
    "safetensors": lambda: load_file(here / "w.safetensors")["w"].sum(),
    "torch.load": lambda: torch.load(here / "w.pt").sum(),
    "torch.from_file": lambda: torch.from_file(str(here / "raw"), size=4).sum(),
    "memmap": lambda: np.memmap(here / "mapped", "f4").sum(),
    "update": lambda: float(open(here / "number", "r+").read()),
    "sqlite": lambda: sqlite3.connect(here / "w.db").execute("select v from w").fetchone()[0],
    "subprocess": lambda: float(subprocess.check_output(["cat", here / "printed"])),
    "exists": lambda: float((here / "later").exists()),
    "glob": lambda: len(list((here / "parts").glob("*"))),
    "helper": lambda: _helper.VALUE,
    "import": lambda: float(Path(wave.__file__).parent == here),
}


def model():
    layer = torch.nn.Linear(len(VALUES), 2)
    with torch.no_grad():
        layer.bias.zero_()
        layer.weight[:] = torch.tensor([float(value()) for value in VALUES.values()])
    return layer


def inputs():
    return (torch.ones(1, len(VALUES)),)
"""

FILES = """\
import sys
from pathlib import Path
import numpy as np, torch
from safetensors.torch import save_file

here, value = Path(sys.argv[1]), float(sys.argv[2])
save_file({"w": torch.full((4,), value)}, here / "w.safetensors")
torch.save(torch.full((4,), value), here / "w.pt")
np.full(4, value, "f4").tofile(here / "raw")
np.full(4, value, "f4").tofile(here / "mapped")
"""


def write_files(folder, value):
    """All that MODEL reads, with `value` in it."""
    subprocess.run([sys.executable, "-c", FILES, folder, str(value)], check=True)
    (folder / "number").write_text(str(value))
    (folder / "printed").write_text(str(value))
    (folder / "_helper.py").write_text(f"VALUE = {value}\n")
    with sqlite3.connect(folder / "w.db") as link:
        link.execute("create table if not exists w (v real)")
        link.execute("delete from w")
        link.execute("insert into w values (?)", (value,))
    link.close()


class Nets:
    """A folder with one model that reads in many ways, and the tree that it is built in."""

    def __init__(self, tree, folder):
        self.tree, self.folder = tree, folder

    def capture(self):
        return self.tree.scons(f"MODELS={self.folder}", "build/capture/net/graph_0.ir")

    def is_stale(self):
        """Whether a build would capture the model anew, as it finds before it begins."""
        readings._LOOKED_AT.clear()
        with contextlib.chdir(self.tree.folder):
            return not readings.is_unchanged(Path("build/capture/net"), may_write=False)

    def weights(self):
        return np.fromfile(self.tree / "build/capture/net/graph_0_weights.bin", "f4")

    def captured(self):
        return {path.name: path.read_bytes() for path in (self.tree / "build/capture/net").glob("*[!t]")}


@pytest.fixture(scope="module")
def nets(host_tree, tmp_path_factory):
    folder = tmp_path_factory.mktemp("nets") / "models"
    (folder / "parts").mkdir(parents=True)
    (folder / "parts/a").write_text("")
    write_files(folder, 1.5)
    (folder / "net.py").write_text(MODEL)
    nets = Nets(host_tree, folder)
    nets.capture()
    return nets


def flip(path):
    """Change a file's last byte, in place, and keep its times."""
    before = path.stat()
    with open(path, "r+b") as stream:
        stream.seek(-1, os.SEEK_END)
        last = stream.read(1)[0]
        stream.seek(-1, os.SEEK_END)
        stream.write(bytes([last ^ 1]))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_nothing_changed_is_nothing_to_do(nets):
    assert not nets.is_stale() and "up to date" in nets.capture().stdout


READ = ("w.safetensors", "w.pt", "raw", "mapped", "number", "w.db", "printed", "_helper.py", "net.py")


@pytest.mark.parametrize("name", READ)
def test_an_edit_is_noticed_whatever_reads_the_file(nets, name):
    flip(nets.folder / name)
    assert nets.is_stale()
    flip(nets.folder / name)
    assert not nets.is_stale(), "as it was it is nothing new"


@pytest.mark.parametrize("name", ["later", "parts/b", "wave.py"])
def test_a_file_that_appears_is_noticed(nets, name):
    (nets.folder / name).write_text("")
    assert nets.is_stale()
    (nets.folder / name).unlink()
    assert not nets.is_stale()


def test_a_model_beside_it_is_no_change(nets):
    (nets.folder / "_other.py").write_text("")
    (nets.folder / "other.json").write_text("")
    assert not nets.is_stale()


def test_what_is_made_after_every_edit_is_what_is_made_from_scratch(nets):
    before = nets.weights()
    write_files(nets.folder, 2.5)
    for name in ("later", "parts/b", "wave.py"):
        (nets.folder / name).write_text("")
    nets.capture()
    assert not nets.is_stale()
    rebuilt = nets.captured()
    assert (nets.weights() != before).sum() == 2 * 11, "every one of the values is new, in both rows"
    shutil.rmtree(nets.tree / "build/capture/net")
    nets.capture()
    assert rebuilt == nets.captured() and len(rebuilt) == 5


# --- Hugging Face -------------------------------------------------------------------------------

GPT2 = """import sys
from pathlib import Path
import torch, transformers

def model():
    return transformers.GPT2LMHeadModel.from_pretrained(Path(__file__).parent / "checkpoint", use_cache=False)

def inputs():
    return (torch.tensor([[1, 2, 3]]),)
"""
SAVE = """import sys, torch, transformers

torch.manual_seed(int(sys.argv[2]))
config = transformers.GPT2Config(
    vocab_size=16, n_positions=8, n_embd=8, n_layer=1, n_head=1, bos_token_id=1, eos_token_id=1
)
transformers.GPT2LMHeadModel(config).save_pretrained(sys.argv[1])
"""


@pytest.mark.slow
def test_a_checkpoint_that_is_saved_anew_is_noticed(host_tree, tmp_path):
    """And what transformers itself keeps and looks up leaves the capture as it is."""
    folder = tmp_path / "models"
    folder.mkdir()
    (folder / "gpt.py").write_text(GPT2)
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HOME": str(tmp_path)}

    def save(seed):
        subprocess.run(
            [sys.executable, "-c", SAVE, folder / "checkpoint", str(seed)], check=True, env=environment
        )

    def capture():
        done = host_tree.scons(f"MODELS={folder}", "build/capture/gpt/graph_0.ir", env=environment)
        return done, (host_tree / "build/capture/gpt/graph_0_weights.bin").read_bytes()

    save(1)
    _, first = capture()
    again, _ = capture()
    assert "up to date" in again.stdout
    save(2)
    _, second = capture()
    shutil.rmtree(host_tree / "build/capture/gpt")
    assert first != second and capture()[1] == second
