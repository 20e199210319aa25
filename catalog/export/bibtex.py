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

ARTICLE = r"\b(Journal|Transactions|Surveys|JMLR|TACL|Distill)\b|\d\([\d/]+\)"
"""What only names of journals have, or a volume with the number of its issue."""
PROCEEDINGS = (
    r"(?i)\b(conference|meeting|workshop|findings|"
    r"advances in neural information processing systems|empirical methods in natural language processing|"
    r"aaai|acl|colm|cvpr|eccv|emnlp|iccv|iclr|icml|interspeech|mlsys|naacl|neurips|siggraph|sigir|sosp|usenix)\b"
)
VOLUME = r"(?P<journal>.+?) (?P<volume>\d+)(?:\((?P<number>[\d/]+)\))?(?:, (?P<pages>\d[\d-]*))?"
PAGES = r"(?P<booktitle>.+), (?P<pages>\d+-\d+)"
PRESS = r"(?:(?P<booktitle>.+), )?(?P<publisher>Wiley|MIT Press)(?: \((?P<note>.+)\))?"
YEAR = r"(.+?),? ((?:19|20)\d\d)"
"""How venues are written, each part under the name of its BibTeX field."""


def to_bibtex(part: Part) -> str:
    """All sources, each publication once, ordered by key."""
    return "\n".join(record(w.source, w.key) for w in Works(part.entries))


def record(s: Source, name: str | None = None) -> str:
    """A source as BibTeX, called `name`, or by its author, year and title. Braces keep the capitals of the title."""
    kind, told = venue(s.venue)
    fields = {
        "author": " and ".join(map(latex, authors(s))), "title": f"{{{latex(s.title)}}}", "year": str(s.year),
        **{k: v.replace("-", "--") if k == "pages" else latex(v) for k, v in told.items()},
        "eprint": s.arxiv, "archiveprefix": "arXiv" if s.arxiv else None,
        "doi": s.doi and verbatim(s.doi), "url": s.url and verbatim(s.url),
    }  # fmt: skip
    lines = [f"  {k} = {{{v}}}," for k, v in fields.items() if v]
    return "\n".join([f"@{kind}{{{name or key(s)},", *lines, "}", ""])


def venue(text: str) -> tuple[str, dict[str, str]]:
    """BibTeX's type of what appeared there, and the fields that tell where; `misc` where the venue does not say.

    >>> venue("Neural Computation 9(8), 1735-1780")
    ('article', {'journal': 'Neural Computation', 'volume': '9', 'number': '8', 'pages': '1735-1780'})
    """
    told = re.fullmatch(YEAR, text)
    name, year = told.groups() if told else (text, None)
    volume = re.fullmatch(VOLUME, name)
    if text.lower().startswith("arxiv"):
        kind, fields = "misc", {"howpublished": text}
    elif re.search(ARTICLE, text) or (volume and volume["pages"] and not re.search(PROCEEDINGS, text)):
        kind, fields = "article", (volume.groupdict() if volume else {"journal": name}) | {"year": year}
    elif re.search(PROCEEDINGS, text):
        pages = re.fullmatch(PAGES, text)
        kind, fields = "inproceedings", (pages.groupdict() if pages else {"booktitle": text}) | {"year": year}
    elif press := re.fullmatch(PRESS, text):
        kind, fields = "incollection" if press["booktitle"] else "book", press.groupdict()
    else:
        kind, fields = "misc", {"howpublished": text}
    return kind, {k: v for k, v in fields.items() if v}


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
