# SPDX-License-Identifier: Apache-2.0
"""A tiling file beside a model file."""

import json

from pipeline_fixtures import refused, report_of


def test_a_tiling_file_beside_the_model_decides_and_is_a_dependency(tree):
    tree.scons("sim-matmul")
    before = report_of(tree, "matmul")["total_cycles"]
    (tree / "models/matmul.tiling.toml").write_text("[default.matmul_0]\nm = 1\n\n[edge.no_such_op]\nm = 1\n")
    tree.scons("sim-matmul")
    op = json.loads((tree / "build/matmul/plan.json").read_text())["ops"][0]
    assert (
        op["tiling"]["m"] == 1
        and report_of(tree, "matmul")["total_cycles"] > before
        and op["device_cycles"] < report_of(tree, "matmul")["total_cycles"]
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
        r"^plan: the tiling file names op 'conv_7', which is none of this model's; "
        r"its products are matmul_0$",
    )
