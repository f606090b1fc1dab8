# SPDX-License-Identifier: Apache-2.0
"""How the arguments of ATen ops become operands and attrs, where their names in the row are not enough."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from ..ir.graph import ACALSimOpType

if TYPE_CHECKING:
    from torch import fx

T = ACALSimOpType
WITHOUT_EFFECT = frozenset(
    (
        "memory_format",
        "dtype",
        "layout",
        "device",
        "pin_memory",
        "non_blocking",
        "half_to_float",
        "padding_idx",
        "scale_grad_by_freq",
        "sparse",
        "implicit",
        "out_int32",
        "sorted",
        "stable",
        "input_dtype",
        "inferred_dtype",
    )
)
"""Arguments that do not change what an inference computes, or that the result's dtype tells already."""
LAST = (1 << 63) - 1
"""What ATen gives for the end of a slice that has none."""


def arguments(node: fx.Node) -> dict[str, Any]:
    """All arguments of a call by the names in its schema; defaults are left out."""
    schema = node.target._schema.arguments
    given = {**dict(zip((argument.name for argument in schema), node.args, strict=False)), **node.kwargs}
    return {
        argument.name: given[argument.name]
        for argument in schema
        if argument.name in given and not _is_default(given[argument.name], argument)
    }


def _is_default(value: Any, argument: Any) -> bool:
    return (
        argument.has_default_value()
        and type(value) is type(argument.default_value)
        and value == argument.default_value
    )


def plain(value: Any) -> Any:
    """An attr as JSON has it."""
    return [plain(each) for each in value] if isinstance(value, list | tuple) else value


def cut(given: dict[str, Any]) -> dict[str, Any]:
    return {
        key: value
        for key, value in given.items()
        if not (key == "end" and value == LAST) and not (key == "start" and value == 0)
    }


def indexed(given: dict[str, Any]) -> dict[str, Any]:
    """x[i, :, j]: the index tensors that there are, and the dimensions that they stand for."""
    places = given.pop("indices")
    kept = [dim for dim, index in enumerate(places) if index is not None]
    return {**given, "indices": [places[dim] for dim in kept], "dims": kept}


def hardtanh(given: dict[str, Any]) -> dict[str, Any]:
    return {"min_val": -1.0, "max_val": 1.0, **given}


def group_norm(given: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in given.items() if key not in ("N", "C", "HxW")}


def no_dims(given: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in given.items() if value is not None}


RULES: Mapping[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "aten.slice.Tensor": cut,
    "aten.slice_scatter.default": cut,
    "aten.index.Tensor": indexed,
    "aten._unsafe_index.Tensor": indexed,
    "aten.index_put.default": indexed,
    "aten._unsafe_index_put.default": indexed,
    "aten.hardtanh.default": hardtanh,
    "aten.native_group_norm.default": group_norm,
    "aten._safe_softmax.default": lambda given: {**given, "safe": True},
}
"""By ATen overload, what is done with its arguments before they are bound to a row's operands and attrs."""


def split_sizes(node: fx.Node) -> tuple[int, list[int]] | None:
    """(dimension, sizes of the parts) of an op that splits a tensor; None for others."""
    name, given = str(node.target), arguments(node) if hasattr(node.target, "_schema") else {}
    if name == "aten.split_with_sizes.default":
        return given.get("dim", 0), list(given["split_sizes"])
    if name == "aten.split.Tensor":
        size = node.args[0].meta["val"].shape[given.get("dim", 0)]
        step = given["split_size"]
        return given.get("dim", 0), [min(step, size - start) for start in range(0, size, step)]
    if name == "aten.unbind.int":
        return given.get("dim", 0), []
    return None


def repeated(shape: tuple[int, ...], repeats: list[int]) -> tuple[list[int], list[int], list[int]]:
    """aten.repeat as a view, an expansion and a view: their three shapes."""
    padded = [1] * (len(repeats) - len(shape)) + list(shape)
    pairs = list(zip(repeats, padded, strict=True))
    return (
        [each for _, size in pairs for each in (1, size)],
        [each for pair in pairs for each in pair],
        [math.prod(pair) for pair in pairs],
    )
