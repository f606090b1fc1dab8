# SPDX-License-Identifier: Apache-2.0
"""What every generated C file begins with."""

from __future__ import annotations


def banner(graph: str, what: str) -> str:
    """The comment that says what a file of `graph` holds, and what made it."""
    return (
        "/* SPDX-License-Identifier: Apache-2.0 */\n"
        f"/* {graph}, {what}. Made from {graph}.ir by python -m acalsim_backend.codegen; do not edit. */"
    )
