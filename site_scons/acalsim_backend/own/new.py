# SPDX-License-Identifier: Apache-2.0
"""Begins a device of the user's: a folder with a device that works, its machine file and its test.

    python -m acalsim_backend.own.new FOLDER py|cc|sv

The device is called like the folder. Every file of templates/LANGUAGE is copied without its ending `.in`; in
names and texts NAME and CLASS become the device's.
"""

from __future__ import annotations

import re
from pathlib import Path

from ..errors import DeviceError, run_room
from ..files import write_atomic

TEMPLATES = Path(__file__).with_name("templates")
COMMON = "common"
"""Templates of every language."""


def languages() -> list[str]:
    return sorted(path.name for path in TEMPLATES.iterdir() if path.is_dir() and path.name != COMMON)


def new_device(folder: Path, language: str) -> list[Path]:
    """Write the folder's files and return their paths. Raises DeviceError rather than overwrite one."""
    name = folder.name
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise DeviceError(f"device name '{name}' is not lower-case letters, digits and _")
    if language not in languages():
        raise DeviceError(f"LANGUAGE is '{language}'; known are {', '.join(languages())}")
    words = {
        "CLASS": "".join(part.capitalize() for part in name.split("_")),
        "NAME": name,
        "LANGUAGE": language,
    }
    made = {
        folder / filled(path.name.removesuffix(".in"), words): filled(path.read_text(), words)
        for place in (COMMON, language)
        for path in sorted((TEMPLATES / place).glob("*.in"))
    }
    taken = [path for path in made if path.exists()]
    if taken:
        raise DeviceError(f"'{taken[0]}' is there already, and is not overwritten; give another name")
    for path, text in made.items():
        write_atomic(path, text)
    return list(made)


def filled(text: str, words: dict[str, str]) -> str:
    """The text with the words in place of what stands for them."""
    for stands_for, word in words.items():
        text = text.replace(stands_for, word)
    return text


def main(arguments: list[str]) -> int:
    match arguments:
        case [folder, language]:
            for path in new_device(Path(folder).expanduser(), language):
                print(path)
        case _:
            raise DeviceError("usage: own.new FOLDER LANGUAGE")
    return 0


if __name__ == "__main__":
    run_room(main)
