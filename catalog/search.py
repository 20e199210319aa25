"""Full-text search over the entries: an index kept in one sqlite file, ranked by what single passages say.

Words are compared by their stems. An entry's score is a sum over the words asked for. For each word, its passages
are scored by BM25 and added up, the best one in full, the next by half, and so on. Two words in a row count like a
word of their own. Half of what the best passage has of all words together is added. Passages that speak of other
entries too count less. No number is learned.

Passages of all entries would be too many to read for every question. FTS5, sqlite's full-text engine, brings up at
most `CANDIDATES` entries, and only these are read. In a catalog of no more entries all of them are.
"""

from __future__ import annotations

import heapq
import math
import os
import re
import sqlite3
import tempfile
import zlib
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeVar

from . import prose, strict_yaml
from .errors import BadQuestion
from .results import Answer
from .words import COMMON, compounds, pieces, stem, tolerance, typos, words

if TYPE_CHECKING:
    from .catalog import Catalog
    from .schema import Entry

T = TypeVar("T")

WEIGHTS = {
    "summary": 1.2, "intent": 1.2, "problem": 1.2, "use_when": 1.2, "failure_modes": 1.2,
    "misconceptions": 0.7, "claims": 0.5, "relations": 0.5,
}  # fmt: skip
"""How much a word in a section counts, 1 in all others. The last two speak of other entries as much as of their own."""
NAMED = ("name", "aliases", "tags")
"""Sections that are no sentences."""
K, B = 1.2, 0.75
"""BM25's usual constants: how soon a repeated word stops counting, and how much a long passage loses."""
TOGETHER = 0.5
"""What the best passage for all words counts beside the single words."""
MEANT = 0.5
"""What a synonym counts beside the word itself."""
MISTYPED = {1: 0.9, 2: 0.7}
"""What a word counts that is so many typing errors away."""
BEGUN, SPLIT = 0.8, 0.8
"""What a word counts of which only the beginning was given, and two that were written as one."""
READ = 64
"""Different words of a question that are looked for; more than anybody asks, less than somebody may paste."""
LENGTH = 40
"""Letters that a mistyped word may have; longer ones are no words, and would take long to cut up."""
GUESSES = 4
"""Intended words that are taken into account for one that occurs nowhere."""
LONGEST, WIDEST = 8, 4
"""Words in a row that are looked up as a name, and as an expression that has synonyms."""
FEW = 5
"""Words that are also looked for all together, and the rarest of them in pairs, when candidates are chosen."""
CANDIDATES = 120
"""Entries whose passages are read."""
FREQUENT = 500
"""In more entries than this a word is frequent: the best of them are listed when the index is built."""
LISTED = 300
"""How many of them are listed."""
COMPARED = 500
"""Entries with several words that FTS5 compares, the first of the catalog where there are more."""
SYNONYMS, FILE = "synonyms.yaml", "search.sqlite"
"""The file of synonyms in the catalog's folder, and of the index in `Catalog.cache`."""
TABLES = """
    CREATE TABLE about (entries INTEGER, passages INTEGER, mean REAL, engine INTEGER);
    CREATE TABLE entry (n INTEGER PRIMARY KEY, id TEXT UNIQUE, text TEXT);
    CREATE TABLE prose (id TEXT PRIMARY KEY, text BLOB);
    CREATE TABLE stem (stem TEXT PRIMARY KEY, entries INTEGER, passages INTEGER) WITHOUT ROWID;
    CREATE TABLE word (word TEXT PRIMARY KEY, times INTEGER) WITHOUT ROWID;
    CREATE TABLE piece (piece TEXT PRIMARY KEY, words TEXT) WITHOUT ROWID;
    CREATE TABLE synonym (said TEXT, meant TEXT, PRIMARY KEY (said, meant)) WITHOUT ROWID;
    CREATE TABLE listed (stem TEXT, n INTEGER, weight REAL, PRIMARY KEY (stem, n)) WITHOUT ROWID;
"""
"""The text of an entry has a line for each passage: its section, and the stems of its words between spaces."""
STEMS = "CREATE VIRTUAL TABLE stems USING fts5(names, main, rest, content='', detail=column)"
"""The stems of an entry's words, for FTS5: of its names, of the sections above 1 in `WEIGHTS`, and of the others."""
COLUMNS = (4.0, 2.0, 1.0)
"""What a word counts in each column of `STEMS` when candidates are chosen."""


