"""Entry text to HTML: Markdown and `$...$`, nothing else.

What an entry says is shown, never interpreted: HTML in it comes out as text, links that could run something do not
become links, and mathematics goes through untouched for KaTeX. The result is finished HTML, so the Markdown of the
site's builder, with its attribute lists and its includes, never sees a word of an entry.
"""

from __future__ import annotations

import html
import re
from functools import cache, lru_cache

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.rules_block import StateBlock
from markdown_it.rules_inline import StateInline

KEPT = 1 << 16
"""Texts whose HTML is kept: `serve` renders all pages again after each change."""
_CLOSED = re.compile(r'[(“]?(<span class="arithmatex">\\\([^<]*</span>)[,.;:?!)’”]*')
"""A formula in a line with the signs that stand against it. What is escaped has no `<`."""
_INLINE_MATH = re.compile(r"\$\$(.+?)\$\$|\$(?!\s)((?:\\.|[^$\\])+?)(?<!\s)\$(?!\d)", re.S)


def _inline_math(state: StateInline, silent: bool) -> bool:
    """`$...$` as Pandoc reads it: no space inside the dollars, no digit behind them, so that prices stay prices."""
    if state.src[state.pos] != "$" or not (found := _INLINE_MATH.match(state.src, state.pos, state.posMax)):
        return False
    if not silent:
        token = state.push("math", "", 0)
        token.content, token.block = (found[1] or found[2]).strip(), found[1] is not None
    state.pos = found.end()
    return True


def _block_math(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """`$$` at the start of a line, to the `$$` that ends one: lines between may look like lists or headings."""
    first = state.bMarks[start] + state.tShift[start]
    if not state.src.startswith("$$", first):
        return False
    for line in range(start, end):
        row = state.src[state.bMarks[line] : state.eMarks[line]].rstrip()
        if row.endswith("$$") and (line > start or len(row.strip()) > 4):
            break
    else:
        return False
    if not silent:
        token = state.push("math", "", 0)
        token.content = state.src[first : state.eMarks[line]].strip()[2:-2].strip()
        token.block, token.map = True, [start, line + 1]
        state.line = line + 1
    return True


def math(tex: str, display: bool = False) -> str:
    """A formula for KaTeX, as `pymdownx.arithmatex` marks them: the build typesets it."""
    tex = html.escape(" ".join(tex.split()), quote=False)
    if display:
        return f'<div class="arithmatex">\\[{tex}\\]</div>'
    return f'<span class="arithmatex">\\({tex}\\)</span>'


@cache
def _parser() -> MarkdownIt:
    md = MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")
    md.inline.ruler.before("escape", "math", _inline_math)
    md.block.ruler.before("fence", "math", _block_math, {"alt": ["paragraph", "reference", "blockquote", "list"]})

    def render_math(renderer: RendererHTML, tokens, i, options, env) -> str:
        token = tokens[i]
        if token.block and token.map is None:  # display mathematics inside a paragraph
            return f'<span class="arithmatex">\\[{html.escape(token.content, quote=False)}\\]</span>'
        return math(token.content, token.block)

    md.add_render_rule("math", render_math)
    for level in ("heading_open", "heading_close"):  # an entry's headings stay below the page's own
        md.add_render_rule(
            level, lambda r, tokens, i, o, e: "<p><strong>" if tokens[i].nesting > 0 else "</strong></p>"
        )
    return md


def _close(html: str) -> str:
    """No line ends between a formula and the comma behind it or the parenthesis before it: KaTeX allows that."""
    return _CLOSED.sub(lambda m: m[0] if m[0] == m[1] else f'<span class="closed">{m[0]}</span>', html)


@lru_cache(maxsize=KEPT)
def block(text: str) -> str:
    """Paragraphs, lists, tables and code as HTML without a blank line, which would end a block of raw HTML."""
    return re.sub(r"\n(?=\n)", "&#10;", _close(_parser().render(text).strip()))


@lru_cache(maxsize=KEPT)
def inline(text: str) -> str:
    """One line of Markdown as HTML without a paragraph round it."""
    return _close(_parser().renderInline(" ".join(text.split())).strip())


def line(text: str) -> str:
    """A sentence or a list item: inline where it is one paragraph, blocks where it is more."""
    found = block(text)
    single = re.fullmatch(r"<p>((?:(?!<p>).)*)</p>", found, re.S)
    return single[1] if single else found


def escape(text: object) -> str:
    """Text as HTML, quotes included."""
    return html.escape(str(text), quote=True)


_PLAIN = str.maketrans({"<": "‹", ">": "›", '"': "”", "`": "'", "{": "(", "}": ")", "[": "(", "]": ")", "\\": "/"})


def plain(text: str) -> str:
    """Text for titles, descriptions and tags, which templates print without escaping: no markup is left."""
    return " ".join(text.replace("$", "").translate(_PLAIN).split())


def an(thing: str) -> str:
    """The word with its article."""
    return f"an {thing}" if thing[0] in "aeiou" else f"a {thing}"
