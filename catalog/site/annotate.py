"""A reference as a page: prose beside the code it speaks of.

Docstrings and full-line comments become the prose; what is left keeps its line numbers. Nothing is run.
"""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from functools import lru_cache
from itertools import accumulate, groupby, takewhile

from pygments import lex
from pygments.lexers import PythonLexer
from pygments.token import STANDARD_TYPES, Token

from ..difference import Part, compared
from .text import block, escape

ALIKE = 0.6
"""The share of words and signs that a line and what it became have in common, at least."""
Span = tuple[int, int]
"""Columns from which and to which something reaches."""
_HUNK = '<span class="line hunk">…\n</span>'
_PRAGMA = re.compile(r"#\s*(fmt|type|noqa|ruff|pyright|pragma)\b")


@dataclass
class Row:
    """A stretch of code and what is said of it."""

    prose: list[str] = field(default_factory=list)
    code: list[int] = field(default_factory=list)
    """Line numbers, from 1."""


@lru_cache(maxsize=256)
def rows(source: str) -> list[Row]:
    """The module in rows: a new one at each class, function, method and full-line comment."""
    tree, lines = ast.parse(source), source.splitlines()
    docs: dict[int, tuple[int, str]] = {}
    starts: set[int] = set()

    def visit(owner: ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        text = ast.get_docstring(owner)
        if text:
            docs[owner.body[0].lineno] = (owner.body[0].end_lineno or owner.body[0].lineno, text)
        before: ast.stmt | None = None
        for node in owner.body:
            if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                if not isinstance(owner, ast.FunctionDef | ast.AsyncFunctionDef):
                    starts.add(min([node.lineno, *(d.lineno for d in node.decorator_list)]))
                visit(node)
            elif isinstance(before, ast.ClassDef | ast.FunctionDef) and not isinstance(owner, ast.FunctionDef):
                starts.add(node.lineno)
            before = node

    visit(tree)
    found = [Row()]
    i = 1
    while i <= len(lines):
        row, text = found[-1], lines[i - 1]
        stripped = text.strip()
        if i in docs:
            end, doc = docs[i]
            row.prose.append(docstring(doc))
            if not row.code:  # the module's own
                found.append(Row())
            i = end + 1
            while i <= len(lines) and not lines[i - 1].strip():
                i += 1
            continue
        if stripped.startswith("#") and not _PRAGMA.match(stripped):
            if row.code:
                found.append(row := Row())
            comment = []
            while i <= len(lines) and lines[i - 1].strip().startswith("#"):
                comment.append(lines[i - 1].strip().removeprefix("#").removeprefix(" "))
                i += 1
            row.prose.append(docstring("\n".join(comment).strip("- \n")))
            continue
        if i in starts and row.code:
            found.append(row := Row())
        if stripped or row.code:
            row.code.append(i)
        i += 1
    for row in found:
        while row.code and not lines[row.code[-1] - 1].strip():
            row.code.pop()
    return [r for r in found if r.code or r.prose]


def docstring(text: str) -> str:
    """A docstring's plain text as Markdown: `Idea` above an indented paragraph becomes a small heading."""
    out = []
    for part in re.split(r"\n(?=\S)", text):
        head, _, body = part.partition("\n")
        if body.startswith("    ") and len(head) < 40 and not head.endswith((".", ",")):
            out += ["", f"**{head.rstrip(':')}**", "", textwrap.dedent(body), ""]
        else:
            out.append(part)
    arrows = re.sub(r"(?<=\s)->(?=\s)", "→", "\n".join(out))  # a line may end within the two signs
    return re.sub(r"(?<![*\w])\*(?![*])|(?<=\w)\*(?=\w)", r"\\*", arrows).strip()


@dataclass(frozen=True)
class Mark:
    """A symbol of the objective, by the identifier that carries it."""

    number: int
    """Its row in the table of symbols has the id `symbol-<number>`."""
    meaning: str
    line: int
    """Where it is defined: there the identifier leads back to the table."""


def highlighted(
    source: str, symbols: Mapping[str, Mark] | None = None, spans: Mapping[int, Sequence[Span]] | None = None
) -> list[str]:
    """The HTML of each line, colored. Identifiers in `symbols` are marked with the number of their row; `spans` are
    stretches of a line, by its index, that are marked as changed."""
    lines, linked = [], set[str]()
    for number, tokens in enumerate(_tokens(source), 1):
        changed, width, out = (spans or {}).get(number - 1, ()), 0, ""
        for css, part, is_name in tokens:
            text = _changed(part, width, changed) if changed else escape(part)
            if symbols and is_name and (mark := symbols.get(part)):
                text = _symbol(text, mark, part not in linked and mark.line == number)
                linked |= {part} if mark.line == number else set()
            out += f'<span class="{css}">{text}</span>' if css else text
            width += len(part)
        lines.append(out)
    return lines


@lru_cache(maxsize=1024)
def _tokens(source: str) -> list[list[tuple[str, str, bool]]]:
    """Each line in pieces: the class of its type, as style sheets know it, its text, whether it is a name."""
    lines: list[list[tuple[str, str, bool]]] = [[]]
    for kind, value in lex(source, PythonLexer(stripnl=False)):
        css = STANDARD_TYPES.get(kind, "") if kind not in Token.Text else ""
        for n, part in enumerate(value.split("\n")):
            if n:
                lines.append([])
            if part:
                lines[-1].append((css, part, kind in Token.Name))
    return lines


def _symbol(text: str, mark: Mark, link: bool) -> str:
    """An identifier that carries a symbol; where it is defined, it leads back to the symbol's row."""
    about = f'class="symbol" data-symbol="{mark.number}" title="{escape(mark.meaning)}"'
    return f'<a href="#symbol-{mark.number}" {about}>{text}</a>' if link else f"<span {about}>{text}</span>"


def _changed(part: str, start: int, spans: Iterable[Span]) -> str:
    """A token that starts at a column, with what lies in the spans marked."""
    out, at = "", 0
    for begin, end in spans:
        left, right = max(begin - start, at), min(end - start, len(part))
        if left < right:
            out += f"{escape(part[at:left])}<mark>{escape(part[left:right])}</mark>"
            at = right
    return out + escape(part[at:])


def listing(source: str, symbols: Mapping[str, Mark] | None = None) -> str:
    """The module as rows of prose and code; line n has the id `L<n>`."""
    lines = highlighted(source, symbols)
    body = "".join(_row(row, lines) for row in rows(source))
    return f'<section class="annotated no-copy">{body}</section>'


def _row(row: Row, lines: list[str]) -> str:
    prose = "".join(block(p) for p in row.prose)
    if not row.code:
        return f'<div class="row lead"><div class="prose">{prose}</div></div>'
    code = "".join(
        f'<span class="line" id="L{n}"{_indent(lines[n - 1])}>'
        f'<a class="n" href="#L{n}" tabindex="-1" aria-hidden="true" data-n="{n}"></a>{lines[n - 1]}\n</span>'
        for n in row.code
    )
    return (
        f'<div class="row" style="--lines:{len(row.code)}"><div class="prose">{prose}</div>'
        f'<div class="code highlight no-copy"><pre><code>{code}</code></pre></div></div>'
    )


def _indent(html: str) -> str:
    """The indent of a line, so that its continuation goes in further."""
    width = len(html) - len(html.lstrip(" "))
    return f' style="--indent:{width}"' if width else ""


def line_of(source: str, name: str) -> int | None:
    """Where an identifier of the module is defined, else first used; None where it does not occur in code."""
    found = _places(source).get(name.split(".")[-1])
    return found[1] if found else None


@lru_cache(maxsize=256)
def _places(source: str) -> dict[str, tuple[int, int]]:
    """For each identifier of the module the kind of its best place, 0 for a definition, and the line."""
    found: dict[str, tuple[int, int]] = {}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            name, place = node.name, (0, node.lineno)
        elif isinstance(node, ast.Name | ast.Attribute):
            name = node.id if isinstance(node, ast.Name) else node.attr
            place = (1 if isinstance(node.ctx, ast.Store) else 3, node.lineno)
        elif isinstance(node, ast.arg):
            name, place = node.arg, (2, node.lineno)
        else:
            continue
        found[name] = min(place, found.get(name, place))
    return found


def imports(source: str, module: str) -> bool:
    """Whether the source imports from a module at its top."""
    return any(isinstance(n, ast.ImportFrom) and n.module == module for n in ast.parse(source).body)


@lru_cache(maxsize=256)
def changes(old: str, new: str) -> tuple[str, int, int]:
    """The difference of two sources' code, without their prose, as HTML; and how many lines came and went."""
    texts, numbers = [["", *source.splitlines()] for source in (old, new)], [_code(old), _code(new)]
    codes = [[text[n] for n in side] for text, side in zip(texts, numbers, strict=True)]
    found = compared(codes[0], codes[1])
    # the source of each line, 0 for the old one, and its number there
    places = [(0, numbers[0][x.old]) if x.sign == "-" else (1, numbers[1][x.new]) for x in found]
    lines = [(x.sign, texts[side][n]) for x, (side, n) in zip(found, places, strict=True)]
    marked = words(lines)
    # each source is colored as a whole, since a line alone may be the middle of a string
    spans = [{n - 1: marked[i] for i, (at, n) in enumerate(places) if at == side and i in marked} for side in (0, 1)]
    colored = [["", *highlighted(source, spans=of)] for source, of in zip((old, new), spans, strict=True)]
    return _difference([(sign, colored[side][n]) for (sign, _), (side, n) in zip(lines, places, strict=True)])


@lru_cache(maxsize=256)
def parts(found: tuple[Part, ...]) -> tuple[str, int, int]:
    """Methods that one class says anew against those of another as HTML; and how many lines came and went."""
    out: list[tuple[str, str]] = []
    for part in found:
        lines = [(line[0], line[2:]) for line in part.lines]
        colored = highlighted("\n".join(text for _, text in lines), spans=words(lines))
        out += [("…", "")] if out else []
        out += [(sign, html) for (sign, _), html in zip(lines, colored, strict=False)]
    return _difference(out)


def _difference(lines: Sequence[tuple[str, str]]) -> tuple[str, int, int]:
    """Signs and the HTML of their lines as a listing."""
    code = "".join(_HUNK if sign == "…" else _change(sign, html) for sign, html in lines)
    signs = [sign for sign, _ in lines]
    html = f'<div class="diff highlight no-copy"><pre tabindex="0"><code>{code}</code></pre></div>'
    return html, signs.count("+"), signs.count("-")


def words(lines: Sequence[tuple[str, str]]) -> dict[int, list[Span]]:
    """The stretches that changed within lines, by their index: each line that went is held against the one most like
    it of those that came in its place, in their order."""
    found: dict[int, list[Span]] = {}
    at = 0
    for sign, group in groupby(lines, key=lambda line: line[0]):
        n = len(list(group))
        if sign == "-":
            came = list(takewhile(lambda i: lines[i][0] == "+", range(at + n, len(lines))))
            for i in range(at, at + n):
                alike, pair = max(((_alike(lines[i][1], lines[j][1]), -j) for j in came), default=(0.0, 0))
                if alike >= ALIKE:
                    found[i], found[-pair] = _spans(lines[i][1], lines[-pair][1])
                    came = [j for j in came if j > -pair]
        at += n
    return found


def _alike(old: str, new: str) -> float:
    """The share of words and signs that two lines have in common."""
    a, b = ([t for t in _split(text) if not t.isspace()] for text in (old, new))
    matcher = SequenceMatcher(None, a, b, autojunk=False)
    return matcher.ratio() if matcher.quick_ratio() >= ALIKE else 0.0


def _split(text: str) -> list[str]:
    return re.findall(r"\w+|\s+|[^\w\s]", text)


def _spans(old: str, new: str) -> tuple[list[Span], list[Span]]:
    """Columns of what is in the one line and not in the other, word by word."""
    a, b = _split(old), _split(new)
    starts = [list(accumulate(map(len, words), initial=0)) for words in (a, b)]
    gone: list[Span] = []
    came: list[Span] = []
    for tag, i1, i2, j1, j2 in SequenceMatcher(None, a, b, autojunk=False).get_opcodes():
        if tag != "equal":
            gone += [(starts[0][i1], starts[0][i2])] if i1 < i2 else []
            came += [(starts[1][j1], starts[1][j2])] if j1 < j2 else []
    return gone, came


def _code(source: str) -> list[int]:
    """Numbers of the lines of code, and 0 after each row."""
    return [n for row in rows(source) for n in [*row.code, 0]]


def _change(sign: str, text: str) -> str:
    cls = {"+": " plus", "-": " minus"}.get(sign, "")
    return f'<span class="line{cls}"{_indent(text)}><span class="sign">{sign}</span>{text}\n</span>'
