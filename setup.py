# SPDX-License-Identifier: Apache-2.0
"""Puts kernels/ and sim/ into a wheel: the package compiles those sources where it is used."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

SOURCES = ("kernels", "sim")
"""Folders of the checkout. In a wheel they lie inside the package, where acalsim_backend.paths finds them."""


class BuildWithSources(build_py):
    def run(self):
        super().run()
        if not self.editable_mode:
            for name in SOURCES:
                target = Path(self.build_lib) / "acalsim_backend" / name
                shutil.rmtree(target, ignore_errors=True)
                shutil.copytree(name, target, ignore=shutil.ignore_patterns("__pycache__"))


setup(cmdclass={"build_py": BuildWithSources})
