"""Claims as pages show them: each number of a claim as a small plot of what was measured beside its bar.

The drawings are made when the site is built; style sheets color them, and their labels say the same in words.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from ..evidence import Measured, Record, describe_bars, failed_bars
from ..export.works import authors
from ..schema import Claim, ClaimKind, Entry, Measure, Source
from . import svg
from .book import Book
from .svg import number
from .text import block, escape, inline

KINDS: dict[ClaimKind, str] = {
    "exact": "an identity", "analytic": "against a closed form", "scaling": "a fitted exponent",
    "comparative": "against a baseline", "limit": "a known weakness, run",
}  # fmt: skip

LOW = ("at_most", "of_baseline_at_most", "below_baseline_by")
HIGH = ("at_least", "of_baseline_at_least", "above_baseline_by")
"""Bars that a low number meets, and those that a high one meets."""


def source(e: Entry, key: str) -> Source:
    """The entry's source with this key."""
    return next(s for s in e.sources if s.key == key)


def cite(s: Source) -> str:
    """Authors and year as a text names them."""
    last = [a.split()[-1] if a.split()[-1][:1].isupper() else a for a in authors(s)]  # "PyTorch contributors" is whole
    who = " and ".join(last) if len(last) < 3 and last[-1] != "others" else f"{last[0]} et al."
    return escape(f"{who} ({s.year})")


def tally(states: list[list[str] | None]) -> str:
    """How many of the claims with these missed bars hold, and how many nobody measured."""
    n, held, unknown = len(states), states.count([]), states.count(None)
    if unknown == n:
        return f"{n} claim{'s' * (n != 1)}, not measured yet"
    return f"{held} of {n} claims hold" + (f", {unknown} not measured yet" if unknown else "")


def state_of(missed: list[str] | None) -> tuple[str, str]:
    """Class and words for what a measurement came to."""
    if missed is None:
        return "open", "not measured yet"
    return ("miss", "does not hold") if missed else ("hold", "holds")


def copy(target: str, what: str) -> str:
    """The button that copies the text of the element with this id; it is there once the script is."""
    return f'<button type="button" class="copy" data-copy="{target}" aria-label="Copy {what}" hidden>Copy</button>'


# ---- a claim ----


def legend(shown: Iterable[Claim]) -> str:
    """What the marks in the plots of these claims mean, once for all of them."""
    band = '<rect class="band" x="1" y="3" width="17" height="12"/><path class="edge" d="M18 1v16"/>'
    marks = [
        (band, "where the bar is met"),
        ('<circle class="value" cx="11" cy="9" r="5.2"/>', "measured"),
        ('<circle class="seed" cx="11" cy="9" r="3.2"/>', "one seed"),
        ('<path class="base" d="M11 3.5l5.5 5.5l-5.5 5.5l-5.5 -5.5z"/>', "baseline"),
    ]  # fmt: skip
    if any(baseline_edges(m) for c in shown for m in c.measures.values()):
        marks.append(('<path class="edge base" d="M11 3v12"/>', "the baseline’s bar"))
    return "".join(
        f'<span><svg class="measure mark" viewBox="0 0 22 18" aria-hidden="true">{mark}</svg>{said}</span>'
        for mark, said in marks
    )


