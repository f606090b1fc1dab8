# SPDX-License-Identifier: Apache-2.0
"""Cases of linear algebra."""

import torch

from op_cases.values import T, Values

values = Values(15)
f = values.f
TOLERANCE = 2e-5
"""Relative to the largest element; a matrix whose inverse is twenty times as large loses as much."""


def matrices(*shape):
    """Random ones, whose pivots are not on the diagonal, that can be inverted well."""
    return f(*shape) + 3 * torch.eye(shape[-1])[torch.arange(shape[-1]).roll(1)]


def triangles(*shape):
    return torch.tril(f(*shape), -1) / shape[-1] ** 0.5 + torch.diag_embed(f(*shape[:-1]).abs() + 1)


LINEAR = {
    T.ROW_REDUCE: {
        "inverse": (torch.linalg.inv, (matrices(4, 4),), TOLERANCE),
        "inverses": (torch.inverse, (matrices(2, 3, 5, 5),), TOLERANCE),
        "inverse of one element": (torch.linalg.inv, (f(2, 1, 1),), TOLERANCE),
        "inverse of a permuted tensor": (lambda x: torch.linalg.inv(x.permute(2, 0, 1)), (matrices(3, 3, 3).permute(1, 2, 0).contiguous(),), TOLERANCE),
        "inverse of a large one": (torch.linalg.inv, (matrices(40, 40),), TOLERANCE),
        "solution": (torch.linalg.solve, (matrices(4, 4), f(4, 3)), TOLERANCE),
        "solution of vectors": (torch.linalg.solve, (matrices(2, 4, 4), f(2, 4)), TOLERANCE),
        "solution of a vector": (torch.linalg.solve, (matrices(4, 4), f(4)), TOLERANCE),
        "solution from the right": (lambda a, b: torch.linalg.solve(a, b, left=False), (matrices(4, 4), f(3, 4)), TOLERANCE),
        "solutions for one matrix": (torch.linalg.solve, (matrices(4, 4), f(3, 4, 2)), TOLERANCE),
        "solution of a computed one": (lambda a, b: torch.linalg.solve(a * 2, b + 1) * 3, (matrices(2, 3, 3), f(2, 3, 1)), TOLERANCE),
        "determinant": (torch.linalg.det, (matrices(4, 4),), TOLERANCE),
        "determinants": (torch.det, (f(5, 3, 3),), TOLERANCE),
        "determinant of a singular matrix": (torch.det, (torch.tensor([[1.0, 2, 3], [2, 4, 6], [0, 0, 1]]),)),
        "determinant of one element": (torch.det, (f(1, 1),)),
        "logarithm of the determinant": (torch.linalg.slogdet, (matrices(3, 6, 6),), TOLERANCE),
        "logarithm of no determinant": (torch.logdet, (torch.zeros(2, 2),)),
    },
}  # fmt: skip
TRIANGULAR = {
    "lower": (lambda a, b: torch.linalg.solve_triangular(a, b, upper=False), (triangles(5, 5), f(5, 3)), TOLERANCE),
    "upper": (lambda a, b: torch.linalg.solve_triangular(a, b, upper=True), (triangles(2, 6, 6).mT.contiguous(), f(2, 6, 2)), TOLERANCE),
    "of ones on the diagonal": (
        lambda a, b: torch.linalg.solve_triangular(a, b, upper=False, unitriangular=True),
        (triangles(3, 16, 16), f(3, 16, 4)),
        TOLERANCE,
    ),
    "from the right": (lambda a, b: torch.linalg.solve_triangular(a, b, upper=True, left=False), (triangles(4, 4).mT.contiguous(), f(3, 4)), TOLERANCE),
    "of one element": (lambda a, b: torch.linalg.solve_triangular(a, b, upper=False), (triangles(1, 1), f(1, 2)), TOLERANCE),
    "of a full matrix": (lambda a, b: torch.linalg.solve_triangular(a, b, upper=True), (matrices(4, 4), f(4, 4)), 1e-4),
    "for several": (lambda a, b: torch.linalg.solve_triangular(a, b, upper=False), (triangles(4, 4), f(3, 4, 2)), TOLERANCE),
    "large": (lambda a, b: torch.linalg.solve_triangular(a, b, upper=False), (triangles(64, 64), f(64, 8)), TOLERANCE),
    "the older op": (lambda b, a: torch.triangular_solve(b, a, upper=False, transpose=True), (f(2, 4, 3), triangles(2, 4, 4)), TOLERANCE),
}  # fmt: skip
"""These become products."""
