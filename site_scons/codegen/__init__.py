# SPDX-License-Identifier: Apache-2.0
"""The code generator under the name by which the tutorial imports it."""
