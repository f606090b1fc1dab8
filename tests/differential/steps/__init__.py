# SPDX-License-Identifier: Apache-2.0
"""Kinds of steps, a function each, which adds one to a Draw; and how often each is drawn."""

from . import movement, pointwise, products, rows

STEPS = {**pointwise.STEPS, **movement.STEPS, **products.STEPS, **rows.STEPS}
