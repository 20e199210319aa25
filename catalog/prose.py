"""The text of an entry, for readers without Markdown and LaTeX: search, retrieval, terminals."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .schema import Entry

_TABLE = """
    le:≤ leq:≤ ge:≥ geq:≥ ne:≠ neq:≠ to:→ rightarrow:→ sim:~ approx:≈ times:× cdot:· in:∈ infty:∞ sum:∑ prod:∏
    langle:⟨ rangle:⟩ lVert:‖ rVert:‖ lvert:| rvert:| leftarrow:← gets:← mapsto:↦ circ:∘
    int:∫ partial:∂ nabla:∇ pm:± ldots:… dots:… cdots:… propto:∝ equiv:≡ odot:⊙ Vert:‖ vert:| ell:ℓ top:ᵀ
    alpha:α beta:β gamma:γ delta:δ epsilon:ε varepsilon:ε eta:η theta:θ kappa:κ lambda:λ mu:μ nu:ν xi:ξ pi:π rho:ρ
    sigma:σ tau:τ phi:φ varphi:φ chi:χ psi:ψ omega:ω Delta:Δ Sigma:Σ Phi:Φ Omega:Ω Theta:Θ Gamma:Γ Lambda:Λ Pi:Π
"""
_SIGNS = {pair.split(":")[0]: pair.split(":")[1] for pair in _TABLE.split()}
"""LaTeX commands that have a character."""
_SILENT = r"\\(mathbb|mathcal|mathbf|boldsymbol|hat|tilde|bar|left|right|[bB]ig[lr]?|q?quad|displaystyle)(?![A-Za-z])"
"""LaTeX commands that only say how to set what follows."""
_NAMED = r"\\(?:mathrm|text|operatorname)\{([^{}]*)\}"
_PART = r" *(?:\{([^{}]*)\}|(\w|\\[A-Za-z]+))"
_FRACTION = rf"\\[dt]?frac{_PART}{_PART}"


@lru_cache(maxsize=1 << 15)
def plain(text: str) -> str:
    """Markdown with `$...$` as one line of plain text.

    >>> plain("the *bound* on $\\\\log p(x)$, see [Kingma](https://example.org)")
    'the bound on log p(x), see Kingma'
    """
    pieces = re.split(r"(?<!\\)\$+([^$]+)\$+", text)
    pieces[1::2] = map(_formula, pieces[1::2])
    pieces[::2] = map(_markdown, pieces[::2])
    return " ".join("".join(pieces).split())


def _markdown(text: str) -> str:
    text = re.sub(r"!?\[([^\]]*)\]\([^)\s]*\)", r"\1", text)
    text = re.sub(r"^\s{0,3}(#+|>|[-*+]|\d+\.)\s+", "", text, flags=re.M)
    text = re.sub(r"(\*\*|__)(?=\S)(.+?)(?<=\S)\1", r"\2", text)
    text = re.sub(r"(?<![\w*])([*_])(?=\S)([^*_]+?)(?<=\S)\1(?![\w*])", r"\2", text)
    return re.sub(r"\\([$*_`\\])", r"\1", text.replace("`", ""))


def _formula(text: str) -> str:
    before = ""
    while text != before:  # from the innermost braces outward
        before = text
        text = re.sub(_NAMED, r" \1", text)
        text = re.sub(r"([_^])\{([^{}]*)\}", lambda m: m[1] + _one(m[2]), text)
        text = re.sub(r"\\sqrt *\{([^{}]*)\}", lambda m: "√" + _one(m[1]), text)
        text = re.sub(_FRACTION, lambda m: f" {_one(m[1] or m[2])}/{_one(m[3] or m[4])} ", text)
    text = text.replace(r"\sqrt", "√")
    text = re.sub(r" *\\mid(?![A-Za-z]) *", " | ", re.sub(_SILENT, "", text))
    text = re.sub(r"\\(l(?:[Vv]ert|angle)) +|\\([A-Za-z]+)", lambda m: _SIGNS.get(m[1] or m[2]) or f" {m[2]} ", text)
    text = text.replace(r"\|", "‖").replace(r"\\", " ")
    text = re.sub(r"\\[,;:! ]|[{}~]|\\", lambda m: "" if m[0] in "{}\\" else " ", text)
    return re.sub(r"(?<=[(\[_^/]) +| +(?=[()\[\],_^/])", "", text)


def _one(part: str) -> str:
    """Part of a formula, in parentheses where it would fall apart without."""
    return f"({part.strip()})" if re.search(r"(?<=.)[-+*/=,|<> ]", part.strip()) else part.strip()


def passages(entry: Entry, family: str = "") -> Iterator[tuple[str, str]]:
    """The prose of an entry as (section, plain text), in the order of the page; lists of sentences are one passage.

    `family` is the title of the entry's family. The first passage says in one sentence what a card would.
    """
    e = entry
    known_as = f" (also called {', '.join(e.aliases)})" if e.aliases else ""
    since = f"was introduced in {e.year}; it " if e.year else ""
    once = {
        "facts": f"{e.name}{known_as} {since}belongs to the family {family or e.family}.",
        "summary": e.summary,
        "intent": e.intent,
        "problem": e.problem,
        "context": e.context,
        "forces": _joined(e.forces),
        "solution": e.solution,
        "structure": _joined(f"{c.name}: {c.role}" for c in e.structure),
        "benefits": _joined(e.consequences.benefits),
        "liabilities": _joined(e.consequences.liabilities),
        "use_when": _joined(e.use_when),
        "avoid_when": _joined(e.avoid_when),
        "known_uses": _joined(e.known_uses),
    }
    yield from ((section, plain(text)) for section, text in once.items() if text)
    for f in e.failure_modes:
        yield (
            "failure_modes",
            f"{f.id.replace('_', ' ').capitalize()}: {plain(_joined([f.symptom, f.detect, f.remedy]))}",
        )
    for m in e.misconceptions:
        yield "misconceptions", plain(_joined([m.claim, m.correction]))
    for c in e.claims:
        yield "claims", plain(c.statement)
    for r in e.relations:
        yield "relations", plain(r.why)


def _joined(sentences: Iterable[str]) -> str:
    """Sentences as one text, with a full stop after each that has none."""
    return " ".join(s if s.rstrip().endswith((".", "?", "!", ":")) else f"{s.rstrip()}." for s in sentences)
