# SPDX-License-Identifier: Apache-2.0
"""NAME.html: a report and its plan in, one file out that shows them in a browser and loads nothing else."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from . import words
from .view import Subject, view

ASSETS = Path(__file__).with_name("assets")
STYLES = ("uPlot.min.css", "style.css")
SCRIPTS = ("uPlot.iife.min.js", "table.js", "chart.js", "charts.js")


def page(subject: Subject) -> str:
    """All of NAME.html."""
    return render("page.html.j2", SCRIPTS, view(subject))


def render(template: str, scripts: tuple[str, ...], values: dict[str, Any]) -> str:
    """A template with its styles and scripts inside, unindented; whatever stands in `values` is shown as text."""
    environment = Environment(
        loader=FileSystemLoader(ASSETS),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for name in ("number", "percent", "width", "error", "rank", "size"):
        environment.filters[name] = getattr(words, name)
    environment.filters["data"] = data
    environment.globals["style"] = asset(*STYLES)
    environment.globals["script"] = asset(*scripts)
    return re.sub(r"\n\s+", "\n", environment.get_template(template).render(**values))


def asset(*names: str) -> Markup:
    return Markup("\n".join((ASSETS / name).read_text() for name in names))


def data(value: object) -> Markup:
    """JSON that no HTML parser takes for the end of its element."""
    text = json.dumps(value, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))
