# SPDX-License-Identifier: Apache-2.0
"""The runs of an ELF with further samples: each is a run of its own, in which the input block is another's."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ..errors import SimulateError
from .run import Run


def further(
    simulated: Callable[..., Run], blocks: Iterable[bytes], keep_logs: Callable[[str, str], None]
) -> list[Run]:
    """What `simulated` makes of the input blocks of sample 1 and on.

    Logs are kept of the sample that fails alone. Raises SimulateError, which names it.
    """
    runs = []
    for number, block in enumerate(blocks, 1):
        logs: list[tuple[str, str]] = []
        try:
            runs.append(simulated(inputs=block, keep_logs=lambda *said, logs=logs: logs.append(said)))
        except SimulateError as error:
            for said in logs:
                keep_logs(*said)
            raise SimulateError(f"sample {number}: {error}") from None
    return runs
