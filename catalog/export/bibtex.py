"""Sources as BibTeX, for LaTeX of any age: everything beyond ASCII that LaTeX has a command for is written as one."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING
from urllib.parse import quote

from .works import Works, authors, key

if TYPE_CHECKING:
    from ..schema import Source
    from .part import Part

SPECIAL = {c: f"\\{c}" for c in "&%$#_"} | {
    "\\": r"{\textbackslash}", "{": r"\ensuremath{\lbrace}", "}": r"\ensuremath{\rbrace}",
    "~": r"{\textasciitilde}", "^": r"{\textasciicircum}",
    "ß": r"{\ss}", "æ": r"{\ae}", "Æ": r"{\AE}", "œ": r"{\oe}", "Œ": r"{\OE}", "ø": r"{\o}", "Ø": r"{\O}",
    "ł": r"{\l}", "Ł": r"{\L}", "ı": r"{\i}",
}  # fmt: skip
"""What LaTeX, or BibTeX, which counts braces, would not read as itself."""
ACCENTS = {
    "\u0300": "`", "\u0301": "'", "\u0302": "^", "\u0303": "~", "\u0304": "=", "\u0306": "u", "\u0307": ".",
    "\u0308": '"', "\u030a": "r", "\u030b": "H", "\u030c": "v", "\u0323": "d", "\u0327": "c", "\u0328": "k",
}  # fmt: skip
"""LaTeX's accents by combining character."""


def to_bibtex(part: Part) -> str:
    """All sources, each publication once, ordered by key."""
    return "\n".join(record(w.source, w.key) for w in Works(part.entries))


def record(s: Source, name: str | None = None) -> str:
    """A source as BibTeX, called `name`, or by its author, year and title. Braces keep the capitals of the title."""
    fields = {
        "author": " and ".join(map(latex, authors(s))), "title": f"{{{latex(s.title)}}}", "year": str(s.year),
        "howpublished": latex(s.venue), "eprint": s.arxiv, "archiveprefix": "arXiv" if s.arxiv else None,
        "doi": s.doi and verbatim(s.doi), "url": s.url and verbatim(s.url),
    }  # fmt: skip
    lines = [f"  {k} = {{{v}}}," for k, v in fields.items() if v]
    return "\n".join([f"@misc{{{name or key(s)},", *lines, "}", ""])


def latex(text: str) -> str:
    r"""Text as LaTeX source.

    >>> latex("Björn & Łukasz")
    'Bj{\\"o}rn \\& {\\L}ukasz'
    """
    letters = "".join(map(_letter, unicodedata.normalize("NFC", " ".join(text.split()))))
    return re.sub(r"(?<=([-'`]))(?=\1)", "{}", letters)  # two would be one: a dash, a quotation mark


def _letter(c: str) -> str:
    if c in SPECIAL:
        return SPECIAL[c]
    base, *marks = unicodedata.normalize("NFD", c)
    if len(marks) == 1 and marks[0] in ACCENTS and base.isascii():
        accent = ACCENTS[marks[0]]
        return f"{{\\{accent}{{{base}}}}}" if accent.isalpha() else f"{{\\{accent}{base}}}"
    return c


def verbatim(address: str) -> str:
    """An address; BibTeX counts the braces in it, so these are written by their number."""
    return re.sub(r"[{}\\]", lambda found: quote(found[0]), address)
