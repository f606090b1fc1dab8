# SPDX-License-Identifier: Apache-2.0
"""Which ops become one kernel, and where each tensor lies."""
