# SPDX-License-Identifier: Apache-2.0
"""How a user's own modules are found while a capture is watched: by asking for each name, and always from source.

Python itself lists each folder of sys.path, so that every new file beside a model would look like a change of
what it read, and takes a module from __pycache__ as long as the source's time and size are the same.

A model's folder comes first for the user's own code, and last for that of packages: models/sympy.py is a model, and
torch goes on to find what it means by sympy.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import os
import sys
from collections.abc import Iterable, Sequence
from importlib.machinery import (
    ExtensionFileLoader,
    ModuleSpec,
    PathFinder,
    SourceFileLoader,
    SourcelessFileLoader,
)
from importlib.metadata import DistributionFinder, PathDistribution
from types import CodeType, ModuleType

from .places import is_users


class FromSource(SourceFileLoader):
    """Reads the source and leaves no cache of it behind."""

    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        return self.source_to_code(self.get_data(path), path)


_Loader = type[ExtensionFileLoader] | type[SourceFileLoader] | type[SourcelessFileLoader]
_LOADERS: list[tuple[str, _Loader]] = [
    *((suffix, ExtensionFileLoader) for suffix in importlib.machinery.EXTENSION_SUFFIXES),
    *((suffix, FromSource) for suffix in importlib.machinery.SOURCE_SUFFIXES),
    *((suffix, SourcelessFileLoader) for suffix in importlib.machinery.BYTECODE_SUFFIXES),
]
"""In Python's own order."""


class _Finder:
    """Finds modules in one folder, as a path hook's finder does."""

    def __init__(self, folder: str):
        self._folder = folder

    def find_spec(self, name: str, target: ModuleType | None = None) -> ModuleSpec | None:
        base = os.path.join(self._folder, name.rpartition(".")[2])
        is_folder = os.path.isdir(base)
        for place in ([os.path.join(base, "__init__")] if is_folder else []) + [base]:
            for suffix, loader in _LOADERS:
                path = place + suffix
                if os.path.isfile(path):
                    inside = [base] if place != base else None
                    return importlib.util.spec_from_file_location(
                        name, path, loader=loader(name, path), submodule_search_locations=inside
                    )
        if not is_folder:
            return None
        spec = ModuleSpec(name, None, is_package=True)
        spec.submodule_search_locations = [base]
        return spec


def _hook(folder: str) -> _Finder:
    if not os.path.isdir(folder) or not is_users(os.path.abspath(folder)):
        raise ImportError(f"{folder} is no folder of the user's", path=folder)
    return _Finder(os.path.abspath(folder))


_models_folders: list[str] = []
"""What add_folders has added to sys.path."""
_EVERYWHERE = DistributionFinder.Context()


def _is_asked_by_a_package() -> bool:
    """Whether the import that is under way stands in a package's code."""
    frame = sys._getframe()
    while frame.f_back and (frame.f_code.co_filename == __file__ or "importlib" in frame.f_code.co_filename):
        frame = frame.f_back
    return not is_users(frame.f_code.co_filename)


class _PathFinder(PathFinder):
    """Python's own, but for models' folders: packages are not sought in them, nor their modules for packages."""

    @classmethod
    def find_spec(
        cls, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if path is None and _models_folders and _is_asked_by_a_package():
            elsewhere = [folder for folder in sys.path if folder not in _models_folders]
            return PathFinder.find_spec(fullname, elsewhere, target) or PathFinder.find_spec(
                fullname, _models_folders, target
            )
        return PathFinder.find_spec(fullname, path, target)

    @classmethod
    def find_distributions(
        cls, context: DistributionFinder.Context = _EVERYWHERE
    ) -> Iterable[PathDistribution]:
        path = [folder for folder in context.path if folder not in _models_folders]
        return PathFinder.find_distributions(DistributionFinder.Context(name=context.name, path=path))


def watch_imports() -> None:
    """From now on find the user's modules so, in this process."""
    sys.meta_path[sys.meta_path.index(PathFinder)] = _PathFinder
    sys.path_hooks.insert(0, _hook)
    sys.path_importer_cache.clear()


def add_folders(*folders: str) -> None:
    """Put folders of models first on sys.path."""
    sys.path[:0] = folders
    _models_folders.extend(folders)
