# SPDX-License-Identifier: Apache-2.0
"""Command lines in, options out; a wrong command line is an error of its room, in one line."""

from __future__ import annotations

import argparse
from typing import Any, NoReturn

from .errors import AcalsimError


class Parser(argparse.ArgumentParser):
    """An ArgumentParser that raises `error_type` where argparse would print its usage and end the process."""

    def __init__(self, error_type: type[AcalsimError], **options: Any):
        super().__init__(**options)
        self.error_type = error_type

    def error(self, message: str) -> NoReturn:
        raise self.error_type(f"{message}; try --help")
