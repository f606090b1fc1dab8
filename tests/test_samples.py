# SPDX-License-Identifier: Apache-2.0
"""BATCHES, or an iterator as inputs(): several samples run on one ELF, each held to PyTorch."""

import json

import numpy as np
import pytest
from pipeline_fixtures import models_option, refused, report_of, stages_run

SORTED = """\
import torch
from torch import nn


class Sorted(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(8, 16)

    def forward(self, x):
        return torch.sort(self.layer(x), dim=-1).values, x.amax()


def model():
    return Sorted()


def inputs():
    for scale in ({scales}):
        yield (torch.randn(2, 8) * scale,)
"""
LAYER = """\
import torch

BATCHES = {batches}


def model():
    return torch.nn.Linear(4, 4)


def inputs():
    return {inputs}
"""
NORMAL = "(torch.randn(2, 4),)"


def test_every_sample_has_cycles_and_a_check_of_its_own(tree, tmp_path_factory):
    folder = models_option(tmp_path_factory, values=SORTED.format(scales="1, 20, 300, 4000"))
    done = tree.scons(folder, "sim-values")
    report = report_of(tree, "values")
    cycles = [row["total_cycles"] for row in report["samples"]]
    assert len(cycles) == 4 and cycles[0] == report["total_cycles"] and len({*cycles}) > 1
    assert f"4 samples: {min(cycles):,} to {max(cycles):,} cycles, mean" in done.stdout
    assert all(row["check"]["passed"] and row["check"]["max_rel_error"] < 1e-6 for row in report["samples"])
    found = np.fromfile(tree / "build/values/run/outputs.bin", "<f4")
    assert (
        np.unique(found[found != 0]).size == 4 * 33
    )  # every sample's results are there, and no two are the same
    assert '<section id="samples"' in (tree / "build/reports/values.html").read_text()


def test_other_values_of_a_later_sample_are_simulated_and_nothing_is_compiled(tree, tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    (folder / "values.py").write_text(SORTED.format(scales="1, 20"))
    tree.scons(f"MODELS={folder}", "sim-values")
    (folder / "values.py").write_text(SORTED.format(scales="1, 30"))
    stages = {stage for stage, _ in stages_run(tree.scons(f"MODELS={folder}", "sim-values"))}
    assert {"capture", "values", "simulate", "report"} <= stages and not stages & {
        "codegen",
        "compile",
        "link",
    }


def test_a_sample_that_differs_is_named(tree, tmp_path_factory):
    text = LAYER.format(batches=3, inputs=NORMAL) + "\n\nTOLERANCE = 0.0\n"
    text = text.replace("torch.nn.Linear(4, 4)", "Late()").replace(
        "def model()",
        "class Late(torch.nn.Module):\n    calls = 0\n\n    def forward(self, x):\n"
        "        if not torch.compiler.is_compiling():\n            Late.calls += 1\n"
        "            return x + (Late.calls == 3)\n        return x + 0\n\n\ndef model()",
    )
    folder = models_option(tmp_path_factory, late=text)
    refused(
        tree.scons(folder, "sim-late", check=False),
        r"report: model 'late': outputs of sample 2 differ from PyTorch's, first at op '\w+': max_rel_error is",
    )


def test_the_scales_of_int8_are_those_of_all_samples(tree, tmp_path_factory):
    folder = models_option(
        tmp_path_factory,
        one=LAYER.format(batches=1, inputs="(torch.ones(2, 4),)"),
        two=LAYER.format(batches=2, inputs="(torch.ones(2, 4) * next(SIZES),)")
        + "\n\nSIZES = iter((1.0, 50.8))\n",
    )
    tree.scons(folder, "PRECISION=int8", "sim-one", "sim-two")
    scales = [
        json.loads((tree / f"build/capture-int8/{name}/capture.json").read_text())["quantised"]["ops"][0]
        for name in ("one", "two")
    ]
    assert scales[0]["input_scale"] == pytest.approx(1 / 127)
    assert scales[1]["input_scale"] == pytest.approx(50.8 / 127)


REFUSED = {
    "word": ("'many'", NORMAL, r"BATCHES is 'many'; it is a number of samples, 1 or larger"),
    "none": (0, NORMAL, r"BATCHES is 0; it is a number of samples, 1 or larger"),
    "few": (4, f"iter([{NORMAL}, {NORMAL}])", r"inputs\(\) gave 2 samples; 4 would be right"),
    "empty": ("1\ndel BATCHES", "iter([])", r"inputs\(\) gave 0 samples; at least 1 would be right"),
    "shapes": (
        2,
        f"iter([{NORMAL}, (torch.randn(3, 4),)])",
        r"sample 1 of inputs\(\) is torch\.float32 \(3, 4\), the first is torch\.float32 \(2, 4\)",
    ),
    "kinds": (
        2,
        f"iter([{NORMAL}, torch.ones(2, 4)])",
        r"inputs\(\) gave, as sample 1, Tensor; it returns a tuple",
    ),
    "endless": (
        "1\ndel BATCHES",
        f"iter(lambda: {NORMAL}, None)",
        r"inputs\(\) gave more than 10,000 samples; BATCHES says how many of them are wanted",
    ),
    "tokens": (
        "2\nGENERATE = 4",
        NORMAL,
        r"inputs\(\) gave 2 samples; with GENERATE it gives one, whose rows are prompts",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_samples_that_are_none_are_refused_in_one_line(tree, tmp_path_factory, name):
    batches, inputs, line = REFUSED[name]
    folder = models_option(tmp_path_factory, **{name: LAYER.format(batches=batches, inputs=inputs)})
    refused(tree.scons(folder, f"sim-{name}", check=False), rf"capture: .*/{name}\.py: {line}")


def test_an_iterator_without_end_is_taken_as_far_as_batches_says(tree, tmp_path_factory):
    folder = models_option(
        tmp_path_factory, some=LAYER.format(batches=3, inputs=f"iter(lambda: {NORMAL}, None)")
    )
    tree.scons(folder, "sim-some")
    assert len(report_of(tree, "some")["samples"]) == 3
