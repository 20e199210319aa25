"""A Markdown extension: lines that begin with `>>>` are a Python session, up to the next blank line.

Docstrings hold such sessions, and Markdown would read them as quotations.
"""

from __future__ import annotations

from typing import Any

from markdown import Extension, Markdown
from markdown.preprocessors import Preprocessor


class _Sessions(Preprocessor):
    def run(self, lines: list[str]) -> list[str]:
        out: list[str] = []
        inside = fenced = False
        for line in lines:
            if line.lstrip().startswith("```"):
                fenced = not fenced
            starts = line.startswith(">>> ") and not fenced
            if starts and not inside:
                out += ["", "```pycon"]
                inside = True
            elif inside and not line.strip():
                out.append("```")
                inside = False
            out.append(line.split("  # doctest:")[0] if inside else line)
        return [*out, "```"] if inside else out


class Doctests(Extension):
    """Put `catalog.site.doctests` among the `markdown_extensions`."""

    def extendMarkdown(self, md: Markdown) -> None:
        """Before fenced code is looked for."""
        md.preprocessors.register(_Sessions(md), "doctests", 40)


def makeExtension(**options: Any) -> Doctests:
    """Called by Markdown."""
    return Doctests(**options)
