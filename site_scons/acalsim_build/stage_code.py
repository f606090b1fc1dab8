# SPDX-License-Identifier: Apache-2.0
"""What a stage's code is: its module and all of the package that this imports, as one digest.

Modules of the package import each other relatively, so that imports are found in the text, at any depth of
indentation. That is done once in a build for each module, where SCons's scanner would do it for every target.
"""

import hashlib
import os
import re

IMPORT = re.compile(r"from[ \t]+(\.+)([\w.]*)[ \t]+import[ \t]+(\([^)]*\)|.*)")
"""At the beginning of a line: `imports` sees to that, since a pattern that began with it would be slow to find."""
PACKAGE = "__init__.py"
NAME = re.compile(r"\w+")


class Package:
    """The modules of a package, by names without the package's own: `codegen.values`, and "" for itself."""

    def __init__(self, folder):
        self.files = dict(modules(str(folder)))
        self.contents = {name: self.content(name) for name in self.files}

    def digest(self, *modules):
        """The digest of what runs where the modules are run, each as `python -m` runs it."""
        started = [f"{name}.__main__" if f"{name}.__main__" in self.files else name for name in modules]
        texts = "".join(f"{name} {self.contents[name][0]}\n" for name in sorted(self.closure(started)))
        return hashlib.sha256(texts.encode()).hexdigest()

    def closure(self, modules):
        """The modules, what they import, and what that imports in turn."""
        found, new = set(), set(modules)
        while new:
            found |= new
            new = {name for known in new for name in self.contents[known][1]} - found
        return found

    def content(self, module):
        """The digest of a module's text, and the modules that Python runs before it or at its imports."""
        with open(self.files[module], "rb") as file:
            text = file.read()
        named = {name for found in imports(text.decode()) for name in self.named(module, *found)}
        ours = {module, *(named & self.files.keys())}
        ran = {package for name in ours for package in (*packages(name), name)}
        return hashlib.sha256(text).hexdigest(), (ran & self.files.keys()) - {module}

    def named(self, module, dots, name, what):
        """What `from DOTS+NAME import WHAT` in a module may mean: a module, or modules in a package."""
        is_package = self.files[module].endswith(f"/{PACKAGE}")
        folders = module.split(".")[: None if is_package else -1]
        base = ".".join(filter(None, [*folders[: len(folders) - len(dots) + 1], name]))
        return [base, *(f"{base}.{word}".lstrip(".") for word in NAME.findall(what))]


def imports(text):
    """(dots, name, what) of each `from DOTS+NAME import WHAT` of a module's text."""
    for found in IMPORT.finditer(text):
        if not text[text.rfind("\n", 0, found.start()) + 1 : found.start()].strip(" \t"):
            yield found.groups()


def modules(folder):
    """(name, path) of every module in the folder of a package."""
    for place, _, files in os.walk(folder):
        package = place[len(folder) + 1 :].replace("/", ".")
        for file in files:
            if file.endswith(".py"):
                module = "" if file == PACKAGE else file.removesuffix(".py")
                yield ".".join(filter(None, (package, module))), f"{place}/{file}"


def packages(module):
    """The packages that a module lies in, the outermost first."""
    parts = module.split(".")
    return [".".join(parts[:count]) for count in range(len(parts))]
