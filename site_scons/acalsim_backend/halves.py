# SPDX-License-Identifier: Apache-2.0
"""The half types, floats of 16 bits: arrays of float32 in, their bits out, and back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Half:
    """One of them. `bits_of` makes the nearest of each float32, halves to even, NaN of NaN, infinity of what is too
    large; `values_of` the float32 of each. `rounds_each` says whether a model of that type is held to its range: what
    each op leaves is rounded, also where another op takes it at once. bfloat16 has that of float32."""

    bits_of: Callable[[NDArray[np.float32]], NDArray[np.uint16]]
    values_of: Callable[[NDArray[np.uint16]], NDArray[np.float32]]
    rounds_each: bool
    tolerance: float
    """The largest max_rel_error that passes where a model file says nothing else."""


BLOCK = 1 << 20
"""Elements that are converted at once, so that what is computed on the way takes little memory."""


def _bits_of_bfloat16(array: NDArray[np.float32]) -> NDArray[np.uint16]:
    floats = np.ascontiguousarray(array, np.float32).reshape(-1)
    found = np.empty(floats.size, np.uint16)
    for first in range(0, floats.size, BLOCK):
        block = floats[first : first + BLOCK]
        bits = block.view(np.uint32)
        nearest = (bits + 0x7FFF + (bits >> 16 & 1)) >> 16
        found[first : first + BLOCK] = np.where(np.isnan(block), 0x7FC0, nearest)
    return found.reshape(array.shape)


def _values_of_bfloat16(bits: NDArray[np.uint16]) -> NDArray[np.float32]:
    return (bits.astype(np.uint32) << 16).view(np.float32)


def _bits_of_float16(array: NDArray[np.float32]) -> NDArray[np.uint16]:
    with np.errstate(over="ignore"):
        return np.where(np.isnan(array), np.float16(np.nan), array.astype(np.float16)).view(np.uint16)


def _values_of_float16(bits: NDArray[np.uint16]) -> NDArray[np.float32]:
    return np.ascontiguousarray(bits).view(np.float16).astype(np.float32)


HALF: Mapping[str, Half] = MappingProxyType(
    {
        "bfloat16": Half(_bits_of_bfloat16, _values_of_bfloat16, False, 0.05),
        "float16": Half(_bits_of_float16, _values_of_float16, True, 0.01),
    }
)
"""By dtype."""


def read_halves(dtype: str, array: NDArray[Any]) -> NDArray[Any]:
    """An array whose elements are of `dtype` as numpy calculates with it."""
    return HALF[dtype].values_of(array) if dtype in HALF else array
