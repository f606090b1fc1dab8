# SPDX-License-Identifier: Apache-2.0
"""The commands and blocks of text of README and docs, as a reader would type and see them."""

import re

from conftest import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
COMMAND = re.compile(
    r"^(?:    |\$ )((?:[A-Z]+=\S+ )*(?:\./run|scons|qemu-system-riscv64|sst|sst-info|git|cp) .*)"
)


def commands(page) -> list[str]:
    """The commands of a page in their order, continued lines joined, without their comments."""
    text = re.sub(r" \\\n\s+", " ", page.read_text())
    found = filter(None, map(COMMAND.match, text.splitlines()))
    return [re.sub(r"\s+#.*| &$", "", match[1]).strip() for match in found]


def block(page, after: str) -> str:
    """The indented block behind the first line that contains `after`, blank lines within it included."""
    lines = page.read_text().splitlines()
    start = next(i for i, line in enumerate(lines) if after in line) + 1
    while not lines[start].startswith("    "):
        start += 1
    end = start
    while end < len(lines) and (not lines[end] or lines[end].startswith("    ")):
        end += 1
    return "\n".join(line[4:].rstrip() for line in lines[start:end]).rstrip()


def tidy(text: str) -> str:
    """Without spaces at the ends of lines, and what changes with the host (errors) or with every edit (hashes)."""
    text = re.sub(r"\b[0-9a-f]{12}\.\.\.", "HASH", text)
    text = re.sub(r"max_rel_error \S+", "max_rel_error E", text)
    return "\n".join(line.rstrip() for line in text.splitlines())