class Hit(NamedTuple):
    """An entry that speaks of what was asked."""

    id: str
    name: str
    score: float
    """Larger is better; comparable within one result only."""
    section: str
    """Where it does so best: name, aliases, tags, decisions or a section of `Catalog.passages`."""
    snippet: str
    """The sentence there that does; the summary, where it is a name."""


class Hits(list[Hit], Answer):
    """Hits, best first; printed, one paragraph for each."""

    def __init__(
        self,
        query: str,
        items: Iterable[Hit] = (),
        corrected: str | None = None,
        synonyms: dict[str, list[str]] | None = None,
    ) -> None:
        super().__init__(items)
        self.query = query
        self.corrected = corrected
        """The words that were looked for, where some of those asked for occur nowhere."""
        self.synonyms = synonyms or {}
        """What else was looked for, by the words of the question that it stands for."""

    @property
    def ids(self) -> list[str]:
        """The ids, best first."""
        return [h.id for h in self]

    def rows(self) -> list[dict[str, Any]]:
        """One for each entry, with the fields of `Hit`."""
        return [h._asdict() for h in self]

    def to_dict(self) -> dict[str, Any]:
        """`query`, what it was `corrected` to (or None), the `synonyms` looked for besides, and `hits`."""
        return {"query": self.query, "corrected": self.corrected, "synonyms": self.synonyms, "hits": self.rows()}

    def note(self) -> str:
        """What was looked for, where that is not what was asked; otherwise empty."""
        notes = [f"looked for: {self.corrected}"] if self.corrected else []
        notes += [f"{said} also as {', '.join(meant)}" for said, meant in self.synonyms.items()]
        return "; ".join(notes)

    def __repr__(self) -> str:
        note = [f"({self.note()})"] if self.note() else []
        return "\n".join([*note, *(f"{h.name} ({h.id})\n    {h.snippet}" for h in self)]) or "nothing found"

    __str__ = __repr__


class Frequency(NamedTuple):
    """How many entries, and how many of their passages, have a word."""

    entries: int
    passages: int


class Form(NamedTuple):
    """One way in which something asked for may be written."""

    stems: tuple[str, ...]
    """All of them, in one passage."""
    weight: float
    """What it counts beside the word itself."""
    shown: str
    """For people."""
    how: Literal["said", "meant", "guessed"] = "said"
    """As it was asked, a synonym of it, or what may have been intended by a word that occurs nowhere."""


@dataclass
class Term:
    """Something asked for; in each passage the form counts that counts most."""

    said: str
    forms: list[Form]
    rarity: list[float]
    """Of each form, times its weight."""

    @cached_property
    def needles(self) -> list[tuple[list[str], float]]:
        """For each form what to look for in a row of the index, and its rarity."""
        return [([f" {s} " for s in f.stems], r) for f, r in zip(self.forms, self.rarity, strict=True)]


class Found(NamedTuple):
    """An entry that was read for a question."""

    id: str
    text: str
    """Its row of the index."""
    score: float
    line: int
    """The passage that speaks best of all words together."""


