# SPDX-License-Identifier: Apache-2.0
"""Files that one room writes and another reads: written whole or not at all, and hashed in one way."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

StrPath = str | os.PathLike[str]
Content = str | bytes | Iterable[Any]
"""What a file is to hold: text, bytes, or buffers of bytes that are made one by one as they are written."""


def write_atomic(path: StrPath, content: Content) -> None:
    """Write `content` to `path` so that no reader ever sees half of it. An OSError names `path`."""
    path = Path(path)
    parts = _parts(content)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as stream:
                for part in parts:
                    stream.write(part)
            os.chmod(temporary, 0o644)
            os.replace(temporary, path)
        except BaseException:
            os.unlink(temporary)
            raise
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from None


def _parts(content: Content) -> Iterable[Any]:
    if isinstance(content, str):
        return (content.encode(),)
    return (content,) if isinstance(content, bytes) else content


def write_if_changed(path: Path, content: Content) -> None:
    """Write the file unless it holds that already, so that its time does not change."""
    data = b"".join(_parts(content))
    if not path.exists() or path.read_bytes() != data:
        write_atomic(path, data)


def write_files(files: Mapping[str, Content], folder: Path) -> list[Path]:
    """Write files, given as content by name, into `folder`. Returns their paths."""
    for name, content in files.items():
        write_atomic(folder / name, content)
    return [folder / name for name in files]


def short_digest(*paths: Path) -> str:
    """16 hexadecimal digits that differ where the contents of the files do."""
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def sha256(path: StrPath) -> str:
    """The SHA-256 of a file's contents, in hexadecimal digits."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
