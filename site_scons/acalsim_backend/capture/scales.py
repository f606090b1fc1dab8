# SPDX-License-Identifier: Apache-2.0
"""Scales of int8 values, by PyTorch's own observers: an array in, what it is divided by and its int8 form out."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

LARGEST = 127


def scale_of(array: NDArray[Any]) -> float:
    """The scale of a tensor, by MinMaxObserver."""
    import torch
    from torch.ao.quantization.observer import MinMaxObserver

    observer = MinMaxObserver(
        dtype=torch.qint8, qscheme=torch.per_tensor_symmetric, quant_min=-LARGEST, quant_max=LARGEST
    )
    observer(torch.from_numpy(np.array(array)))
    return float(observer.calculate_qparams()[0])


def channel_scales(weight: NDArray[Any], axis: int) -> NDArray[np.float32]:
    """One scale a channel of a weight, by PerChannelMinMaxObserver."""
    import torch
    from torch.ao.quantization.observer import PerChannelMinMaxObserver

    observer = PerChannelMinMaxObserver(
        ch_axis=axis,
        dtype=torch.qint8,
        qscheme=torch.per_channel_symmetric,
        quant_min=-LARGEST,
        quant_max=LARGEST,
    )
    observer(torch.from_numpy(np.array(weight)))
    return np.asarray(observer.calculate_qparams()[0].numpy(), np.float32)


def inverse(scale: Any) -> Any:
    """What PyTorch multiplies by to quantise, in float32: a quotient may lie on the other side of a half."""
    return np.float32(1) / np.float32(scale)


def rounded(array: NDArray[Any], scale: Any) -> NDArray[np.int8]:
    """The int8 form."""
    return np.clip(np.rint(array * inverse(scale)), -LARGEST, LARGEST).astype(np.int8)
