# SPDX-License-Identifier: Apache-2.0
"""A graph as lines of Python: what runs is what is printed."""

import re
from dataclasses import dataclass, field

import torch

PRELUDE = """\
import torch
import torch.nn.functional as F
from torch import nn


def made(seed, make):
    torch.manual_seed(seed)
    return make()


def kept(seed, make):
    tensor = made(seed, make)
    return tensor if isinstance(tensor, nn.Module) else nn.Parameter(tensor, requires_grad=False)
"""

NAME = re.compile(r"\b[vw]\d+\b")
"""Values and inputs are called v0, v1...; constants w0, w1..., and `self.w0` where a step reads them."""


@dataclass(frozen=True)
class Graph:
    """The expressions of inputs, constants and steps by their names, and the names of what is returned."""

    inputs: dict[str, str] = field(default_factory=dict)
    constants: dict[str, str] = field(default_factory=dict)
    steps: dict[str, str] = field(default_factory=dict)
    outputs: tuple[str, ...] = ()

    @staticmethod
    def names(code):
        """What an expression reads."""
        return NAME.findall(code)

    def needed(self):
        """The graph without what its outputs do not need."""
        live = set(self.outputs)
        for name, code in reversed(self.steps.items()):
            if name in live:
                live.update(NAME.findall(code))
        keep = [
            {name: code for name, code in part.items() if name in live}
            for part in (self.inputs, self.constants, self.steps)
        ]
        return Graph(*keep, self.outputs)

    def source(self, number=0):
        """The class `Graph{number}` and its function `inputs{number}`."""
        lines = [f"self.{name} = kept({code})" for name, code in self.constants.items()]
        init = ["def __init__(self):", "    super().__init__()", *(f"    {line}" for line in lines), ""]
        forward = [
            f"def forward({', '.join(['self', *self.inputs])}):",
            *(f"    {name} = {code}" for name, code in self.steps.items()),
            f"    return ({', '.join(self.outputs)},)",
        ]
        body = [*(init if lines else []), *forward]
        made = ", ".join(f"made({code})" for code in self.inputs.values())
        return "\n".join(
            [
                f"class Graph{number}(nn.Module):",
                *(f"    {line}".rstrip() for line in body),
                "",
                "",
                f"def inputs{number}():",
                f"    return ({made}{',' if made else ''})",
                "",
            ]
        )


def model_file(graphs, tolerances=""):
    """A model file whose outputs are those of all graphs."""
    numbers = range(len(graphs))
    firsts = [sum(len(graph.inputs) for graph in graphs[:number]) for number in numbers]
    calls = [
        f"*self.g{number}(*values[{first}:{first + len(graph.inputs)}])"
        for number, (first, graph) in enumerate(zip(firsts, graphs, strict=True))
    ]
    return "\n\n".join(
        [
            PRELUDE,
            *(graph.source(number) for number, graph in enumerate(graphs)),
            "class Batch(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
            + "".join(f"        self.g{number} = Graph{number}()\n" for number in numbers)
            + "\n    def forward(self, *values):\n        return (\n"
            + "".join(f"            {call},\n" for call in calls)
            + "        )\n",
            "def model():\n    return Batch()\n",
            f"def inputs():\n    return ({' '.join(f'*inputs{number}(),' for number in numbers)})\n"
            + tolerances,
        ]
    )


def module_of(graph, dtype=torch.float32):
    """The graph's module and its inputs, from its own text; it computes in float64 if told so."""
    names, text = {}, f"{PRELUDE}\n\n{graph.source()}"
    if dtype == torch.float64:
        text = text.replace("torch.float32", "torch.float64").replace(".float()", ".double()")
    exec(text, names)
    return names["Graph0"]().eval(), names["inputs0"]()
