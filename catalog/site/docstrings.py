"""A Markdown extension for the plain text of docstrings, which the API pages show.

Lines that begin with `>>>` are a Python session, up to the next blank line; Markdown would read them as quotations.
A paragraph whose lines all read `name: what it is` (longer ones go on indented) is a list of arguments.
"""

from __future__ import annotations

import re
from itertools import groupby
from typing import Any

from markdown import Extension, Markdown
from markdown.preprocessors import Preprocessor

_ARGUMENT = re.compile(r"([a-z_]\w*): +(\S.*)")


class _Docstrings(Preprocessor):
    def run(self, lines: list[str]) -> list[str]:
        out: list[str] = []
        fenced = False
        for blank, group in groupby(lines, key=lambda line: not line.strip()):
            block = list(group)
            if not blank and not fenced:
                block = _session(block) or _arguments(block) or block
            fenced ^= sum(line.lstrip().startswith("```") for line in block) % 2 == 1
            out += block
        return out


def _session(block: list[str]) -> list[str] | None:
    if not block[0].startswith(">>> "):
        return None
    return ["", "```pycon", *(line.split("  # doctest:")[0] for line in block), "```"]


def _arguments(block: list[str]) -> list[str] | None:
    if not all(_ARGUMENT.match(line) or (n and line.startswith("    ")) for n, line in enumerate(block)):
        return None
    return ["", *(_ARGUMENT.sub(r"- `\1`: \2", line) if line[0] != " " else line for line in block)]


class Docstrings(Extension):
    """Put `catalog.site.docstrings` among the `markdown_extensions`."""

    def extendMarkdown(self, md: Markdown) -> None:
        """Before fenced code is looked for."""
        md.preprocessors.register(_Docstrings(md), "docstrings", 40)


def makeExtension(**options: Any) -> Docstrings:
    """Called by Markdown."""
    return Docstrings(**options)
