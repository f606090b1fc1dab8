# SPDX-License-Identifier: Apache-2.0
"""Random graphs on random machines, held to PyTorch.

draw.py and steps/ make graphs, machines.py machine files, batch.py runs many graphs as one program and judges what
came out, shrink.py makes a failing graph and its machine as small as they fail.
"""
