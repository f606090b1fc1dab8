# SPDX-License-Identifier: Apache-2.0
"""Graphs of the IR made at random, and an interpreter that computes a few of the IR's ops with PyTorch."""

from dataclasses import replace

import numpy as np
import torch
from acalsim_backend.capture.model import Captured
from acalsim_backend.ir.graph import ACALSimIR, ACALSimOp, ACALSimOpType, TensorDesc
from acalsim_backend.ir.ops import ROWS
from acalsim_backend.ir.verify import verify
from hypothesis import strategies as st

T = ACALSimOpType

INTERPRETED = {
    T.ADD: lambda a, x, y=None: x + (a["other"] if y is None else y),
    T.SUB: lambda a, x, y=None: x - (a["other"] if y is None else y),
    T.MUL: lambda a, x, y: x * y,
    T.MAXIMUM: lambda a, x, y: torch.maximum(x, y),
    T.WHERE: lambda a, c, x, y: torch.where(c, x, y),
    T.GT: lambda a, x: x > a["other"],
    T.RELU: lambda a, x: torch.relu(x),
    T.NEG: lambda a, x: -x,
    T.TANH: lambda a, x: torch.tanh(x),
    T.CAST: lambda a, x: x.to(getattr(torch, a["dtype"])),
    T.SUM: lambda a, x: x.sum(a["dim"], keepdim=a.get("keepdim", False)),
    T.AMAX: lambda a, x: x.amax(a["dim"], keepdim=a.get("keepdim", False)),
    T.SOFTMAX: lambda a, x: torch.softmax(x, a["dim"]),
    T.LAYER_NORM: lambda a, x: torch.nn.functional.layer_norm(x, a["normalized_shape"], eps=a["eps"]),
    T.CUMSUM: lambda a, x: x.cumsum(a["dim"]),
    T.MATMUL: lambda a, x, y: x @ y,
    T.VIEW: lambda a, x: x.reshape(a["shape"]),
    T.PERMUTE: lambda a, x: x.permute(a["dims"]),
    T.EXPAND: lambda a, x: x.expand(a["shape"]),
    T.SLICE: lambda a, x: x[(slice(None),) * a["dim"] + (slice(a["start"], a["end"], a["step"]),)],
    T.SELECT: lambda a, x: x.select(a["dim"], a["index"]),
    T.FLIP: lambda a, x: x.flip(a["dims"]),
    T.COPY: lambda a, x: x.clone(),
    T.CAT: lambda a, *x: torch.cat(x, a["dim"]),
    T.PAD: lambda a, x: torch.nn.functional.pad(x, a["pad"], value=a["value"]),
    T.INDEX_SELECT: lambda a, x, i: x.index_select(a["dim"], i),
    T.SLICE_SCATTER: lambda a, x, y: torch.slice_scatter(x, y, a["dim"], a["start"], a["end"]),
    T.SORT: lambda a, x: x.sort(a["dim"]).values,
    T.CONV: lambda a, x, w: torch.nn.functional.conv2d(x, w, padding=a.get("padding", 0)),
}
"""Each op as PyTorch computes it, from its attrs and operands."""


def interpret(ir, inputs):
    """The value of every tensor of a graph."""
    values = {
        name: torch.from_numpy(np.array(array))
        for name, array in [*zip(ir.inputs, inputs, strict=True), *ir.constants.items()]
    }
    for op in ir.ops:
        values[op.outputs[0]] = INTERPRETED[op.op_type](
            op.attrs, *(values[name] for name in op.inputs)
        ).contiguous()
    return values


class Chain:
    """Builds a graph op by op; every result's shape is what PyTorch makes of the operands."""

    def __init__(self):
        self.ir = ACALSimIR("graph_0")
        self.values = {}

    def __repr__(self):
        return str(self.ir)

    def tensor(self, shape, dtype="float32", **roles):
        name = self.ir.add_tensor(TensorDesc(f"t_{len(self.ir.tensors)}", tuple(shape), dtype, **roles)).name
        generator = np.random.default_rng(len(self.values))
        array = (
            generator.standard_normal(shape).astype(dtype)
            if dtype == "float32"
            else generator.integers(0, 2, shape).astype(dtype)
        )
        self.values[name] = torch.from_numpy(np.asarray(array))
        if roles.get("is_param"):
            self.ir.constants[name] = np.asarray(array)
        return name

    def op(self, kind, *inputs, **attrs):
        value = INTERPRETED[kind](attrs, *(self.values[name] for name in inputs)).contiguous()
        output = f"t_{len(self.ir.tensors)}"
        self.ir.add_tensor(TensorDesc(output, tuple(value.shape), str(value.dtype).removeprefix("torch.")))
        op = ACALSimOp(kind, f"op_{len(self.ir.ops)}", inputs, (output,), attrs)
        ROWS[kind].verify(self.ir, op)
        self.ir.add_op(op)
        self.values[output] = value
        return output

    def add(self, *inputs):
        return self.op(T.ADD, *inputs) if len(inputs) == 2 else self.op(T.ADD, *inputs, other=1)

    def view(self, source, shape):
        return self.op(T.VIEW, source, shape=list(shape))

    def returning(self, *names):
        self.ir.outputs = list(names)
        for name in names:
            self.ir.tensors[name] = replace(self.ir.tensors[name], is_output=True)
        return verify(self.ir)

    def captured(self):
        inputs = [self.values[name].numpy() for name in self.ir.inputs]
        return Captured(self.ir, inputs, [self.values[name].numpy() for name in self.ir.outputs], {})

    def shape(self, name):
        return self.ir.tensors[name].shape

    def dtype(self, name):
        return self.ir.tensors[name].dtype


