# SPDX-License-Identifier: Apache-2.0
"""GENERATE: language models make token after token on the machine, with the cache where it lies."""

import importlib.util
import os

import pytest
import torch
from acalsim_backend.codegen.generator import timer_for
from acalsim_backend.ir.text import parse
from acalsim_backend.machine.file import load_machine
from acalsim_backend.schedule.carried import copies, takes_over
from acalsim_backend.schedule.passes import make_plan
from conftest import ROOT
from pipeline_fixtures import models_option, refused, report_of

os.environ["HF_HUB_OFFLINE"] = "1"

FOLDER = ROOT / "models/tokens"
SMALL = """\
import torch
from transformers import GPT2Config, GPT2LMHeadModel

GENERATE = {tokens}


def model():
    config = GPT2Config(
        n_layer=1, n_embd=16, n_head=2, vocab_size=32, n_positions=16, bos_token_id=0, eos_token_id=0
    )
    gpt2 = GPT2LMHeadModel(config)
    for parameter in gpt2.parameters():
        if parameter.dim() > 1:
            torch.nn.init.normal_(parameter, std=0.3)
    return gpt2.to(torch.{dtype})


def inputs():
    return (torch.randint(0, 32, ({batch}, {prompt})),)
"""


def small(tokens=4, batch=1, prompt=5, dtype="float32"):
    return SMALL.format(tokens=tokens, batch=batch, prompt=prompt, dtype=dtype)


def tokens_of(name):
    """What Hugging Face's own generate() makes of a model of models/tokens, each after the prompt."""
    spec = importlib.util.spec_from_file_location(f"tokens_{name}", FOLDER / f"{name}.py")
    file = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(file)
    torch.manual_seed(0)
    model, (prompt,) = file.model().eval(), file.inputs()
    made = model.generate(prompt, max_new_tokens=file.GENERATE, do_sample=False, eos_token_id=None)
    return made[:, prompt.shape[1] :].tolist()


@pytest.mark.parametrize("name", ["gpt2", "qwen2"])
def test_the_tokens_are_those_of_generate_and_each_has_its_cycles(host_tree, name):
    host_tree.scons(f"MODELS={FOLDER}", "MACHINE=roomy", f"sim-{name}")
    report = report_of(host_tree, name, "build/roomy")
    made = report["generated"]
    assert made["tokens"] == made["expected"] == tokens_of(name) and len({*made["tokens"][0]}) > 4
    assert report["check"]["passed"] and report["check"]["max_rel_error"] < 1e-5
    assert len(made["token_cycles"]) == 15 and min(made["token_cycles"]) > 1000
    spent = made["prompt_cycles"] + sum(made["token_cycles"])
    assert report["total_cycles"] - 100 < spent < report["total_cycles"]
    steps = sum(made["token_cycles"]) / 1e9  # at 1000 MHz
    assert made["tokens_per_second"] == pytest.approx(15 / steps)
    assert sum(op["cycles"] for op in report["ops"]) + report["overhead_cycles"] == report["total_cycles"]
    assert (
        report["roofline"]["bound_cycles"] < report["total_cycles"] < 2 * report["roofline"]["bound_cycles"]
    )


def test_a_cache_stays_where_it_is(host_tree):
    host_tree.scons(f"MODELS={FOLDER}", "build/capture/qwen2/graph_0.ir")
    machine = load_machine("default")
    ir = parse((host_tree / "build/capture/qwen2/graph_0.ir").read_text())
    plan = make_plan(ir, machine, timer=timer_for(machine))
    caches = [each for each in ir.loop.carried if len(ir.tensors[each.entry].shape) == 4]
    roots = takes_over(plan)
    assert len(caches) == 4 and ir.loop.rounds == 15
    for each in caches:
        assert roots[plan.access[each.first].storage] == roots[plan.access[each.last].storage] == each.entry
    moved = {to for pairs in (copies(plan).before, copies(plan).after) for _, to in pairs}
    assert all(ir.tensors[name].size_bytes == 8 for name in moved)


@pytest.mark.parametrize("machine", ["cpu", pytest.param("quad", marks=pytest.mark.slow)])
def test_several_sequences_go_on_on_every_kind_of_machine(host_tree, tmp_path_factory, machine):
    folder = models_option(tmp_path_factory, two=small(batch=2), half=small(dtype="bfloat16"))
    wanted = {"two": 2, "half": 1} if machine == "cpu" else {"two": 2}
    others = ["verify-two"] if machine == "cpu" else []
    host_tree.scons(folder, f"MACHINE={machine}", *(f"sim-{name}" for name in wanted), *others)
    for name, sequences in wanted.items():
        made = report_of(host_tree, name, f"build/{machine}")["generated"]
        assert made["tokens"] == made["expected"] and len(made["tokens"]) == sequences
        assert ("tokens_per_second" in made) == (machine != "cpu")


LAYER = "import torch\n\nGENERATE = 4\n\n\ndef model():\n    return torch.nn.Linear(4, 4)\n\n\n"
REFUSED = {
    "word": (
        small(tokens="'many'"),
        r"capture: .*/word\.py: GENERATE is 'many'; it is a number of tokens, 2 or larger",
    ),
    "one": (small(tokens=1), r"capture: .*: GENERATE is 1; it is a number of tokens, 2 or larger"),
    "layer": (
        LAYER + "def inputs():\n    return (torch.randn(1, 4),)\n",
        r"capture: .*: GENERATE needs a language model with a cache, as Hugging Face's are; "
        r"its forward\(\) takes no input_ids",
    ),
    "floats": (
        small().replace("torch.randint(0, 32, (1, 5))", "torch.randn(1, 5)"),
        r"capture: .*: inputs\(\) returned torch\.float32 \(1, 5\); with GENERATE it returns a prompt, int64",
    ),
    "long": (
        small(tokens=8, prompt=12),
        r"capture: .*: a prompt of 12 tokens and 8 more need 19 positions; the model has 16",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_make_tokens_is_refused_in_one_line(host_tree, tmp_path_factory, name):
    text, line = REFUSED[name]
    folder = models_option(tmp_path_factory, **{name: text})
    refused(host_tree.scons(folder, f"sim-{name}", check=False), line)


WINDOWED = """\
import torch
from transformers import {kind}Config, {kind}ForCausalLM

GENERATE = 6


def model():
    config = {kind}Config(
        vocab_size=48, hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=1, head_dim=8, sliding_window=5, pad_token_id=0, bos_token_id=0, eos_token_id=0,
    )
    model = {kind}ForCausalLM(config)
    for parameter in model.parameters():
        if parameter.dim() > 1:
            torch.nn.init.normal_(parameter, std=0.3)
    return model


def inputs():
    return (torch.randint(0, 48, (1, 7)),)
"""


@pytest.mark.parametrize("kind", ["Mistral", "Gemma2"])
def test_layers_with_a_sliding_window_see_the_tokens_in_it(tree, tmp_path_factory, kind):
    name = kind.lower()
    folder = models_option(tmp_path_factory, **{name: WINDOWED.format(kind=kind)})
    tree.scons(folder, f"sim-{name}")
    report = report_of(tree, name)
    assert report["generated"]["tokens"] == report["generated"]["expected"]
    assert report["check"]["passed"] and report["check"]["max_rel_error"] < 1e-5
