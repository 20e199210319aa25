"""What comes with the package: the entries, and the text for coding agents."""

from __future__ import annotations

import os
from pathlib import Path

VARIABLE = "CATALOG_PATTERNS"
TITLE = "Generative-AI patterns"
"""Name of this project's own catalog; what speaks of its patterns is left out for others."""


def folder() -> Path:
    """The folder of the entries: what $CATALOG_PATTERNS names, else the installed copy, else the checkout's.

    An editable install leaves a copy in site-packages that goes stale at once. It is not seen here,
    because this package then lies in the checkout, and `_patterns` is looked for beside this file.
    """
    if named := os.environ.get(VARIABLE):
        return Path(named)
    here = Path(__file__).parent
    return installed if (installed := here / "_patterns").is_dir() else here.parent / "patterns"


def skill() -> str:
    """How to use the catalog from a coding agent."""
    return (Path(__file__).parent / "skill.md").read_text(encoding="utf-8")
