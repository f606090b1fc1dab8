# SPDX-License-Identifier: Apache-2.0
"""Where tensors and blocks may begin, in guest memory, in scratchpads and in files alike."""

ALIGNMENT = 64
"""In bytes. Whatever is placed begins at a multiple of it."""


def aligned(size_bytes: int) -> int:
    """The size in bytes, rounded up to a multiple of ALIGNMENT."""
    return -(-size_bytes // ALIGNMENT) * ALIGNMENT
