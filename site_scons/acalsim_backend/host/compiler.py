# SPDX-License-Identifier: Apache-2.0
"""C++ on this host: sources in, objects and libraries out, in files named by what they are made from."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Thread

from ..errors import AcalsimError, ToolchainError
from ..files import short_digest

CXX = os.environ.get("CXX", "g++")

MODEL_CXXFLAGS = (
    "-std=c++17",
    "-O3",
    # Products and sums are rounded one by one, even where the host could fuse them: results are the same
    # on every host.
    "-ffp-contract=off",
    # No model reads errno or the floating-point exceptions, and loops vectorise.
    "-fno-math-errno",
    "-fno-trapping-math",
    "-fPIC",
    "-fvisibility=hidden",
    "-Wall",
    "-Wextra",
)
"""Device models are compiled so in the embedded engine."""

Command = Callable[[Path, Path], list[str]]
"""What compiles a source to a target."""


def compile_all(sources: Sequence[Path], folder: Path, headers: str, command: Command) -> list[Path]:
    """The objects of the sources, in `folder`; only what changed is compiled. `headers` is a digest of what
    they include. Raises ToolchainError with the compiler's first error."""
    made: dict[Path, Path] = {}
    errors: list[AcalsimError | OSError] = []
    waiting = list(reversed(sources))

    def work() -> None:
        while waiting and not errors:
            try:
                source = waiting.pop()
                made[source] = _compiled(source, folder, headers, command)
            except IndexError:  # another took the last one
                return
            except (AcalsimError, OSError) as error:
                errors.append(error)

    # Threads by hand: concurrent.futures takes longer to import than a library takes to be found.
    threads = [Thread(target=work) for _ in range(os.cpu_count() or 1)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    if errors:
        raise errors[0]
    return [made[source] for source in sources]


def _compiled(source: Path, folder: Path, headers: str, command: Command) -> Path:
    text = " ".join(command(source, folder))
    key = hashlib.sha256(f"{short_digest(source)} {headers} {text}".encode()).hexdigest()[:16]
    target = folder / f"{source.stem}-{key}.o"
    if not target.exists():
        make(target, lambda temporary: command(source, temporary))
    return target


def make(target: Path, command: Callable[[Path], list[str]]) -> None:
    """Make `target` by `command` of a temporary path: it appears whole or not at all."""
    temporary = target.with_name(f".{os.getpid()}-{target.name}")
    words = command(temporary)
    try:
        done = subprocess.run(words, capture_output=True, text=True, env={**os.environ, "LC_ALL": "C"})
    except FileNotFoundError:
        raise ToolchainError(f"no C++ compiler '{words[0]}' (Debian's package is g++)") from None
    if done.returncode:
        raise ToolchainError(first_complaint(done.stderr))
    os.replace(temporary, target)


def first_complaint(said: str) -> str:
    """The first line that tells what is wrong, of all that a compiler or linker said."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return next((line for line in lines if "error" in line or "undefined reference" in line), " ".join(lines))