def _view(draw, chain, x):
    shape, count = chain.shape(x), chain.ir.tensors[x].elements
    if not count:
        return chain.view(x, shape[::-1])
    sizes = []
    while count > 1 and len(sizes) < 3:
        sizes.append(draw(st.sampled_from([size for size in range(2, count + 1) if count % size == 0])))
        count //= sizes[-1]
    return chain.view(x, draw(st.permutations([*sizes, count])))


def _permute(draw, chain, x):
    return chain.op(T.PERMUTE, x, dims=list(draw(st.permutations(range(len(chain.shape(x)))))))


def _slice(draw, chain, x):
    dim = draw(st.integers(0, len(chain.shape(x)) - 1))
    size = chain.shape(x)[dim]
    start = draw(st.integers(0, max(size - 1, 0)))
    return chain.op(
        T.SLICE, x, dim=dim, start=start, end=draw(st.integers(start, size)) + 1, step=draw(st.integers(1, 2))
    )


def _select(draw, chain, x):
    dim = draw(st.integers(0, len(chain.shape(x)) - 1))
    if len(chain.shape(x)) < 2 or not chain.shape(x)[dim]:
        return chain.op(T.COPY, x)
    return chain.op(T.SELECT, x, dim=dim, index=draw(st.integers(0, chain.shape(x)[dim] - 1)))


def _flip(draw, chain, x):
    return chain.op(T.FLIP, x, dims=[draw(st.integers(0, len(chain.shape(x)) - 1))])


def _expand(draw, chain, x):
    shape = [draw(st.integers(1, 3)) if size == 1 else size for size in chain.shape(x)]
    return chain.op(T.EXPAND, x, shape=[*([2] if draw(st.booleans()) and len(shape) < 3 else []), *shape])


def _unary(draw, chain, x):
    kind = draw(st.sampled_from([T.RELU, T.NEG, T.TANH, T.ADD]))
    return chain.add(x) if kind is T.ADD else chain.op(kind, x)


def _binary(draw, chain, x):
    others = [
        name
        for name, desc in chain.ir.tensors.items()
        if desc.dtype == "float32" and broadcast(desc.shape, chain.shape(x))
    ]
    other = draw(st.sampled_from(others))
    kind = draw(st.sampled_from([T.ADD, T.SUB, T.MUL, T.MAXIMUM]))
    return chain.op(kind, *draw(st.permutations([x, other])))


def broadcast(one, other):
    try:
        return len(torch.broadcast_shapes(one, other)) <= 4
    except RuntimeError:
        return False


def _where(draw, chain, x):
    return chain.op(T.WHERE, chain.op(T.GT, x, other=0.25), x, chain.op(T.NEG, x))


def _cast(draw, chain, x):
    """There and back through a dtype of another size."""
    whole = chain.op(T.CAST, chain.op(T.TANH, x), dtype=draw(st.sampled_from(["int64", "int8", "int32"])))
    return chain.op(T.CAST, chain.add(whole), dtype="float32")


def _cat(draw, chain, x):
    dim = draw(st.integers(0, len(chain.shape(x)) - 1))
    rest = [size for each, size in enumerate(chain.shape(x)) if each != dim]
    others = [
        name
        for name, desc in chain.ir.tensors.items()
        if desc.dtype == "float32"
        and len(desc.shape) == len(rest) + 1
        and [size for each, size in enumerate(desc.shape) if each != dim] == rest
    ]
    return chain.op(
        T.CAT,
        *draw(st.permutations([x, *draw(st.lists(st.sampled_from(others), min_size=1, max_size=2))])),
        dim=dim,
    )


def _pad(draw, chain, x):
    pad = draw(st.lists(st.integers(-1, 2), min_size=2, max_size=2))
    pad = [max(pad[0], 0), max(pad[1], 0)] if chain.shape(x)[-1] < 3 else pad
    return chain.op(
        T.PAD,
        x,
        pad=pad + ([0, 1] if len(chain.shape(x)) > 1 and draw(st.booleans()) else []),
        value=draw(st.sampled_from([0.0, 2.5])),
    )