def card(book: Book, e: Entry, c: Claim, page: str = "") -> str:
    """A claim with everything that is known of it; `page` is where its sources are listed, unless on this page."""
    missed = book.holds(e.id, c)
    cls, said = state_of(missed)
    record = book.evidence.get(e.id, {}).get(c.id)
    got = record.measures if record else {}
    shared = scales([(m, got[name]) for name, m in c.measures.items() if name in got])
    rows = "".join(row(m, got.get(name), shared) for name, m in c.measures.items())
    cited = f'<a href="{page}#source-{c.source.key}">{cite(source(e, c.source.key))}</a>, {inline(c.source.where)}'
    facts = [KINDS[c.kind], cited, *([ran(record)] if record else [])]
    fails = "".join(f'<p class="missed">{escape(m)}</p>' for m in missed or [])
    again = ""
    if e.implementation:
        id = f"verify-{e.id}-{c.id}"
        command = f'<code id="{id}">genai-patterns verify {e.id}.{c.id}</code>'
        again = f'<p class="again">{command} {copy(id, "the command that measures this claim again")}</p>'
    return (
        f'<div class="claim {cls}" id="claim-{c.id}"><p class="state">{said}</p>'
        f'<div class="statement">{block(c.statement)}</div>'
        f'{rows}{fails}<p class="facts-line">{" · ".join(facts)}</p>{again}</div>'
    )


def ran(record: Record) -> str:
    """How long the run took, on what and when."""
    where = "one core" if record.device == "cpu" else escape(record.device)
    return f'{record.seconds:.2g} s on {where}, <time datetime="{record.date}">{record.date}</time>'


def row(m: Measure, got: Measured | None, shared: dict[int, Scale]) -> str:
    """One number: what it is, what came out, and a plot of it beside its bar and its baseline."""
    unit = "" if m.unit == "1" else f' <span class="unit">{escape(m.unit)}</span>'
    if got is None:
        what = f'<p class="what">{inline(m.what)}</p>'
        return f'<div class="m"><div>{what}</div><p class="under"><span>bar {bars(m)}{unit}</span></p></div>'
    value = f'<span class="number">{number(got.value)}</span>{unit}'
    if got.seeds:
        value += f' <span class="spread">{len(got.seeds)} seeds, {spread(got.seeds)}</span>'
    under = [f"bar {bars(m, got.baseline)}{wants(m, ', ')}"]
    if got.baseline is not None:
        over = f", {spread(got.baseline_seeds)}" if got.baseline_seeds else ""
        under.append(f"{inline(m.baseline or 'baseline')}: {number(got.baseline)}{unit}{over}")
    texts = "".join(f"<span>{text}</span>" for text in under)
    return (
        f'<div class="m"><div><p class="what">{inline(m.what)}</p><p class="figures">{value}</p></div>'
        f'<div>{plot(m, got, shared[id(m)])}<p class="under">{texts}</p></div></div>'
    )


def spread(values: Sequence[float]) -> str:
    """From the least to the greatest."""
    return f"{number(min(values))} to {number(max(values))}"


def bars(m: Measure, baseline: float | None = None) -> str:
    """The bars in words, with numbers as people write them; a share of the baseline with what it comes to."""
    said = re.sub(r"-?\d+\.?\d*(e[-+]\d+)?", lambda found: number(float(found[0])), describe_bars(m))
    edges = [x for x in region(m, baseline) if math.isfinite(x)]
    against = [name for name in m.bars if name in ("of_baseline_at_most", "of_baseline_at_least")]
    if len(m.bars) == len(edges) == 1 and against:
        said += f" = {number(edges[0])}"
    return escape(said)


def wants(m: Measure, before: str = "") -> str:
    """On which side of its bars a number supports the claim."""
    low, high = (any(name in m.bars for name in names) for names in (LOW, HIGH))
    if m.between or m.near or (low and high):
        return f"{before}inside supports it"
    return f"{before}{'lower' if low else 'higher'} supports it" if low or high else ""


# ---- its plot ----


