# SPDX-License-Identifier: Apache-2.0
"""How kernels walk their operands: index spaces, and which accesses a kernel can read as they lie."""

from __future__ import annotations

import math

from .shapes import Attrs, Shape
from .strides import Access


def matrix_space(shape: Shape) -> Shape:
    """(batches, rows, columns)"""
    return (math.prod(shape[:-2]), *shape[-2:])


def reads_matrix(index: int, access: Access, attrs: Attrs) -> bool:
    """Any two strides will do, and one for all batches together."""
    return index > 1 or access.viewed(matrix_space(access.shape)) is not None


def image_space(shape: Shape) -> Shape:
    """(images, channels, rows, columns); one row where there is one dimension."""
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
    """Whether the elements of a row are next to each other."""
    return access.shape[-1] == 1 or access.strides[-1] == 1


def reads_image(index: int, access: Access, attrs: Attrs) -> bool:
    """Operand 0 by rows whose elements are next to each other, a weight as it is stored, a bias anyhow."""
    return adjacent(access) if index == 0 else index > 1 or access.is_dense


def anywhere(index: int, access: Access, attrs: Attrs) -> bool:
    return True


def everywhere(access: Access) -> bool:
    return True
