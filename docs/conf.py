"""Sphinx: ``python -m sphinx -W --keep-going -b html docs build/docs``. Needs no network."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import colt_llvm
import colt_llvm.env

project = "colt-llvm"
author = copyright = "the colt-llvm authors"
release = version = colt_llvm.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc"]
exclude_patterns = ["examples"]
source_suffix = {".md": "markdown"}
myst_heading_anchors = 3
suppress_warnings = ["myst.header"]  # a page may begin below the first level

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 90

html_theme = "alabaster"
html_theme_options = {"description": project, "fixed_sidebar": True, "page_width": "72rem", "font_family": "sans-serif"}
html_show_sourcelink = False

#: How docstrings here name a field or a parameter: "trials, seconds: when the search ends".
_ENTRY = re.compile(r"([a-z_][a-z_0-9]*(?:, [a-z_][a-z_0-9]*)*): (?=\S)")


def _entries_apart(app: object, what: str, name: str, thing: object, options: object, lines: list[str]) -> None:
    """A paragraph for each such entry, and for what is raised."""
    written: list[str] = []
    within = False
    for line in lines:
        match = _ENTRY.match(line)
        if match:
            written += ["", f"``{match[1]}``: {line[match.end() :]}"]
        elif line.startswith("Raises "):
            written += ["", line]
        else:
            written.append(line.lstrip() if within else line)
        within = bool(line) and (within or match is not None)
    lines[:] = written


def setup(app: Any) -> None:
    app.connect("autodoc-process-docstring", _entries_apart)
