# SPDX-License-Identifier: Apache-2.0
"""The values of a graph's parameters by name; those that the model has in a half type take no more room than there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..halves import HALF


@dataclass(frozen=True)
class Bits:
    """An array of a half type, as its bits. What takes arrays sees it as float32."""

    bits: NDArray[np.uint16]
    half: str

    @property
    def floats(self) -> NDArray[np.float32]:
        return HALF[self.half].values_of(self.bits)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.asarray(self.floats, dtype)

    @property
    def nbytes(self) -> int:
        return self.bits.nbytes


class Constants(dict[str, Any]):
    """Numpy arrays by name. What is held as Bits is float32 when it is looked at, anew each time."""

    def __getitem__(self, name: str) -> Any:
        value = super().__getitem__(name)
        return value.floats if isinstance(value, Bits) else value

    def bits(self, name: str, half: str) -> NDArray[np.uint16]:
        """The same in a half type."""
        value = super().__getitem__(name)
        if isinstance(value, Bits) and value.half == half:
            return value.bits
        return HALF[half].bits_of(self[name])