class Index:
    """The index of a catalog, built at the first question and kept in `Catalog.cache`, or in memory where that is None.

    `search` ranks and explains; `scores` gives the numbers alone, to combine them with others.
    """

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog
        self._use(self._kept() or self._made())

    # -- questions

    def search(self, text: str, limit: int = 10) -> Hits:
        """See `Catalog.search`."""
        return self._whole(lambda: self._search(text, limit))

    def scores(self, text: str) -> dict[str, float]:
        """How well entries fit a text, by id: positive numbers that add up over its words; no more than that.

        Holds the entries that were read (all of a small catalog; of a large one, `CANDIDATES` and those that are
        named) and speak of it. Raises BadQuestion for a text without words.
        """
        return self._whole(lambda: {f.id: f.score for f in self._find(text)[1].values()})

    def _whole(self, answer: Callable[[], T]) -> T:
        """The answer; from a new index, if the file of the old one was damaged."""
        try:
            return answer()
        except sqlite3.DatabaseError:
            self._use(self._made())
            return answer()

    def _search(self, text: str, limit: int) -> Hits:
        terms, found = self._find(text)
        ranked = sorted(found, key=lambda n: (-found[n].score, n))[:limit]
        corrected = None
        single = [t for t in terms if " " not in t.said]
        if ranked and any(not t.forms or t.forms[0].how == "guessed" for t in single):
            corrected = " ".join(intended(t, found[ranked[0]].text) for t in single if t.forms) or None
        return Hits(text, [self._hit(found[n], terms) for n in ranked], corrected, synonyms(terms))

    def _find(self, text: str) -> tuple[list[Term], dict[int, Found]]:
        terms = self.terms(text)
        return terms, self._read(terms, self._named(text, terms))

    # -- what is asked for

    def terms(self, text: str) -> list[Term]:
        """The words of a question that say something, and expressions of several words, with all their forms."""
        said = words(text)
        if not said:
            raise BadQuestion(f"{shortened(text)!r} has no words; ask with some, such as 'mode collapse'")
        said = said[: 4 * READ]
        asked = [w for w in said if w not in COMMON] or said
        distinct = list({stem(w): w for w in reversed(asked)}.values())[::-1][:READ]
        expressions = list(self._expressions(said))
        written = {w for t in expressions if t.forms[-1].how == "said" for w in t.said.split()}
        terms = [self._term(w, w in written) for w in distinct if not mistyped_common(w)]
        terms = [t for t in terms if t.forms or t.said not in written]
        return [*terms, *expressions, *phrases(terms)] or [self._term(w, False) for w in distinct]

    def expressions(self, text: str) -> list[Term]:
        """The words in a row of a text that are written as one, too, or have synonyms: `out of memory`."""
        return list(self._expressions(words(text)[: 4 * READ]))

    def _term(self, word: str, written: bool) -> Term:
        """A word and its synonyms. Where it occurs nowhere, what may have been intended.

        written: whether it is part of something that does occur.
        """
        forms = [Form((stem(word),), 1.0, word)] if (known := self._known(word)) else []
        forms += self._synonyms(stem(word), MEANT if known else 1.0)
        return self._weighed(word, forms or ([] if written else self._guesses(word)))

    def _known(self, word: str) -> bool:
        """Whether a word occurs, or one with most of its letters in another form."""
        if 2 * len(stem(word)) > min(len(word), 9):
            return self._frequency(stem(word)).passages > 0
        return self.db.execute("SELECT 1 FROM word WHERE word = ?", (word,)).fetchone() is not None

    def _expressions(self, said: list[str]) -> Iterator[Term]:
        """Words in a row that are written as one, too, and those that have synonyms."""
        for i in range(len(said)):
            for j in range(i + 2, min(i + WIDEST, len(said)) + 1):
                span = said[i:j]
                forms = self._synonyms(" ".join(map(stem, span)), MEANT)
                joined = "".join(span)
                if j - i < 4 and not all(map(self._known, span)) and self._known(joined):
                    forms.append(Form((stem(joined),), 1.0, joined))
                if forms:
                    yield self._weighed(" ".join(span), forms)

    def _weighed(self, said: str, forms: list[Form]) -> Term:
        """A term with the rarity of its forms. Guesses are as rare as the most common of them: none is preferred."""
        rarity = []
        for form in forms:
            of = [math.log(1 + self.passages / max(self._frequency(s).passages, 1)) for s in form.stems]
            rarity.append(sum(of) / len(of))
        if forms and forms[0].how == "guessed":
            rarity = [min(rarity)] * len(rarity)
        return Term(said, forms, [r * form.weight for r, form in zip(rarity, forms, strict=True)])

    def _synonyms(self, said: str, weight: float) -> list[Form]:
        """What else to look for; said: a stem, or several with spaces between."""
        rows = self.db.execute("SELECT meant FROM synonym WHERE said = ?", (said,))
        return [Form(tuple(map(stem, words(meant))), weight, meant, "meant") for (meant,) in rows]

    def _guesses(self, word: str) -> list[Form]:
        """Words that begin so, or else the nearest there are, or two that make it up; nothing, if there are none."""
        if len(word) > LENGTH:
            return []
        begun = self.db.execute(
            "SELECT word FROM word WHERE word >= ? AND word < ? ORDER BY times DESC LIMIT ?",
            (word, word + "\U0010ffff", GUESSES),
        )
        if len(word) > 2 and (found := [Form((stem(w),), BEGUN, w, "guessed") for (w,) in begun]):
            return found
        near = self._near(word)
        if near and near[0][0] == 1:
            return [Form((stem(w),), MISTYPED[n], w, "guessed") for n, w in near if n == 1]
        if parts := self._parts(word):
            return [Form(tuple(map(stem, parts)), SPLIT, " ".join(parts), "guessed")]
        return [Form((stem(w),), MISTYPED[n], w, "guessed") for n, w in near]

    def _near(self, word: str) -> list[tuple[int, str]]:
        """Words of the catalog with their distance from this one, nearest and then most frequent first."""
        parts = list(pieces(word))
        rows = self.db.execute(f"SELECT words FROM piece WHERE piece IN ({marks(parts)})", parts)
        known = {w for (found,) in rows for w in found.split()} - COMMON
        near = [(n, w) for w in known if (n := typos(word, w, tolerance(word))) <= tolerance(word)]
        asked = [w for _, w in near]
        times = dict(self.db.execute(f"SELECT word, times FROM word WHERE word IN ({marks(asked)})", asked))
        return sorted(near, key=lambda found: (found[0], -times[found[1]], found[1]))[:GUESSES]

    def _parts(self, word: str) -> tuple[str, str] | None:
        """Two words of the catalog that make up this one, the rarer of them as frequent as can be."""
        cuts = [(word[:i], word[i:]) for i in range(3, len(word) - 2)]
        frequency = {cut: min(self._frequency(stem(part)).passages for part in cut) for cut in cuts}
        return max((c for c in cuts if frequency[c]), key=lambda c: frequency[c], default=None)

    def _frequency(self, stem: str) -> Frequency:
        row = self.db.execute("SELECT entries, passages FROM stem WHERE stem = ?", (stem,)).fetchone()
        return Frequency(*row) if row else Frequency(0, 0)

    def _named(self, text: str, terms: list[Term]) -> dict[str, float]:
        """Entries of which words in a row are a name or an alias, and the share of the words that are."""
        found = {self.catalog.get(text).id: 1.0} if text in self.catalog else {}
        guessed = {t.said: t.forms[0].shown for t in terms if t.forms and t.forms[0].how == "guessed"}
        said = words(text)[:READ]
        for way in dict.fromkeys((tuple(said), tuple(guessed.get(w, w) for w in said))):
            telling = [w not in COMMON for w in way]
            for i in range(len(way)):
                for j in range(i + 1, min(i + LONGEST, len(way)) + 1):
                    share = sum(telling[i:j]) / max(sum(telling), 1)
                    if share and (name := " ".join(way[i:j])) in self.catalog:
                        id = self.catalog.get(name).id
                        found[id] = max(found.get(id, 0.0), share)
        return found

    # -- candidates

    def _candidates(self, terms: list[Term]) -> Iterable[int]:
        """The numbers of the entries to read."""
        if not self.engine or self.entries <= CANDIDATES:
            return range(self.entries)
        sums: dict[int, float] = defaultdict(float)
        for term in terms:
            best: dict[int, float] = {}
            for form, rarity in zip(term.forms, term.rarity, strict=True):
                for n, weight in self._best(form):
                    best[n] = max(best.get(n, 0.0), rarity * weight)
            for n, value in best.items():
                sums[n] += value
        single = sorted((t.forms for t in terms if t.forms and " " not in t.said), key=self._spread)
        found: dict[int, None] = {}
        for few in [single, *combinations(single[:3], 2)] if 1 < len(single) <= FEW else []:
            every = " AND ".join(f"({' OR '.join(map(conjunction, forms))})" for forms in few)
            share = math.prod(map(self._spread, few))
            found |= dict.fromkeys(n for n, _ in self._match(every, share, CANDIDATES // 6))
        room = CANDIDATES - len(found)
        return found | dict.fromkeys(heapq.nlargest(room, sums.keys() - found.keys(), key=lambda n: sums[n]))

    def _best(self, form: Form, anew: bool = False) -> Iterable[tuple[int, float]]:
        """Entries that have a form, at most `LISTED`, and how well: BM25 without the rarity of the words.

        anew: compare all entries that have it, and use no list.
        """
        if " " in form.stems[0]:  # rows of words are not indexed
            return []
        if not anew and len(form.stems) == 1 and self._frequency(form.stems[0]).entries > FREQUENT:
            return self.db.execute("SELECT n, weight FROM listed WHERE stem = ?", form.stems)
        found = self._match(conjunction(form), 0.0 if anew else self._share(form), LISTED)
        rarity = sum(self._fts_rarity(s) for s in form.stems)
        return ((n, value / rarity) for n, value in found)

    def _match(self, query: str, share: float, limit: int) -> Iterable[tuple[int, float]]:
        """The best entries of the first `COMPARED` that fit a query of FTS5; share: how many of all do, roughly."""
        last = int(self.entries * min(1.0, COMPARED / max(share * self.entries, 1.0)))  # FTS5 heeds integers only
        sql = "SELECT rowid, -bm25(stems, ?, ?, ?) AS value FROM stems WHERE stems MATCH ? AND rowid < ?"
        return self.db.execute(f"{sql} ORDER BY value DESC LIMIT ?", (*COLUMNS, query, last, limit))

    def _spread(self, forms: list[Form]) -> float:
        """How many of the entries have one of some forms."""
        return min(1.0, sum(map(self._share, forms)))

    def _share(self, form: Form) -> float:
        """How many of the entries have a form, if its words stand in them independently."""
        return math.prod(self._frequency(s).entries / self.entries for s in form.stems)

    def _fts_rarity(self, stem: str) -> float:
        """What FTS5 takes for the rarity of a word."""
        n = self._frequency(stem).entries
        return max(math.log((self.entries - n + 0.5) / (n + 0.5)), 1e-6)

    # -- reading

    def _read(self, terms: list[Term], named: dict[str, float]) -> dict[int, Found]:
        """The entries that speak of the terms, by number, and those that are named.

        Where words in a row are a name of the entry, the best score of all is added to its own, times the square of
        the share that these words have in the question: a question that is a name is answered by its bearer, one
        name among many words says little.
        """
        numbers = dict.fromkeys(self._candidates(terms))
        ids = list(named)
        numbers |= dict.fromkeys(n for (n,) in self.db.execute(f"SELECT n FROM entry WHERE id IN ({marks(ids)})", ids))
        found: dict[int, Found] = {}
        for n, id, text in self._rows(numbers):
            score, line = self._score(text, terms)
            if score or id in named:
                found[n] = Found(id, text, score, line)
        top = max((f.score for f in found.values()), default=0.0) or 1.0
        return {n: f._replace(score=f.score + named.get(f.id, 0.0) ** 2 * top) for n, f in found.items()}

    def _rows(self, numbers: Collection[int]) -> Iterable[tuple[int, str, str]]:
        if len(numbers) == self.entries:
            return self.db.execute("SELECT n, id, text FROM entry")
        return self.db.execute(f"SELECT n, id, text FROM entry WHERE n IN ({marks(numbers)})", list(numbers))

    def _score(self, text: str, terms: list[Term]) -> tuple[float, int]:
        """The score of an entry, and the number of the passage that speaks best of all words together."""
        lines = text.split("\n")
        together: dict[int, float] = defaultdict(float)
        total = 0.0
        for term in terms:
            values: dict[int, float] = {}
            for needles, rarity in term.needles:
                places: Iterable[int] = range(len(lines))
                for x in needles:
                    places = [i for i in places if x in lines[i]] if x in text else []
                for i in places:
                    times = min(lines[i].count(x) for x in needles)
                    weight = WEIGHTS.get(lines[i][: lines[i].index(" ")], 1.0)
                    loss = K * (1 - B + B * (lines[i].count(" ") - 1) / self.mean)
                    values[i] = max(weight * rarity * times * (K + 1) / (times + loss), values.get(i, 0.0))
            for i, value in values.items():
                together[i] += value
            total += sum(value / 2**i for i, value in enumerate(sorted(values.values(), reverse=True)))
        line = max(together, key=lambda i: together[i], default=0)
        return total + TOGETHER * together[line], line

    def _hit(self, found: Found, terms: list[Term]) -> Hit:
        """The hit with the sentence of its best passage that has most of the words; for a name, the summary."""
        packed = self.db.execute("SELECT text FROM prose WHERE id = ?", (found.id,)).fetchone()[0]
        name, summary, *lines = zlib.decompress(packed).decode().split("\n")
        section = found.text.split("\n")[found.line].split(" ", 1)[0]
        text = summary if section in NAMED else lines[found.line]
        wanted = {s for t in terms for f in t.forms for s in f.stems}
        sentences = re.split(r"(?<=[.!?]) +", text)
        snippet = max(sentences, key=lambda s: len(wanted & set(map(stem, words(s)))))
        return Hit(found.id, name, round(found.score, 4), section, snippet)

    # -- building

    def _use(self, db: sqlite3.Connection) -> None:
        self.db = db
        self.entries, self.passages, self.mean, engine = db.execute("SELECT * FROM about").fetchone()
        self.engine = bool(engine)
        """Whether FTS5 chooses candidates; in a sqlite without it, all entries are read for each question."""

    def _kept(self) -> sqlite3.Connection | None:
        """The index as it was kept, if it can be read."""
        if self.catalog.cache is None or not (path := self.catalog.cache / FILE).is_file():
            return None
        db = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True, check_same_thread=False)
        try:
            db.execute("SELECT (SELECT entries FROM about), (SELECT max(rowid) FROM stems)").fetchone()
        except sqlite3.DatabaseError:
            db.close()
            return None
        return db

    def _made(self) -> sqlite3.Connection:
        """The index built anew: written aside and moved to where it is kept, if it can be."""
        if (folder := self.catalog.cache) is not None:
            aside = None
            try:
                handle, aside = tempfile.mkstemp(".part", FILE, folder)
                os.close(handle)
                with closing(sqlite3.connect(aside, isolation_level=None)) as db:
                    self._fill(db)
                os.replace(aside, folder / FILE)
                if kept := self._kept():
                    return kept
            except (OSError, sqlite3.DatabaseError):  # it cannot be written there
                if aside:
                    Path(aside).unlink(missing_ok=True)
        db = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        self._fill(db)
        return db

    def _fill(self, db: sqlite3.Connection) -> None:
        """Write the index of the catalog into an empty database."""
        db.executescript(f"PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; BEGIN; {TABLES}")
        try:
            db.execute(STEMS)
            engine = True
        except sqlite3.OperationalError:
            engine = False
        times: Counter[str] = Counter()
        entries: Counter[str] = Counter()
        passages: Counter[str] = Counter()
        count = length = 0
        for n, entry in enumerate(self.catalog):
            columns: tuple[list[str], list[str], list[str]] = [], [], []
            lines: list[str] = []
            said = [entry.name, prose.plain(entry.summary)]
            for section, text in self._lines(entry):
                said.append(text)
                found = [*words(text), *compounds(text)]
                times.update(found)
                stems = list(map(stem, found))
                passages.update(set(stems))
                length += len(stems)
                columns[0 if section in NAMED else 1 if WEIGHTS.get(section, 1.0) > 1 else 2].extend(stems)
                lines.append(f"{section} {' '.join(stems)} ")
            count += len(lines)
            entries.update(set().union(*columns))
            db.execute("INSERT INTO entry VALUES (?, ?, ?)", (n, entry.id, "\n".join(lines)))
            packed = zlib.compress("\n".join(said).encode(), 1)
            db.execute("INSERT INTO prose VALUES (?, ?)", (entry.id, packed))
            if engine:
                row = (n, *map(" ".join, columns))
                db.execute("INSERT INTO stems (rowid, names, main, rest) VALUES (?, ?, ?, ?)", row)
        db.executemany("INSERT INTO stem VALUES (?, ?, ?)", ((s, entries[s], passages[s]) for s in sorted(passages)))
        db.executemany("INSERT INTO word VALUES (?, ?)", sorted(times.items()))
        spelled: dict[str, list[str]] = defaultdict(list)
        for word in times:
            if word.isalpha() and tolerance(word):
                for piece in pieces(word):
                    spelled[piece].append(word)
        db.executemany("INSERT INTO piece VALUES (?, ?)", ((p, " ".join(spelled[p])) for p in sorted(spelled)))
        db.executemany("INSERT OR IGNORE INTO synonym VALUES (?, ?)", self._declared())
        n = len(self.catalog)
        db.execute("INSERT INTO about VALUES (?, ?, ?, ?)", (n, count, length / max(count, 1), engine))
        self._use(db)
        if engine and n > CANDIDATES:
            db.execute("INSERT INTO stems (stems) VALUES ('optimize')")
            for s in (s for s in sorted(entries) if entries[s] > FREQUENT):
                best = self._best(Form((s,), 1.0, s), anew=True)
                db.executemany("INSERT INTO listed VALUES (?, ?, ?)", [(s, m, weight) for m, weight in best])
        db.execute("COMMIT")

    def _lines(self, entry: Entry) -> list[tuple[str, str]]:
        """What there is to find of an entry, as (section, text); its place in the list is its line in the index."""
        named = [("name", f"{entry.name} {entry.id.replace('_', ' ')}"), *(("aliases", a) for a in entry.aliases)]
        tags = [("tags", " ".join(entry.tags).replace("_", " "))] if entry.tags else []
        family = self.catalog.titles.get(entry.family, "")
        return [*named, *tags, *prose.passages(entry, family), *self._elsewhere[entry.id]]

    @cached_property
    def _elsewhere(self) -> dict[str, list[tuple[str, str]]]:
        """What is said of an entry outside of its file: the decisions that it answers, the failures that it mends."""
        found: dict[str, list[tuple[str, str]]] = defaultdict(list)
        for decision in self.catalog.decisions:
            for option in decision.options:
                found[option.pattern].append(("decisions", f"{decision.problem}. {prose.plain(option.why)}"))
        for entry in self.catalog:
            for mode in entry.failure_modes:
                if mode.pattern:
                    text = f"{mode.id.replace('_', ' ')}: {mode.symptom} {mode.remedy}"
                    found[mode.pattern].append(("mends", prose.plain(text)))
            for r in entry.relations:
                if r.fixes:
                    found[entry.id].append(("mends", prose.plain(f"{r.fixes.replace('_', ' ')}: {r.why}")))
        return found

    def _declared(self) -> Iterator[tuple[str, str]]:
        """(stems of an expression, what it means) from `synonyms.yaml`, beside the families' folders."""
        path = self.catalog.folder / SYNONYMS if self.catalog.folder else None
        if path and path.is_file():
            for group in strict_yaml.read(path).value["synonyms"]:
                for said in group["said"]:
                    for meant in group["meant"]:
                        yield " ".join(map(stem, words(said))), meant


# -- helpers


def phrases(terms: list[Term]) -> Iterator[Term]:
    """Two words in a row, also written as one; as rare as the more common of them."""
    for a, b in pairwise(t for t in terms if t.forms):
        row = f"{a.forms[0].stems[-1]} {b.forms[0].stems[0]}"
        forms = [Form((text,), 1.0, f"{a.said} {b.said}") for text in (row, stem(a.said + b.said))]
        yield Term(f"{a.said} {b.said}", forms, [min(a.rarity[0], b.rarity[0])] * 2)


def intended(term: Term, text: str) -> str:
    """The form of a term that an entry has, for people."""
    return next((f.shown for f in term.forms if all(f" {s} " in text for s in f.stems)), term.forms[0].shown)


def synonyms(terms: list[Term]) -> dict[str, list[str]]:
    """What else is looked for, by what was said."""
    meant = {t.said: [f.shown for f in t.forms if f.how == "meant"] for t in terms}
    return {said: shown for said, shown in meant.items() if shown}


def mistyped_common(word: str) -> bool:
    """Whether two letters are swapped in a word that says little: `teh`."""
    letters = sorted(word)
    return word not in COMMON and any(letters == sorted(c) and typos(word, c, 1) == 1 for c in COMMON)


def conjunction(form: Form) -> str:
    """A form in the language of FTS5."""
    return "(" + " AND ".join(f'"{s}"' for s in form.stems) + ")"


def marks(values: Collection[Any]) -> str:
    """As many question marks."""
    return ", ".join("?" * len(values))


def shortened(text: str) -> str:
    """The beginning of a text, for messages."""
    return text if len(text) <= 40 else text[:37] + "..."
