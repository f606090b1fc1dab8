# SPDX-License-Identifier: Apache-2.0
"""Recurrent layers over packed sequences."""

import pytest
import torch
from acalsim_backend.capture.model import capture_model
from acalsim_backend.capture.model_file import ModelFile
from acalsim_backend.errors import CaptureError
from host_fixtures import Case
from op_cases.computed import assert_same, computed_together
from op_cases.values import Values
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

pytestmark = pytest.mark.usefixtures("fresh_dynamo")
values = Values(17)
f = values.f
LENGTHS = torch.tensor([2, 4, 3])


class Packed(nn.Module):
    """A recurrent layer over sequences of given lengths: what it leaves, and its last states."""

    def __init__(self, layer, lengths=None, padding=0.0, total=None, **options):
        super().__init__()
        torch.manual_seed(0)
        self.layer, self.lengths = layer(3, 5, **options), lengths
        self.padding, self.total = padding, total

    def forward(self, x, lengths=None, *states):
        is_first = self.layer.batch_first
        given = self.lengths or lengths
        packed = pack_padded_sequence(x, given, batch_first=is_first, enforce_sorted=False)
        result, state = self.layer(packed, *([states if len(states) > 1 else states[0]] if states else []))
        return pad_packed_sequence(result, is_first, self.padding, self.total), state


def case(layer, *inputs, **options):
    return Packed(layer, **options).eval(), inputs


PACKED = {
    "lstm": case(nn.LSTM, f(3, 4, 3), LENGTHS, batch_first=True),
    "lstm of two layers in both directions": case(nn.LSTM, f(4, 3, 3), LENGTHS, num_layers=2, bidirectional=True),
    "lstm with projections and states": case(
        nn.LSTM, f(4, 3, 3), LENGTHS, f(1, 3, 2), f(1, 3, 5), proj_size=2, bias=False
    ),
    "gru": case(nn.GRU, f(3, 4, 3), LENGTHS, batch_first=True, bidirectional=True),
    "gru with states": case(nn.GRU, f(4, 3, 3), LENGTHS, f(2, 3, 5), num_layers=2),
    "rnn": case(nn.RNN, f(4, 3, 3), LENGTHS, nonlinearity="relu", padding=-1.0),
    "lengths in the code": case(nn.GRU, f(3, 4, 3), batch_first=True, lengths=[1, 3, 2]),
    "a total length": case(nn.LSTM, f(3, 4, 3), LENGTHS, batch_first=True, total=6, padding=2.0),
}  # fmt: skip


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    found = computed_together(list(PACKED.values()), tmp_path_factory.mktemp("packed"))[1]
    return dict(zip(PACKED, found, strict=True))


@pytest.mark.parametrize("name", PACKED)
def test_a_layer_over_packed_sequences_computes_what_pytorch_computes(packed, name):
    for output, reference in packed[name]:
        assert_same(output, reference)


def test_sequences_that_are_all_shorter_than_their_padding_are_refused():
    with pytest.raises(
        CaptureError,
        match=r"output 0 is \(4, 3, 5\) under torch\.compile and \(3, 3, 5\) without; .* total_length=",
    ):
        file = ModelFile(Case.path)
        file.build = Case(Packed(nn.GRU), (f(4, 3, 3), torch.tensor([3, 1, 2]))).build
        capture_model(file)
