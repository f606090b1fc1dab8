# SPDX-License-Identifier: Apache-2.0
"""Reports as pages: NAME.html of one report, index.html of all reports of a folder; each is one file that loads no other."""