@dataclass(frozen=True)
class Scale:
    """Numbers along a plot, from the least to the greatest that it shows, and where its two ends are drawn."""

    low: float
    high: float
    log: bool
    left: float = 10.0
    right: float = 330.0

    def at(self, v: float) -> float:
        """Where a number stands; what a logarithm does not know stands at the left end."""
        a, b, x = (self._f(self.low), self._f(self.high), self._f(v) if not self.log or v > 0 else -math.inf)
        return self.left + (min(max(x, a), b) - a) / (b - a) * (self.right - self.left)

    def _f(self, v: float) -> float:
        return math.log10(v) if self.log else v

    def ticks(self) -> list[float]:
        """Three to six round numbers."""
        if self.log:
            a, b = math.ceil(math.log10(self.low) - 1e-9), math.floor(math.log10(self.high) + 1e-9)
            if b - a < 2:
                finer = [m * 10.0**k for k in range(a - 1, b + 1) for m in (1, 2, 5)]
                return [float(f"{x:.0e}") for x in finer if self.low <= x <= self.high]
            step = max(1, math.ceil((b - a) / 4))
            return [10.0**k for k in range(a, b + 1, step)]
        span = self.high - self.low
        power = 10.0 ** math.floor(math.log10(span))
        step = next(s * power for s in (0.2, 0.25, 0.5, 1.0, 2.0) if span / (s * power) <= 5)
        first = math.ceil(self.low / step - 1e-9)
        count = math.floor(self.high / step + 1e-9) - first + 1
        return [round((first + k) * step, 12) for k in range(count)]


def scales(rows: Sequence[tuple[Measure, Measured]]) -> dict[int, Scale]:
    """The scale of each measure, by its identity: one for all of a claim that have the same unit, where that keeps
    each of them readable."""
    groups: list[list[tuple[Measure, Measured]]] = []
    for pair in rows:
        for group in groups:
            joined = scale([x for _, x in shown([*group, pair])])
            if (
                group[0][0].unit == pair[0].unit != "1"
                and scale([x for _, x in shown(group)]).log == joined.log
                and all(_extent([one], joined) >= 0.25 for one in [*group, pair])
            ):
                group.append(pair)
                break
        else:
            groups.append([pair])
    return {id(m): scale([x for _, x in shown(group)]) for group in groups for m, _ in group}


def shown(rows: Iterable[tuple[Measure, Measured]]) -> list[tuple[str, float]]:
    """The numbers that a plot of these measures marks."""
    found = []
    for m, got in rows:
        found += [("seed", v) for v in got.seeds] + [("value", got.value)]
        found += [("edge", v) for v in (*region(m, got.baseline), *baseline_edges(m))]
        if got.baseline is not None:
            found += [("base", v) for v in (got.baseline, *got.baseline_seeds)]
    return [(kind, v) for kind, v in found if math.isfinite(v)]


def _extent(rows: Sequence[tuple[Measure, Measured]], on: Scale) -> float:
    """The share of a scale that the numbers of these measures span."""
    places = [on.at(v) for _, v in shown(rows)] or [0.0]
    return (max(places) - min(places)) / (on.right - on.left)


def scale(values: Sequence[float]) -> Scale:
    """A scale on which all of these stand: logarithmic where they differ by large ratios, else from zero if zero is
    not far."""
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    if low > 0 and high / low > 50:
        pad = (high / low) ** 0.06
        return Scale(low / pad, high * pad, log=True)
    if 0 < low < 0.6 * high:
        low = 0.0
    elif 0.6 * low < high < 0:
        high = 0.0
    if low == high == 0:
        return Scale(0.0, 1.0, log=False)
    pad = 0.06 * (high - low) or 0.1 * abs(high)
    return Scale(low - pad * (low != 0), high + pad * (high != 0), log=False)


def region(measure: Measure, baseline: float | None) -> tuple[float, float]:
    """The interval in which every bar on the value itself is met; infinite where a side is open."""
    b = math.nan if baseline is None else baseline
    m = measure
    lows = [
        m.at_least, m.between and m.between[0], m.near and m.near.value - m.near.tolerance,
        m.of_baseline_at_least and m.of_baseline_at_least * b,
        None if m.above_baseline_by is None else b + m.above_baseline_by,
    ]  # fmt: skip
    highs = [
        m.at_most, m.between and m.between[1], m.near and m.near.value + m.near.tolerance,
        None if m.of_baseline_at_most is None else m.of_baseline_at_most * b,
        None if m.below_baseline_by is None else b - m.below_baseline_by,
    ]  # fmt: skip
    low = max((x for x in lows if x is not None and not math.isnan(x)), default=-math.inf)
    high = min((x for x in highs if x is not None and not math.isnan(x)), default=math.inf)
    return low, high


