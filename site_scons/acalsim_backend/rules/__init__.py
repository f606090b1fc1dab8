# SPDX-License-Identifier: Apache-2.0
"""What a file of the user's rules imports: `from acalsim_backend.rules import Op, Rule`.

`Rule`, `Op` and `Tensor`, with the attributes that their docstrings name, are promised to stay.
"""

from .rule import Op, Rule, Tensor

__all__ = ["Op", "Rule", "Tensor"]
