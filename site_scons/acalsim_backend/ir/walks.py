# SPDX-License-Identifier: Apache-2.0
"""How kernels walk through memory: in which shapes, and which accesses they can read and write."""

from __future__ import annotations

import math

from .shapes import Attrs, Shape
from .strides import Access


def matrix_space(shape: Shape) -> Shape:
    """(batches, rows, columns): all leading dimensions are one."""
    return (math.prod(shape[:-2]), *shape[-2:])


def reads_matrix(index: int, access: Access, attrs: Attrs) -> bool:
    """A matrix may have any two strides, with one stride from batch to batch; a bias may lie anyhow."""
    return index > 1 or access.viewed(matrix_space(access.shape)) is not None


def image_space(shape: Shape) -> Shape:
    """(images, channels, rows, columns); images of one dimension have one row."""
    return (
        shape
        if len(shape) == 4
        else (*((1,) * (3 - len(shape))), *shape[:-1], 1, shape[-1])
        if len(shape) == 3
        else shape
    )


def plane_space(shape: Shape) -> Shape:
    """(images, channels, rows, columns) of one image, or of several."""
    return (1,) * (4 - len(shape)) + tuple(shape)


def adjacent(access: Access) -> bool:
    """Whether neighbours in the last dimension are neighbours in memory."""
    return access.shape[-1] == 1 or access.strides[-1] == 1


def reads_image(index: int, access: Access, attrs: Attrs) -> bool:
    """The image needs rows without gaps, the weight must be dense, and a bias may lie anyhow."""
    return adjacent(access) if index == 0 else index > 1 or access.is_dense


def anywhere(index: int, access: Access, attrs: Attrs) -> bool:
    return True


def everywhere(access: Access) -> bool:
    return True
