"""Claims with what was measured of them: as a table, filtered, and whether the numbers still hold."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import asdict, dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any, Literal, get_args

from . import evidence
from .errors import BadQuestion, as_text, as_texts, did_you_mean
from .prose import plain
from .results import Answer, fold

if TYPE_CHECKING:
    from .catalog import Catalog
    from .evidence import Evidence
    from .schema import Claim, Entry

Status = Literal["holds", "missed", "not measured", "stale"]
FILTERS = {
    "pattern": "vae", "family": "flow", "kind": "exact", "status": "holds", "text": "perplexity", "unit": "nats",
    "proves": "reduces_to", "year": "2013",
}  # fmt: skip
"""What claims can be asked for by, each with an example."""
SHOWN = 40
"""Claims that are printed; all of them are rows."""


@dataclass(frozen=True)
class Number:
    """One measure of a claim: what its test found, and what it had to find."""

    claim: str
    """`entry.claim`."""
    kind: str
    status: Status
    """holds: measured, and every bar met; missed: some bar was not; stale: measured under other code or bars."""
    measure: str
    what: str
    value: float | None
    """None where nothing was measured yet."""
    unit: str
    bar: str
    baseline: str | None
    """What the number stands beside."""
    baseline_value: float | None
    low: float | None
    """Least of the seeds, where there are several."""
    high: float | None
    seeds: int
    seconds: float | None
    """CPU seconds of the claim's test."""
    date: str | None
    proves: tuple[str, ...]
    """`type target` of each relation that the claim proves."""
    statement: str
    year: int | None
    """Of the pattern."""

    @property
    def pattern(self) -> str:
        """Id of the entry."""
        return self.claim.partition(".")[0]

    @property
    def amount(self) -> str:
        """The value as people write it, with its unit."""
        return amount(self.value, self.unit)

    def beside(self) -> str:
        """The value, the baseline's, and the bar: the rest of a line that begins with what was measured."""
        spread = f" ({number(self.low)} to {number(self.high)}, {self.seeds} seeds)" if self.seeds > 1 else ""
        base = f"; {self.baseline}: {amount(self.baseline_value, self.unit)}" if self.baseline_value is not None else ""
        return f"{self.amount}{spread}{base} [bar {self.bar}]"


class Claims(list[Number], Answer):
    """Numbers of claims, in the order of the catalog; printed, those of a claim stand together."""

    def __init__(self, items: Iterable[Number], filters: Mapping[str, Any]) -> None:
        super().__init__(items)
        self.filters = dict(filters)
        """What was asked for."""

    def rows(self) -> list[dict[str, Any]]:
        """One for each measure, with the fields of `Number`."""
        return [asdict(n) for n in self]

    def to_dict(self) -> dict[str, Any]:
        """`filters` that were given, how many `claims` of each status there are, and `rows`, one for each measure."""
        return {"filters": self.filters, "claims": self.counts(), "rows": self.rows()}

    def counts(self) -> dict[str, int]:
        """How many claims of each status there are."""
        status = {n.claim: n.status for n in self}
        return {s: count for s in get_args(Status) if (count := list(status.values()).count(s))}

    def __repr__(self) -> str:
        ids = list(dict.fromkeys(n.claim for n in self))
        said = ", ".join(
            f"{count} {'hold' if s == 'holds' and count != 1 else s}" for s, count in self.counts().items()
        )
        lines = [f"{len(ids)} claim{'s' * (len(ids) != 1)}{': ' if said else ''}{said}"]
        for id, group in groupby(self, key=lambda n: n.claim):
            if id not in ids[:SHOWN]:
                lines += ["", f"and {len(ids) - SHOWN} more claims"]
                break
            numbers = list(group)
            first = numbers[0]
            state = "" if first.status == "holds" else f", {first.status}"
            lines += ["", f"{id} ({first.kind}{state})", *fold(plain(first.statement), "  ")]
            lines += [f"  Proves: {p.replace('_', ' ', p.count('_') - p.split()[1].count('_'))}" for p in first.proves]
            for n in numbers:
                lines += fold(f"{plain(n.what)}: {n.beside()}", "    ")
        return "\n".join(lines)

    __str__ = __repr__


