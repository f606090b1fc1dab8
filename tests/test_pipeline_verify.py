# SPDX-License-Identifier: Apache-2.0
"""verify-NAME: every op's result held to PyTorch's."""

import json
import re

import pytest
from pipeline_fixtures import model_file, refused

BODY = "return torch.tanh(torch.sigmoid(x @ self.w) + 1) @ self.w.T"


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("m")
    model_file(folder, "fused", BODY)
    return f"MODELS={folder}"


def test_verify_holds_every_op_to_pytorch(host_tree, models):
    done = host_tree.scons(models, "verify-fused")
    assert re.search(r"^fused: 5 tensors equal to PyTorch's", done.stdout, re.MULTILINE)
    found = json.loads((host_tree / "build/reports/fused.verify.json").read_text())
    assert [op["type"] for op in found["ops"]] == ["MATMUL", "SIGMOID", "ADD", "TANH", "MATMUL"]
    assert (
        found["check"]["passed"]
        and found["check"]["first_bad_op"] is None
        and found["check"]["max_rel_error"] < 1e-6
    )


def test_verify_names_the_first_op_of_a_broken_kernel(tree, models):
    """The op is fused into another one's loop, and two more follow it there."""
    tree.edit(
        "kernels/elementary.h",
        "INLINE float sigmoid_f32(float x) {",
        "INLINE float sigmoid_f32(float x) {\n    x *= 1.01f;",
    )
    done = tree.scons(models, "verify-fused", check=False)
    assert refused(
        done,
        r"^verify: op 'sigmoid_\d+', SIGMOID of aten.sigmoid.default \(m0/fused.py:\d+\), "
        r"is the first that differs from "
        r"PyTorch: max_rel_error is [\d.e-]+, allowed is 0.0001; every op before it agrees$",
    )
    found = json.loads((tree / "build/reports/fused.verify.json").read_text())
    assert found["check"]["first_bad_op"].startswith("sigmoid")
    assert [op["passed"] for op in found["ops"]] == [True, False, False, False, False]
