# SPDX-License-Identifier: Apache-2.0
"""Many cases as one graph: one capture and one compilation serve them all."""


def together(cases):
    """One function that calls all cases' functions, and all their inputs."""
    inputs, calls = [], []
    for function, operands, *_ in cases:
        calls.append((function, len(inputs), len(operands)))
        inputs += [tensor.clone() for tensor in operands]

    def every(*values):
        return [function(*values[first : first + count]) for function, first, count in calls]

    return every, tuple(inputs)
