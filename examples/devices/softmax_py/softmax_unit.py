# SPDX-License-Identifier: Apache-2.0
"""A streaming softmax unit, a first idea: rows come by DMA one ahead, and leave while the next is at work."""

import numpy as np
from acalsim_backend.device import Device, Parameter, Register


class SoftmaxUnit(Device):
    lanes = Parameter(4, 1, 1024, "elements a cycle")
    latency_cycles = Parameter(20, 1, 1000, "of a row beside those of its elements")
    SOURCE = Register(0x18, "RW", "address of the first row, float32")
    TARGET = Register(0x1C, "RW", "address of the first row of results")
    ROWS = Register(0x20, "RW", "how many rows, one behind the other")
    COLUMNS = Register(0x24, "RW", "elements of each")
    job = "SOURCE = @0x1000, TARGET = @0x20000, ROWS = 1..6, COLUMNS = 1..70: f4"

    def start(self):
        row_bytes, rows, written = 4 * self.COLUMNS, self.ROWS, []
        self.check(self.SOURCE, rows * row_bytes)
        self.check(self.TARGET, rows * row_bytes)
        coming = self.read(self.SOURCE, row_bytes, "f4")
        for row in range(rows):
            x = yield coming
            if row + 1 < rows:
                coming = self.read(self.SOURCE + (row + 1) * row_bytes, row_bytes, "f4")
            yield self.latency_cycles + 2 * -(-self.COLUMNS // self.lanes)
            y = np.exp(x - x.max())
            written.append(self.write(self.TARGET + row * row_bytes, y / y.sum()))
            self.count("elements", len(x))
        yield written
