# SPDX-License-Identifier: Apache-2.0
"""The models of models/: one graph each, whose program computes what PyTorch does; outputs follow inputs."""

import pytest
import torch
from acalsim_backend.capture.model import capture_model, tensors_of
from acalsim_backend.capture.model_file import DEFAULT_TOLERANCE
from acalsim_backend.ir.ops import ROWS
from conftest import ROOT
from host_fixtures import run_on_host
from zoo_fixtures import MODELS, generate, loaded, relative_error

ROOMY = {"bert_base", "gpt2", "gpt2_tokens", "vit_b16"}
"""Models of hundreds of megabytes, for sim/machines/roomy.toml: bench/models.py builds them."""
LARGE = {
    path.stem: path for path in sorted((ROOT / "models" / "large").glob("[!_]*.py")) if path.stem not in ROOMY
}
LARGEST_MACS = 40_000_000
"""Of a model in models/, so that all-reports stays a matter of a minute."""


@pytest.mark.parametrize("name", MODELS)
def test_a_model_computes_what_pytorch_computes(captured_model, name, tmp_path):
    captured = captured_model(name)
    assert relative_error(run_on_host(captured, tmp_path), captured.references) <= DEFAULT_TOLERANCE


@pytest.mark.parametrize("name", MODELS)
def test_a_model_is_small_enough_for_all_reports(captured_model, name):
    ir = captured_model(name).ir
    assert sum(ROWS[op.op_type].count_macs(ir, op) for op in ir.ops) < LARGEST_MACS


@pytest.mark.parametrize("name", LARGE)
def test_a_large_model_becomes_a_program(name, tmp_path):
    model, _ = loaded(LARGE[name]).build()
    generate(capture_model(loaded(LARGE[name])), tmp_path)
    parameters = sum(parameter.nbytes for parameter in model.parameters())
    assert (tmp_path / "graph_0_weights.bin").stat().st_size >= 0.9 * parameters


@pytest.mark.parametrize("name", [*MODELS, *LARGE])
def test_the_outputs_of_a_model_depend_on_its_inputs_and_keep_their_size(name):
    model, inputs = loaded({**MODELS, **LARGE}[name]).build()
    outputs, others = outputs_of(model, inputs), outputs_of(model, [another(value) for value in inputs])
    for output, other in zip(outputs, others, strict=True):
        assert 0.05 < output.std() < 10
        assert (output - other).std() > 0.1 * output.std()


def another(value):
    """Other values of the same kind: a shuffled tensor's rows are as probable as its own."""
    return torch.randn_like(value) if value.is_floating_point() else value.flip(-1) + (value.numel() == 1)


def outputs_of(model, inputs):
    with torch.no_grad():
        return [tensor.clone() for tensor in tensors_of(model(*inputs))]


def test_the_decode_step_continues_what_prefill_began():
    prefill, (tokens,) = loaded(MODELS["gpt_prefill"]).build()
    step, _ = loaded(MODELS["gpt_step"]).build()
    last = tokens.shape[1] - 1
    whole = outputs_of(prefill, [tokens])
    _, keys, values = outputs_of(prefill, [tokens[:, :last]])
    continued = outputs_of(step, [tokens[:, last:], torch.tensor([last]), keys, values])
    torch.testing.assert_close(continued[0], whole[0][:, -1:])
    torch.testing.assert_close(continued[1:], whole[1:])