def claims(
    cat: Catalog,
    pattern: str | Collection[str] | None = None,
    **filters: Any,
) -> Claims:
    """The claims of a catalog with what was measured, narrowed by `FILTERS`.

    Each filter takes one value or several, of which one has to fit; `year` is that of the pattern, a number or a pair
    of the first and the last; `text` is looked for in the claim's id, statement and measures.

    Raises UnknownPattern, or BadQuestion for a filter, family, kind, status, unit or relation that does not exist.
    """
    for name in filters.keys() - set(FILTERS):
        raise BadQuestion(f"claims have no filter {name!r}; {did_you_mean(name, FILTERS, f'there are {_or(FILTERS)}')}")
    given = {"pattern": pattern, **filters}
    given = {k: v for k, v in given.items() if v is not None and v != ()}
    wanted = {k: as_texts(v, f"a {k}", FILTERS[k]) for k, v in given.items() if k not in ("text", "year")}
    entries = [cat.get(id) for id in dict.fromkeys(wanted["pattern"])] if "pattern" in wanted else list(cat)
    if "status" in wanted:
        _known("status", wanted["status"], get_args(Status))
    if "family" in wanted:
        _known("family", wanted["family"], list(cat.titles) or sorted({e.family for e in cat}))
    if "proves" in wanted:
        _known("proves", wanted["proves"], list(cat.relations))
    text = as_text(given["text"], "text", FILTERS["text"]) if "text" in given else ""
    years = _years(given["year"]) if "year" in given else None
    narrowed = [
        e
        for e in entries
        if ("family" not in wanted or e.family in wanted["family"])
        and (years is None or (e.year is not None and years[0] <= e.year <= years[1]))
    ]
    numbers = [n for e in narrowed for n in numbers_of(cat, e, stale="stale" in wanted.get("status", ()))]
    for name, field in (("kind", "kind"), ("unit", "unit")):
        if name in wanted:
            _known(name, wanted[name], sorted({getattr(n, field) for n in numbers} | _all(cat, name)))
    tests: dict[str, Callable[[Number], bool]] = {
        "kind": lambda n: n.kind in wanted["kind"],
        "status": lambda n: n.status in wanted["status"],
        "unit": lambda n: n.unit in wanted["unit"],
        "proves": lambda n: any(p.split()[0] in wanted["proves"] for p in n.proves),
        "text": lambda n: _speaks(n, text),
    }
    active = [test for name, test in tests.items() if name in given]
    return Claims([n for n in numbers if all(test(n) for test in active)], given)


def numbers_of(cat: Catalog, entry: Entry, stale: bool = False) -> list[Number]:
    """Every measure of an entry's claims; `stale` compares digests too, which reads all that a claim depends on."""
    records = read(cat, entry)
    found = []
    for claim in entry.claims:
        record = records.get(claim.id)
        complete = record is not None and set(claim.measures) <= set(record.measures)
        proves = tuple(f"{r.type} {r.target}" for r in entry.relations if r.claim == claim.id)
        state = _status(entry, claim, records)
        if stale and state in ("holds", "missed") and _is_stale(cat, entry, claim, records):
            state = "stale"
        for name, m in claim.measures.items():
            got = record.measures[name] if record and complete else None
            seeds = got.seeds if got else []
            found.append(
                Number(
                    f"{entry.id}.{claim.id}", claim.kind, state, name, m.what, got.value if got else None, m.unit,
                    evidence.describe_bars(m), m.baseline, got.baseline if got else None,
                    min(seeds, default=None), max(seeds, default=None), len(seeds) or int(got is not None),
                    record.seconds if record else None, record.date if record else None, proves, claim.statement,
                    entry.year,
                )
            )  # fmt: skip
    return found


def read(cat: Catalog, entry: Entry) -> Evidence:
    """What was measured of an entry; nothing where its catalog does not lie in files."""
    if cat.folder is None or not entry.claims:
        return {}
    folder = cat.folder / entry.family / entry.id
    try:
        return evidence.read(folder)
    except (ValueError, KeyError, TypeError, AttributeError) as err:
        said = str(err).splitlines()[0]
        remedy = f"measure again with `genai-patterns verify {entry.id}`"
        raise BadQuestion(f"{folder / 'evidence.json'} is no evidence: {said}; {remedy}") from None


def number(value: float | None) -> str:
    """A number as people write it: four digits, no more zeros than needed."""
    if value is None:
        return "not measured"
    if value and (abs(value) >= 1e6 or abs(value) < 1e-3):
        return re.sub(r"e([+-])0*", lambda m: "e" + m[1].strip("+"), f"{value:.2e}")
    return f"{value:,.0f}" if abs(value) >= 1e4 else f"{value:.4g}"


def amount(value: float | None, unit: str) -> str:
    """A number with its unit."""
    return f"{number(value)} {unit}" if value is not None and unit != "1" else number(value)


def _status(entry: Entry, claim: Claim, records: Evidence) -> Status:
    missed = evidence.missed(claim, records.get(claim.id))
    return "not measured" if missed is None else "missed" if missed else "holds"


def _is_stale(cat: Catalog, entry: Entry, claim: Claim, records: Evidence) -> bool:
    from .digest import digest
    from .verify import root_of

    root = root_of(cat)
    try:
        return root is not None and records[claim.id].digest != digest(entry, claim, root)
    except FileNotFoundError:
        return True


def _known(name: str, wanted: Iterable[Any], known: Collection[str]) -> None:
    for value in wanted:
        if value not in known:
            hint = did_you_mean(str(value), known, f"there are {_or(known)}" if known else "there are none")
            raise BadQuestion(f"{name} {value!r}; {hint}")


def _all(cat: Catalog, name: str) -> set[str]:
    """All kinds or units of claims, where one that was asked for does not occur among the others."""
    if name == "kind":
        return {c.kind for e in cat for c in e.claims}
    return {m.unit for e in cat for c in e.claims for m in c.measures.values()}


def _years(value: Any) -> tuple[int, int]:
    first, last = value if isinstance(value, tuple | list) and len(value) == 2 else (value, value)
    if not (isinstance(first, int) and isinstance(last, int)):
        raise BadQuestion(f"year {value!r}; it is a number, or a pair such as (2014, 2017)")
    return first, last


def _speaks(n: Number, text: str) -> bool:
    said = plain(f"{n.claim} {n.claim.replace('_', ' ')} {n.statement} {n.what} {n.baseline or ''}").lower()
    return all(word in said for word in text.lower().split())


def _or(words: Iterable[str]) -> str:
    return ", ".join(words)
