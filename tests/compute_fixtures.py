# SPDX-License-Identifier: Apache-2.0
"""The compute device as tests drive it, and what it should do written down once more in Python."""

import ctypes
import itertools

import numpy as np
import pytest
from acalsim_backend.machine.commands import (
    COMMAND_BYTES,
    COMMAND_FIELDS,
    COMMAND_FLAGS,
    COMMANDS,
    ELEMENT_TYPES,
    ERROR_CODES,
    pack_command,
)
from acalsim_backend.machine.models import DEVICE_MODELS
from hypothesis import settings
from simulator_fixtures import COMPUTE, CONTROL, DATA_IN, ECHO, RAM, RESULT, SIZE, START, STATUS

RAM_BYTES = 1 << 20
LIST, HEAP = RAM + 0x100, RAM + 0x40000
LATENCY, BYTES_PER_CYCLE = 20, 8
"""Of RAM, where a test does not say otherwise."""

CODES = {flag.name.partition("_")[2]: flag.value for flag in COMMANDS}
TYPES = {flag.name.partition("_")[2]: flag.value for flag in ELEMENT_TYPES}
FLAGS = {flag.name.partition("_")[2]: flag.value for flag in COMMAND_FLAGS}
ERRORS = {flag.name: flag.value for flag in ERROR_CODES}
DEFAULTS = {row.name: row.default for row in DEVICE_MODELS["compute"].parameters}
ITEM_BYTES = {"INT8": 1, "BFLOAT16": 2, "FLOAT16": 2}
"""Of types that do not have four."""
DATAFLOWS, OVERLAPS = ("ws", "os"), ("serial", "single", "double")


def parameters(**given):
    """A compute device's, complete; words for choices."""
    values = {**DEFAULTS, **given}
    for name, words in (("dataflow", DATAFLOWS), ("overlap", OVERLAPS)):
        if isinstance(values[name], str):
            values[name] = words.index(values[name])
    return values


def command(code, *flags, type="FLOAT32", **fields):
    """A command as a dictionary of fields."""
    return {"code": CODES[code], "type": TYPES[type], "flags": sum(FLAGS[name] for name in flags), **fields}


def packed(*commands):
    return b"".join(pack_command(**one) for one in commands)


def load(target, source, shape, element_bytes=4, strides=None, padding=(0, 0, 0, 0), target_strides=None):
    """A LOAD of [planes, rows, columns] elements; padding is top, bottom, left, right in elements."""
    planes, rows, columns = (1,) * (3 - len(shape)) + tuple(shape)
    top, bottom, left, right = padding
    row_stride, plane_stride = strides or (columns * element_bytes, rows * columns * element_bytes)
    wide = (columns + left + right) * element_bytes
    inner, outer = target_strides or (wide, wide * (rows + top + bottom))
    return command(
        "LOAD", a=target, a_inner_stride=inner, a_outer_stride=outer, dram=source, planes=planes, rows=rows,
        row_bytes=columns * element_bytes, dram_row_stride=row_stride, dram_plane_stride=plane_stride,
        pad_top=top, pad_bottom=bottom, pad_left=left * element_bytes, pad_right=right * element_bytes,
    )  # fmt: skip


def matmul(m, n, k, *flags, a=0, b=0, c=0, type="FLOAT32", **fields):
    """A MATMUL of dense row-major operands, as far as fields do not say otherwise."""
    element = ITEM_BYTES.get(type, 4)
    dense = {
        "c_row_stride": 4 * n, "a_inner_stride": element * k, "a_k_inner_stride": element,
        "b_inner_stride": element, "b_k_inner_stride": element * n,
    }  # fmt: skip
    return command("MATMUL", *flags, type=type, m=m, n=n, k=k, a=a, b=b, c=c, **{**dense, **fields})


