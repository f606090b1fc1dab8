# SPDX-License-Identifier: Apache-2.0
"""Softmax over the last dimension goes to the unit, row by row."""

from acalsim_backend.rules import Op, Rule


class Softmax(Rule):
    matches = "SOFTMAX"

    def takes(self, op: Op) -> bool:
        x = op.inputs[0]
        return x.dtype == "float32" and op.attrs["dim"] in (-1, x.rank - 1)

    def driver(self, op: Op) -> str:
        x, y = op.inputs[0], op.output
        return f"""
            WRITE(SOURCE, {x});
            WRITE(TARGET, {y});
            WRITE(ROWS, {x.elements // x.shape[-1]});
            WRITE(COLUMNS, {x.shape[-1]});
            RUN();
        """
