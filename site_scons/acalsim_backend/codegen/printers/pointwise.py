# SPDX-License-Identifier: Apache-2.0
"""Kernels that compute every element of one index space by itself, and what is fused behind other kernels."""

from __future__ import annotations

from ..elements import Elements
from ..loops import nest
from ..site import Site


def pointwise(site: Site) -> list[str]:
    """Every element of one index space."""
    elements = Elements(site, site.output.shape)
    elements.compute(site.kernel.ops)
    elements.store(site.kernel.results)
    return nest(elements.shape, elements.items, site.hint)


def followed(site: Site, elements: Elements, value: str) -> Elements:
    """The ops behind the anchor, whose element is the C expression `value`, and their stores."""
    elements.give(site.output, value)
    elements.compute(site.kernel.after)
    elements.store(site.kernel.results)
    return elements