def store(m, n, target, *flags, c=0, type="FLOAT32", **fields):
    """A STORE of a dense C to a dense matrix in RAM, as far as fields do not say otherwise."""
    row = ITEM_BYTES.get(type, 4) * n
    dense = {
        "rows": m, "row_bytes": row, "dram_row_stride": row, "c_row_stride": 4 * n, "a_inner_stride": row,
        "a_outer_stride": row * m,
    }  # fmt: skip
    return command("STORE", *flags, type=type, m=m, n=n, dram=target, c=c, **{**dense, **fields})


SYNC, NOP = command("SYNC"), command("NOP")


class Matrices:
    """A simulator with RAM of its own, and the driver that a firmware would be."""

    def __init__(self, simulator, folder, offset=0):
        path = folder / "ram"
        path.write_bytes(b"\xa5" * (offset + RAM_BYTES))
        self.simulator = simulator
        self.bytes = np.memmap(path, dtype=np.uint8, mode="r+", offset=offset, shape=RAM_BYTES)
        simulator.map_ram(str(path), RAM, RAM_BYTES, offset)

    def put(self, address, data):
        data = np.ascontiguousarray(data) if isinstance(data, np.ndarray) else np.frombuffer(data, np.uint8)
        self.bytes[address - RAM : address - RAM + data.nbytes] = data.reshape(-1).view(np.uint8)

    def get(self, address, shape, dtype=np.float32):
        count = int(np.prod(shape)) * np.dtype(dtype).itemsize
        return self.bytes[address - RAM : address - RAM + count].view(dtype).reshape(shape)

    def start(self, *commands, address=LIST, size=None, base=COMPUTE):
        data = packed(*commands)
        if RAM <= address < RAM + RAM_BYTES - len(data):
            self.put(address, data)
        self.simulator.write(base + DATA_IN, address)
        self.simulator.write(base + SIZE, len(data) if size is None else size)
        self.simulator.write(base + CONTROL, START)

    def run(self, *commands, **options):
        """(RESULT, STATUS, cycles from START to the end) of a command list."""
        self.start(*commands, **options)
        _, result, stall = self.simulator.read(options.get("base", COMPUTE) + RESULT)
        return result, self.simulator.read(options.get("base", COMPUTE) + STATUS)[1], stall

    def cycles(self, *commands):
        """Cycles from the end of the list's fetch to the end."""
        before = self.simulator.result()["devices"]["compute"]["busy_cycles"]
        assert self.run(*commands)[0] == 0
        total = self.simulator.result()["devices"]["compute"]["busy_cycles"] - before
        return total - (COMMAND_BYTES * len(commands) // BYTES_PER_CYCLE + LATENCY)

    @property
    def statistics(self):
        return self.simulator.result()["devices"]["compute"]


def machine_of(embedded, folder, ram=None, **given):
    """Matrices on a machine with one compute device of those parameters."""
    simulator = embedded.Engine(
        **{"latency_cycles": LATENCY, "bytes_per_cycle": BYTES_PER_CYCLE, **(ram or {})}
    )
    simulator.add_device("echo", "echo", ECHO, {"access_cycles": 1, "latency_cycles": 10})
    simulator.add_device("compute", "compute", COMPUTE, parameters(**given))
    return Matrices(simulator, folder)


# --- Values, one command after the other -----------------------------------------------------------

_fmaf = ctypes.CDLL("libm.so.6").fmaf
_fmaf.restype, _fmaf.argtypes = ctypes.c_float, [ctypes.c_float] * 3


def fused_products(a, b, c):
    """c + a @ b in float32, each sum in ascending k with one rounding a product."""
    c = c.copy()
    for i in range(a.shape[0]):
        for j in range(b.shape[1]):
            total = float(c[i, j])
            for k in range(a.shape[1]):
                total = _fmaf(float(a[i, k]), float(b[k, j]), total)
            c[i, j] = total
    return c


def offsets(count, inner, middle, strides):
    """Of one dimension: inner, middle and outer strides."""
    inner = inner or max(count, 1)
    middle = middle or max(count, 1)
    x = np.arange(count)
    parts = (x % inner, x // inner % middle, x // inner // middle)
    return sum(part * stride for part, stride in zip(parts, strides, strict=True))


class Reference:
    """Memories, and commands that change them at once; products of small whole numbers are exact."""

    def __init__(self, ram, defaults=DEFAULTS):
        self.ram = np.array(ram)
        self.scratchpad = np.zeros(defaults["scratchpad_bytes"], np.uint8)
        self.accumulator = np.zeros(defaults["accumulator_bytes"], np.uint8)

    def run(self, *commands):
        for one in commands:
            x = {field.name: 0 for field in COMMAND_FIELDS} | one
            name = next(name for name, code in CODES.items() if code == x["code"])
            if name not in ("NOP", "SYNC"):
                getattr(self, name.lower())(x)
        return self

    def load(self, x):
        rows = x["pad_top"] + x["rows"] + x["pad_bottom"]
        for plane in range(x["planes"] or 1):
            for row in range(rows):
                own = row - x["pad_top"]
                source = x["dram"] - RAM + plane * x["dram_plane_stride"] + own * x["dram_row_stride"]
                data = np.zeros(x["row_bytes"], np.uint8)
                if 0 <= own < x["rows"]:
                    data = self.ram[source : source + x["row_bytes"]]
                line = np.pad(data, (x["pad_left"], x["pad_right"]))
                target = x["a"] + plane * x["a_outer_stride"] + row * x["a_inner_stride"]
                self.scratchpad[target : target + line.size] = line

    def matmul(self, x):
        dtype = np.int8 if x["type"] == TYPES["INT8"] else np.float32
        of_k = [x["k"], x["k_inner"], x["k_middle"]]
        a_rows = offsets(x["m"], x["m_inner"], 0, (x["a_inner_stride"], x["a_outer_stride"], 0))
        b_columns = offsets(x["n"], x["n_inner"], 0, (x["b_inner_stride"], x["b_outer_stride"], 0))
        levels = ("inner", "middle", "outer")
        a_k, b_k = (offsets(*of_k, [x[f"{one}_k_{level}_stride"] for level in levels]) for one in "ab")
        a = gather(self.scratchpad, x["a"] + a_rows[:, None] + a_k, dtype)
        b = gather(self.scratchpad, x["b"] + b_k[:, None] + b_columns, dtype)
        where = x["c"] + np.arange(x["m"])[:, None] * x["c_row_stride"] + 4 * np.arange(x["n"])
        sums = np.int32 if dtype is np.int8 else np.float32
        c = (a.astype(np.int64) @ b.astype(np.int64)).astype(sums)
        if x["flags"] & FLAGS["ACCUMULATE"]:
            c = c + gather(self.accumulator, where, sums)
        scatter(self.accumulator, where, c)

    def store(self, x):
        out = {0: np.float32, 1: np.int8}[x["type"]]
        flags = {name for name, bit in FLAGS.items() if x["flags"] & bit}
        size, planes = np.dtype(out).itemsize, x["planes"] or 1
        where = x["c"] + np.arange(x["m"])[:, None] * x["c_row_stride"] + 4 * np.arange(x["n"])
        shape = (planes, x["rows"], x["row_bytes"] // size)
        tile = tile_offsets(shape, size, x["dram_plane_stride"], x["dram_row_stride"])
        value = gather(self.accumulator, where, np.int32 if "INT32_SUMS" in flags else np.float32).astype(
            np.float32
        )
        value = value * np.float32(x["scale"]) if "SCALE" in flags else value
        address = x["b"]
        for what in ("SCALE", "BIAS"):
            for which, shape_of in (("ROWS", (x["m"], 1)), ("COLUMNS", (1, x["n"]))):
                if f"{what}_{which}" in flags:
                    vector = gather(
                        self.scratchpad, address + 4 * np.arange(max(shape_of)), np.float32
                    ).reshape(shape_of)
                    value = value * vector if what == "SCALE" else value + vector
                    address += vector.nbytes
        if "RESIDUAL" in flags:
            kind = np.int8 if "INT8_RESIDUAL" in flags else np.float32
            own = tile_offsets(shape, np.dtype(kind).itemsize, x["a_outer_stride"], x["a_inner_stride"])
            residual = gather(self.scratchpad, x["a"] + own, kind).reshape(x["m"], x["n"]).astype(np.float32)
            value = value + (residual * np.float32(x["residual_scale"]) if kind is np.int8 else residual)
        value = np.maximum(value, np.float32(0)) if "RELU" in flags else value
        value = np.clip(value, np.float32(x["low"]), np.float32(x["high"])) if "CLAMP" in flags else value
        value = pooled(x, value) if "POOL" in flags else value
        assert value.dtype == np.float32
        if out is np.int8:
            value = np.clip(
                np.rint(np.nan_to_num(value, nan=-128, posinf=127, neginf=-128)), -128, 127
            ).astype(np.int8)
        scatter(self.ram, x["dram"] - RAM + tile, value.reshape(tile.shape))


def pooled(x, value):
    """The largest of each window; the border is -inf, which no window consists of."""
    planes = value.reshape(x["m"], x["n"] // x["n_inner"], x["n_inner"])
    border = ((0, 0), (x["pad_top"], x["pad_bottom"]), (x["pad_left"], x["pad_right"]))
    planes = np.pad(planes, border, constant_values=-np.inf)
    windows = np.lib.stride_tricks.sliding_window_view(planes, (x["k_middle"], x["k_inner"]), (1, 2))
    return windows[:, :: x["pool_stride"], :: x["pool_stride"]].max((3, 4)).reshape(x["m"], -1)


def tile_offsets(shape, size, plane_stride, row_stride):
    plane, row, column = np.ogrid[tuple(slice(count) for count in shape)]
    return plane * plane_stride + row * row_stride + column * size


def gather(memory, where, dtype):
    size = np.dtype(dtype).itemsize
    raw = memory[np.asarray(where)[..., None] + np.arange(size)]
    return np.ascontiguousarray(raw).view(dtype)[..., 0]


def scatter(memory, where, values):
    raw = np.ascontiguousarray(values)[..., None].view(np.uint8)
    memory[np.asarray(where)[..., None] + np.arange(raw.shape[-1])] = raw


A, B, C, D = HEAP, HEAP + 0x10000, HEAP + 0x20000, HEAP + 0x30000
LAST = RAM + RAM_BYTES
MODES = list(itertools.product(DATAFLOWS, OVERLAPS))

relaxed = settings(max_examples=250)


@pytest.fixture
def matrices(simulator, tmp_path):
    return Matrices(simulator, tmp_path)


@pytest.fixture
def machine(embedded, tmp_path):
    """Makes a machine whose compute device has these parameters."""
    return lambda **given: machine_of(embedded, tmp_path, **given)


def numbers(shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)


def small(shape, seed=0, dtype=np.float32):
    """Small whole numbers, whose sums and products are exact."""
    return np.random.default_rng(seed).integers(-8, 9, shape).astype(dtype)


def product(m, n, k, *flags, target=C, **fields):
    """Load A and B, multiply, store."""
    half = DEFAULTS["scratchpad_bytes"] // 2
    return [
        load(0, A, (m, k)),
        load(half, B, (k, n)),
        matmul(m, n, k, b=half, **fields),
        store(m, n, target, *flags),
    ]


def beats(size, bytes_per_cycle=BYTES_PER_CYCLE):
    return -(-size // bytes_per_cycle)


def array_formula(dataflow, overlap, rows, columns, m, n, k):
    """The closed formulas of docs/timing.md for one product whose operands are at hand."""
    if dataflow == "ws":
        tiles, slots, skew = -(-k // rows) * -(-n // columns), m, rows + columns - 1
        return {
            "serial": tiles * (2 * rows + columns + slots - 1),
            "single": tiles * (rows + slots) + skew,
            "double": rows + (tiles - 1) * max(slots, rows) + slots + skew,
        }[overlap]
    tiles = -(-m // rows) * -(-n // columns)
    return {
        "serial": tiles * (2 * rows + columns + k - 1),
        "single": tiles * (rows + k) + rows + columns - 1,
        "double": k + (tiles - 1) * max(k, rows) + 2 * rows + columns - 1,
    }[overlap]