def _reduce(draw, chain, x):
    dim = draw(st.integers(0, len(chain.shape(x)) - 1))
    kind = draw(st.sampled_from([T.SUM, T.AMAX])) if chain.shape(x)[dim] else T.SUM
    return chain.op(kind, x, dim=[dim], keepdim=len(chain.shape(x)) == 1 or draw(st.booleans()))


def _along(draw, chain, x):
    dim = draw(st.integers(0, len(chain.shape(x)) - 1))
    kind = (
        draw(st.sampled_from([T.SOFTMAX, T.CUMSUM, T.SORT, T.LAYER_NORM]))
        if 0 not in chain.shape(x)
        else T.CUMSUM
    )
    if kind is T.LAYER_NORM:
        return chain.op(kind, x, normalized_shape=[chain.shape(x)[-1]], eps=0.5)
    return chain.op(kind, x, dim=dim)


def _matmul(draw, chain, x):
    if len(chain.shape(x)) != 2:
        x = chain.view(x, (chain.shape(x)[0], int(np.prod(chain.shape(x)[1:]))))
    other = chain.op(T.PERMUTE, x, dims=[1, 0])
    return (
        chain.op(T.TANH, chain.op(T.MATMUL, *draw(st.permutations([x, other]))))
        if draw(st.booleans())
        else chain.op(T.MATMUL, x, other)
    )


def _conv(draw, chain, x):
    """Two dimensions as an image, padded; its result again of two dimensions."""
    rows, columns = chain.shape(x)[-2:] if len(chain.shape(x)) > 1 else (1, chain.shape(x)[0])
    images = chain.ir.tensors[x].elements // max(rows * columns, 1)
    if not images * rows * columns:
        return chain.op(T.COPY, x)
    weight = chain.tensor((2, 1, 3, 3), is_param=True)
    y = chain.op(T.CONV, chain.view(x, (images, 1, rows, columns)), weight, padding=[1, 1])
    return chain.op(T.TANH, chain.view(y, (images * 2 * rows, columns)))


def _pick(draw, chain, x):
    dim = draw(st.integers(0, len(chain.shape(x)) - 1))
    if chain.shape(x)[dim] < 2:
        return chain.op(T.COPY, x)
    return chain.op(T.INDEX_SELECT, x, chain.tensor((3,), "int64", is_param=True), dim=dim)


def _scatter(draw, chain, x):
    dim = draw(st.integers(0, len(chain.shape(x)) - 1))
    size = chain.shape(x)[dim]
    start = draw(st.integers(0, size))
    end = draw(st.integers(start, size))
    part = chain.op(T.SLICE, x, dim=dim, start=start, end=end, step=1)
    return chain.op(T.SLICE_SCATTER, x, _unary(draw, chain, part), dim=dim, start=start, end=end)


def _copy(draw, chain, x):
    return chain.op(T.COPY, x)


STEPS = (
    _unary,
    _unary,
    _binary,
    _binary,
    _view,
    _permute,
    _slice,
    _select,
    _flip,
    _expand,
    _where,
    _cast,
    _cat,
    _cat,
    _pad,
    _pad,
    _reduce,
    _along,
    _matmul,
    _conv,
    _pick,
    _scatter,
    _copy,
)


@st.composite
def chains(draw, steps=STEPS, most=14, largest=300):
    """A graph of random ops with one to three outputs; some of its tensors have several readers."""
    chain = Chain()
    for shape in draw(
        st.lists(
            st.sampled_from([(3, 4), (4, 3), (12,), (2, 3, 2), (1, 5), (4, 4), (0, 3), (2, 1, 6)]),
            min_size=1,
            max_size=2,
        )
    ):
        chain.tensor(shape, is_input=True)
    chain.tensor(draw(st.sampled_from([(3, 4), (4,), (5, 1)])), is_param=True)
    for _ in range(draw(st.integers(2, most))):
        floats = [
            name
            for name, desc in chain.ir.tensors.items()
            if desc.dtype == "float32" and 0 < len(desc.shape) < 4 and desc.elements <= largest
        ]
        recent = draw(st.sampled_from(floats[-3:] + floats))
        draw(st.sampled_from(steps))(draw, chain, recent)
    made = [op.outputs[0] for op in chain.ir.ops]
    read = {name for op in chain.ir.ops for name in op.inputs}
    last = [name for name in made if name not in read][-2:]
    chain.returning(
        *dict.fromkeys([*last, *draw(st.lists(st.sampled_from(made), min_size=0 if last else 1, max_size=2))])
    )
    return chain