def baseline_edges(m: Measure) -> list[float]:
    """The bars that the baseline's own number has to meet."""
    return [x for x in (m.baseline_at_most, m.baseline_at_least) if x is not None]


def plot(m: Measure, got: Measured, on: Scale) -> str:
    """Where the bar lets the number lie (band), the number (dot), each seed (ring), the baseline (diamond)."""
    low, high = region(m, got.baseline)
    y, at = 13.0, on.at
    out = [f'<path class="axis" d="M{on.left:g} {y:g}H{on.right:g}"/>']
    left, right = (at(x) if math.isfinite(x) else side for x, side in ((low, on.left), (high, on.right)))
    edges = [x for x in (low, high) if math.isfinite(x)]
    if right >= left and edges:
        out.append(f'<rect class="band" x="{left:.1f}" y="{y - 8:g}" width="{max(right - left, 2):.1f}" height="16"/>')
    out += [f'<path class="edge" d="M{at(x):.1f} {y - 10:g}v20"/>' for x in edges]
    out += [f'<path class="edge base" d="M{at(x):.1f} {y - 6:g}v12"/>' for x in baseline_edges(m)]
    out += [_whisker(at, y, got.baseline_seeds, "base"), _whisker(at, y, got.seeds, "")]
    if got.baseline is not None:
        out += [_diamond(at(v), y, 3.2, "base seed") for v in got.baseline_seeds if math.isfinite(v)]
        out += [_diamond(at(got.baseline), y, 5.5, "base")] if math.isfinite(got.baseline) else []
    out += [f'<circle class="seed" cx="{at(v):.1f}" cy="{y:g}" r="3.2"/>' for v in got.seeds if math.isfinite(v)]
    fails = bool(failed_bars(m, got.value, got.baseline))
    if math.isfinite(got.value):
        cls = "value off" if fails else "value"
        out.append(f'<circle class="{cls}" cx="{at(got.value):.1f}" cy="{y:g}" r="5.2"/>')
    for v in on.ticks():
        out.append(f'<path class="tickmark" d="M{at(v):.1f} {y + 9:g}v4"/>')
        out.append(
            f'<text class="tick" x="{at(v):.1f}" y="{y + 24:g}" text-anchor="{_anchor(at(v))}">{number(v)}</text>'
        )
    return svg.svg("measure", 340, 40, out, spoken(m, got, fails))


def spoken(m: Measure, got: Measured, fails: bool) -> str:
    """The plot in words."""
    unit = "" if m.unit == "1" else f" {m.unit}"
    seeds = f", {len(got.seeds)} seeds from {spread(got.seeds)}" if got.seeds else ""
    base = f"; {m.baseline or 'baseline'}: {number(got.baseline)}{unit}" if got.baseline is not None else ""
    outside = ", which it misses" if fails else ""
    return f"{m.what}: {number(got.value)}{unit}{seeds}{base}; the bar is {describe_bars(m)}{outside}{wants(m, '; ')}"


def _whisker(at: Callable[[float], float], y: float, values: Sequence[float], cls: str) -> str:
    places = [at(v) for v in values if math.isfinite(v)]
    return f'<path class="whisker {cls}" d="M{min(places):.1f} {y:g}H{max(places):.1f}"/>' if len(places) > 1 else ""


def _diamond(x: float, y: float, r: float, cls: str) -> str:
    return f'<path class="{cls}" d="M{x:.1f} {y - r:g}l{r:g} {r:g}l{-r:g} {r:g}l{-r:g} {-r:g}z"/>'


def _anchor(x: float) -> str:
    return "start" if x < 24 else "end" if x > 316 else "middle"
