# SPDX-License-Identifier: Apache-2.0
"""Commands of the vector unit as tests write them, and a device that has one."""

from functools import partial

import numpy as np
import pytest
from acalsim_backend.machine.functions import FUNCTIONS
from compute_fixtures import HEAP, TYPES, command, load, machine_of

NUMBERS = {function.name.removeprefix("FUNCTION_"): function.value for function in FUNCTIONS}
DTYPES = {
    "FLOAT32": np.float32,
    "INT8": np.int8,
    "INT32": np.int32,
    "INT64": np.int64,
    "BOOL": np.bool_,
    "BFLOAT16": np.uint16,
}
NAMES = {np.dtype(dtype): name for name, dtype in DTYPES.items()}
LANES, SPECIAL, LATENCY, SPECIAL_LATENCY = 8, 2, 4, 10
SLOTS = (0, 0x10000, 0x20000)
"""Of A, B and C in the scratchpad."""


def types_of(a, b, c):
    """The field `type` of three dtypes."""
    return sum(TYPES[NAMES[np.dtype(dtype)]] << 4 * place for place, dtype in enumerate((a, b, c)))


def strides_of(shape, item, to):
    """Dense strides of an array of up to four dimensions, 0 where it is broadcast to the shape `to`."""
    shape = (1,) * (4 - len(shape)) + tuple(shape)
    dense = [item * int(np.prod(shape[place + 1 :])) for place in range(4)]
    return [
        0 if size == 1 and whole > 1 else dense[i]
        for i, (size, whole) in enumerate(zip(shape, to, strict=True))
    ]


def strided(code, function, a, c, *flags, b=None, b_type=np.float32, places=SLOTS, **fields):
    """A VECTOR, REDUCE or ROWS whose operands are dense arrays, broadcast; c is the result's (shape, dtype)."""
    space = np.broadcast_shapes((1,) * 4, a.shape, c[0] if code != "REDUCE" else (1,))
    item, of_c = np.dtype(c[1]).itemsize, strides_of(c[0], np.dtype(c[1]).itemsize, space)
    if code == "REDUCE":
        of_c = strides_of((*c[0], 1), item, (*space[:3], 1))
    values = dict(zip(("planes", "rows", "m", "n"), space, strict=True))
    names = ("{}_outer_stride", "{}_inner_stride", "{}_k_outer_stride", "{}_k_inner_stride")
    for which, operand in (("a", a), ("b", b)):
        steps = strides_of(operand.shape, operand.itemsize, space) if operand is not None else [0] * 4
        values |= dict(zip((name.format(which) for name in names), steps, strict=True))
    values |= dict(zip(("dram_plane_stride", "dram_row_stride", "c_row_stride"), of_c, strict=False))
    values |= dict(zip("abc", places, strict=True))
    made = command(code, *flags, k=NUMBERS[function], **{**values, **fields})
    return {**made, "type": types_of(a.dtype, b.dtype if b is not None else b_type, c[1])}


vector, reduce, rows = (partial(strided, code) for code in ("VECTOR", "REDUCE", "ROWS"))


def save(target, source, size):
    """A SAVE of so many bytes."""
    return command("SAVE", a=source, dram=target, rows=1, row_bytes=size)


class Unit:
    """A device with a vector unit: puts operands into its scratchpad, runs a command, fetches the result."""

    def __init__(self, matrices):
        self.matrices = matrices

    def run(self, one, operands, shape, dtype):
        """The result of `one` at SLOTS[2], with arrays at the other slots."""
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        loads = []
        for slot, (array, place) in enumerate(operands):
            self.matrices.put(HEAP + 0x10000 * slot, array)
            loads.append(load(place, HEAP + 0x10000 * slot, (1, array.nbytes), element_bytes=1))
        result = self.matrices.run(*loads, one, save(HEAP + 0x30000, SLOTS[2], size))[0]
        assert result == 0
        return self.matrices.get(HEAP + 0x30000, shape, dtype).copy()

    def elements(self, function, a, *flags, b=None, dtype=np.float32, code="VECTOR", shape=None, **fields):
        """C of a command whose operands are dense arrays."""
        if shape is None:
            shape = (
                np.broadcast_shapes(a.shape, b.shape) if b is not None and "GAMMA" not in flags else a.shape
            )
        given = b if b is not None and not {"GAMMA", "BETA"} & set(flags) else None
        one = strided(code, function, np.broadcast_to(a, a.shape), (shape, dtype), *flags, b=given, **fields)
        operands = [(a, SLOTS[0])] + ([(b, SLOTS[1])] if b is not None else [])
        return self.run(one, operands, shape, dtype)


def with_lanes(embedded, folder, **given):
    """Matrices on a machine with a vector unit."""
    own = {
        "lanes": LANES,
        "special_lanes": SPECIAL,
        "vector_latency_cycles": LATENCY,
        "special_latency_cycles": SPECIAL_LATENCY,
    }
    return machine_of(embedded, folder, **{**own, **given})


@pytest.fixture
def unit(embedded, tmp_path):
    return Unit(with_lanes(embedded, tmp_path))
