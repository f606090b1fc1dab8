# SPDX-License-Identifier: Apache-2.0
"""Model files, reports and builds as tests of the pipeline use them."""

import json
import re

MODELS = ("bmm", "chained_matmul", "matmul", "mlp")
ON_CPU = ("MACHINE=cpu",)  # where kernels/ computes: on `default` the compute device takes a matmul


def report_of(tree, name, build="build"):
    return json.loads((tree / f"{build}/reports/{name}.json").read_text())


def stages_run(done):
    """The stages that a build ran, as {(stage, subject)}."""
    stages = "headers compile link qemu capture codegen values check simulate report objdump objcopy"
    rows = (line.split(None, 1) for line in done.stdout.splitlines() if not line.startswith(" "))
    return {tuple(row) for row in rows if len(row) == 2 and row[0] in stages.split()}


def model_file(folder, name, body="return x @ self.w", inputs="(torch.ones(2, 3),)", extra=""):
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.py").write_text(
        "import torch\n\n\nclass M(torch.nn.Module):\n"
        "    def __init__(self):\n        super().__init__()\n"
        "        self.w = torch.nn.Parameter(torch.ones(3, 4))\n\n"
        f"    def forward(self, x):\n        {body}\n\n\n"
        f"def model():\n    return M()\n\n\ndef inputs():\n    return {inputs}\n{extra}"
    )


def models_option(factory, **texts):
    """MODELS=, a new folder with a model file for each text."""
    folder = factory.mktemp("models")
    for name, text in texts.items():
        (folder / f"{name}.py").write_text(text)
    return f"MODELS={folder}"


def refused(done, line):
    """One clear line, a failing status, no traceback."""
    assert done.returncode != 0
    assert "Traceback" not in done.stdout + done.stderr
    assert re.search(line, done.stderr, re.MULTILINE), done.stdout + done.stderr
    return True
