"""A reference as a page: prose beside the code it speaks of.

Docstrings and full-line comments become the prose; what is left keeps its line numbers. Nothing is run.
"""

from __future__ import annotations

import ast
import difflib
import re
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from pygments import lex
from pygments.lexers import PythonLexer
from pygments.token import STANDARD_TYPES, Token

from .text import block, escape

_PRAGMA = re.compile(r"#\s*(fmt|type|noqa|ruff|pyright|pragma)\b")


@dataclass
class Row:
    """A stretch of code and what is said of it."""

    prose: list[str] = field(default_factory=list)
    code: list[int] = field(default_factory=list)
    """Line numbers, from 1."""


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
            row.prose.append(_docstring(doc))
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
            row.prose.append(_docstring("\n".join(comment).strip("- \n")))
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


def _docstring(text: str) -> str:
    """A docstring's plain text as Markdown: `Idea` above an indented paragraph becomes a small heading."""
    out = []
    for part in re.split(r"\n(?=\S)", text):
        head, _, body = part.partition("\n")
        if body.startswith("    ") and len(head) < 40 and not head.endswith((".", ",")):
            out += ["", f"**{head.rstrip(':')}**", "", textwrap.dedent(body), ""]
        else:
            out.append(part)
    return re.sub(r"(?<![*\w])\*(?![*])|(?<=\w)\*(?=\w)", r"\\*", "\n".join(out)).strip()


def highlighted(source: str, symbols: Mapping[str, str] | None = None) -> list[str]:
    """The HTML of each line, colored; identifiers in `symbols` carry their meaning as a title."""
    names = symbols or {}
    classes = STANDARD_TYPES  # the class of a token's type, as style sheets know it
    lines = [""]
    for kind, value in lex(source, PythonLexer(stripnl=False)):
        for n, part in enumerate(value.split("\n")):
            if n:
                lines.append("")
            if not part:
                continue
            text, css = escape(part), classes.get(kind, "")
            if part in names and kind in Token.Name:
                text = f'<span class="symbol" title="{escape(names[part])}">{text}</span>'
            lines[-1] += f'<span class="{css}">{text}</span>' if css and kind not in Token.Text else text
    return lines


def listing(source: str, symbols: Mapping[str, str] | None = None) -> str:
    """The module as rows of prose and code; line n has the id `L<n>`."""
    lines = highlighted(source, symbols)
    body = "".join(_row(row, lines) for row in rows(source))
    # a section, because the search plugin ends an exclusion at the first closing tag of the same name
    return f'<section class="annotated no-copy" data-search-exclude>{body}</section>'


def _row(row: Row, lines: list[str]) -> str:
    prose = "".join(block(p) for p in row.prose)
    if not row.code:
        return f'<div class="row lead"><div class="prose">{prose}</div></div>'
    code = "".join(
        f'<span class="line" id="L{n}" data-n="{n}"{_indent(lines[n - 1])}>{lines[n - 1]}\n</span>' for n in row.code
    )
    return (
        f'<div class="row"><div class="prose">{prose}</div>'
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


@lru_cache(maxsize=4)
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


def changes(old: str, new: str, context: int = 2) -> tuple[str, int, int]:
    """The difference of two sources' code, without their prose, as HTML; and how many lines came and went."""
    a, olds = _code(old)
    b, news = _code(new)
    out: list[str] = []
    plus = minus = 0
    for group in difflib.SequenceMatcher(a=a, b=b, autojunk=False).get_grouped_opcodes(context):
        out.append('<span class="line hunk">…\n</span>' if out else "")
        for tag, i1, i2, j1, j2 in group:
            if tag == "equal":
                out += [_change(" ", news[j]) for j in range(j1, j2)]
                continue
            out += [_change("-", olds[i]) for i in range(i1, i2)] + [_change("+", news[j]) for j in range(j1, j2)]
            minus, plus = minus + i2 - i1, plus + j2 - j1
    code = "".join(out)
    html = f'<div class="diff highlight no-copy" data-search-exclude><pre tabindex="0"><code>{code}</code></pre></div>'
    return html, plus, minus


def _code(source: str) -> tuple[list[str], list[str]]:
    """Lines of code as text and as HTML, one blank line between rows."""
    lines, colored = ["", *source.splitlines()], ["", *highlighted(source)]
    numbers = [n for row in rows(source) for n in [*row.code, 0]]
    return [lines[n] for n in numbers], [colored[n] for n in numbers]


def _change(sign: str, text: str) -> str:
    cls = {"+": " plus", "-": " minus"}.get(sign, "")
    return f'<span class="line{cls}"{_indent(text)}><span class="sign">{sign}</span>{text}\n</span>'
