# SPDX-License-Identifier: Apache-2.0
"""Cases computed by programs that are compiled for this machine, and compared with PyTorch."""

import itertools

import numpy as np
from acalsim_backend.capture.model import tensors_of
from host_fixtures import Library, captured_function

from op_cases.together import together
from op_cases.values import EXACT, TOLERANCE


def computed_together(cases, folder):
    """The graph of all cases, and for each case what its program computes and what PyTorch does."""
    captured = captured_function(*together(cases))
    outputs = iter(zip(Library(folder, {"graph": captured}).run("graph"), captured.references, strict=True))
    return captured, [
        list(itertools.islice(outputs, len(tensors_of(function(*operands)))))
        for function, operands, *_ in cases
    ]


def assert_same(output, reference, tolerance=TOLERANCE):
    assert (output.dtype, output.shape) == (reference.dtype, reference.shape)
    if output.dtype.kind == "f":
        tolerance = tolerance if output.dtype == np.float32 else EXACT
        finite = np.abs(reference[np.isfinite(reference)])
        largest = finite.max(initial=0.0)
        with np.errstate(invalid="ignore"):
            np.testing.assert_allclose(
                output, reference, rtol=tolerance, atol=tolerance * min(largest, 1e3), equal_nan=True
            )
    else:
        np.testing.assert_array_equal(output, reference)
