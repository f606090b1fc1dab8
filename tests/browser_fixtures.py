# SPDX-License-Identifier: Apache-2.0
"""Opens a page in Debian's Chromium without a window, runs a script in it, tells what the console heard."""

import json
import re
import shutil
import subprocess
from dataclasses import dataclass
from html import escape, unescape

import pytest

CHROMIUM = shutil.which("chromium")
FLAGS = """
    --headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking
    --disable-component-update --disable-sync --hide-scrollbars --enable-logging=stderr
    --virtual-time-budget=4000
"""
DARK = ("--blink-settings=preferredColorScheme=0",)

needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="needs Debian's package chromium")


@dataclass
class Seen:
    """What the script returned, and the console's lines."""

    found: object
    console: list


@pytest.fixture
def look(tmp_path):
    """Opens `path` and evaluates the JavaScript expression `script` in it, when everything is drawn."""

    def opened(path, script="null", width=1280, dark=False):
        shown = tmp_path / f"seen-{path.name}"
        shown.write_text(_framed(_asking(path.read_text(), script), width))
        command = [CHROMIUM, *FLAGS.split(), *(DARK if dark else ()), "--window-size=1280,900"]
        command += [f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom", shown.as_uri()]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        found = re.search(r'<html[^>]* data-found="([^"]*)"', done.stdout)
        console = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
        return Seen(json.loads(unescape(found[1])) if found else None, console)

    return opened


def _asking(page, script):
    """A page that leaves what `script` returns in the outermost document."""
    assert page.count("</body>") == 1
    answer = f"top.document.documentElement.dataset.found = JSON.stringify(await ({script}))"
    return page.replace("</body>", f"<script>setTimeout(async () => {{ {answer}; }}, 500)</script></body>")


def _framed(page, width):
    """A page in a frame of that width: Chromium has no narrower window than 500 pixels."""
    style = f"border: 0; width: {width}px; height: 900px"
    return (
        f'<!doctype html><html><body><iframe style="{style}" srcdoc="{escape(page)}"></iframe></body></html>'
    )
