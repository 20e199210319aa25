"""A Markdown extension that passes the HTML of the pages on as it is.

Markdown takes HTML apart tag by tag to look for Markdown inside, of which the writer's has none: with thousands of tags
in each drawing and listing that was a quarter of the time of a build.
"""

from __future__ import annotations

import re
from itertools import groupby
from typing import Any

from markdown import Extension, Markdown
from markdown.preprocessors import Preprocessor

_MIXED = re.compile(r"<[^>]*\smarkdown\b")
"""An element that says there is Markdown inside, as pages written by hand have."""

_INLINE = ("<link", "<svg")
"""What Markdown would put in a paragraph of its own."""


class _Raw(Preprocessor):
    def run(self, lines: list[str]) -> list[str]:
        out: list[str] = []
        mixed = any(map(_MIXED.match, lines))
        for blank, group in groupby(lines, key=lambda line: not line.strip()):
            block = list(group)
            alone = block[0].startswith(_INLINE)
            if not blank and block[0].startswith("<") and block[-1].endswith(">") and (alone or not mixed):
                block = [self.md.htmlStash.store("<!---->" * alone + "\n".join(block))]  # a comment is no paragraph
            out += block
        return out


class Raw(Extension):
    """Put `catalog.site.raw` among the `markdown_extensions`."""

    def extendMarkdown(self, md: Markdown) -> None:
        """After fenced code is taken out, before HTML is looked for."""
        md.preprocessors.register(_Raw(md), "raw", 22)


def makeExtension(**options: Any) -> Raw:
    """Called by Markdown."""
    return Raw(**options)
