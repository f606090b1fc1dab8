# SPDX-License-Identifier: Apache-2.0
"""Devices of the user's on the bench: driven without a CPU, held to what every device promises, begun anew."""
