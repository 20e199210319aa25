"""Full-text search over the entries: sqlite's FTS5 in memory, or plain Python where sqlite was built without it."""

from __future__ import annotations

import difflib
import math
import re
import sqlite3
from collections import defaultdict
from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from .catalog import Catalog

WEIGHTS = {"name": 4.0, "aliases": 3.0, "tags": 2.0, "summary": 1.6, "intent": 1.4, "problem": 1.2, "solution": 1.2}
"""How much a word in a section counts; 1 in all others."""
COMMON = {
    "a", "an", "and", "are", "as", "at", "be", "by", "can", "do", "does", "for", "from", "how", "i", "in", "is", "it",
    "its", "of", "on", "or", "that", "the", "this", "to", "use", "what", "when", "where", "which", "why", "with",
}  # fmt: skip
"""Words that are not looked for, unless there are no others."""

LONGEST_NAME = 8
"""Words in a row that are looked up as a name."""


class Hit(NamedTuple):
    """An entry that speaks of what was asked."""

    id: str
    name: str
    score: float
    """Larger is better; comparable within one result only."""
    section: str
    """Where it does so best: name, aliases, tags or a section of `Catalog.passages`."""
    snippet: str


class Hits(list[Hit]):
    """Hits, best first; printed, one paragraph for each."""

    def __init__(self, items: Iterable[Hit] = (), corrected: str | None = None) -> None:
        super().__init__(items)
        self.corrected = corrected
        """The words that were looked for, where some of those asked for occur nowhere."""

    def __repr__(self) -> str:
        note = [f"(looked for: {self.corrected})"] if self.corrected else []
        return "\n".join([*note, *(f"{h.name} ({h.id})\n    {h.snippet}" for h in self)]) or "nothing found"

    __str__ = __repr__


class Index:
    """An index of the catalog, built once. Its rows are passages, since words are rare in them and not in entries."""

    def __init__(self, catalog: Catalog) -> None:
        self.names = {e.id: e.name for e in catalog}
        self.catalog = catalog
        self.rows: list[tuple[str, str, str]] = []
        for e in catalog:
            self.rows.append((e.id, "name", f"{e.name} {e.id.replace('_', ' ')}"))
            self.rows += [(e.id, "aliases", alias) for alias in e.aliases]
            self.rows += [(e.id, "tags", tag.replace("_", " ")) for tag in e.tags]
        self.rows += catalog.passages()
        self.words = [words(text) for _, _, text in self.rows]
        self.vocabulary = sorted({w for row in self.words for w in row})
        self.db = self._database()

    def _database(self) -> sqlite3.Connection | None:
        db = sqlite3.connect(":memory:", check_same_thread=False)
        try:
            db.execute("CREATE VIRTUAL TABLE passage USING fts5(text, tokenize='porter unicode61', prefix='2 3')")
        except sqlite3.OperationalError:
            return None
        db.executemany("INSERT INTO passage (rowid, text) VALUES (?, ?)", ((i, r[2]) for i, r in enumerate(self.rows)))
        return db

    def search(self, text: str, limit: int = 10) -> Hits:
        """See `Catalog.search`.

        An entry's score is the sum, over the words, of its best passage's for that word, and of its best passage's
        for all words together. Where words in a row are a name of the entry, the best score of all is added to it, in
        the share that these words have in the question.
        """
        asked = words(text)
        asked = list(dict.fromkeys(w for w in asked if w not in COMMON)) or asked
        found = {w: self._forms(w) for w in asked}
        known = [word for word, _ in found.values() if word]
        matches = [match for _, match in found.values()]
        if len(known) > 1:
            matches.append(self._match(known))
        score: dict[str, float] = {}
        best: dict[str, tuple[float, int]] = {}
        for match in matches:
            of: dict[str, tuple[float, int]] = {}
            for row, value in match.items():
                id, section, _ = self.rows[row]
                of[id] = max(of.get(id, (0.0, 0)), (value * WEIGHTS.get(section, 1.0), -row))
            for id, (value, row) in of.items():
                score[id] = score.get(id, 0.0) + value
                best[id] = max(best.get(id, (0.0, 0)), (value, row))
        top = max(score.values(), default=0.0)
        for id, share in self._named(asked).items():
            if id in score:
                score[id] += share * top
        ranked = sorted(score, key=lambda id: (-score[id], id))[:limit]
        hits = [self._hit(id, score[id], -best[id][1], known) for id in ranked]
        return Hits(hits, " ".join(known) if known and known != asked else None)

    def _named(self, asked: list[str]) -> dict[str, float]:
        """Entries of which words in a row are a name or an alias, and the share of the words that are."""
        found: dict[str, float] = {}
        for i in range(len(asked)):
            for j in range(i + 1, min(len(asked), i + LONGEST_NAME) + 1):
                phrase = " ".join(asked[i:j])
                if phrase in self.catalog:
                    id = self.catalog.get(phrase).id
                    found[id] = max(found.get(id, 0.0), (j - i) / len(asked))
        return found

    def _forms(self, word: str) -> tuple[str | None, dict[int, float]]:
        """The word itself, or its continuations, or the nearest word there is; and the rows that have it."""
        if match := self._match([word]) or self._match([word], prefix=True):
            return word, match
        near = difflib.get_close_matches(word, self.vocabulary, 1, 0.7)
        return (near[0], self._match(near)) if near else (None, {})

    def _match(self, wanted: list[str], prefix: bool = False) -> dict[int, float]:
        """The rows that have all these words (or words that begin so), and how well."""
        if self.db is None:
            return self._scan(wanted, prefix)
        query = " AND ".join(f'"{w}"' + "*" * prefix for w in wanted)
        sql = "SELECT rowid, -bm25(passage) FROM passage WHERE passage MATCH ?"
        return dict(self.db.execute(sql, (query,)))

    def _scan(self, wanted: list[str], prefix: bool) -> dict[int, float]:
        """The same without FTS5: BM25 with the usual constants, over rough stems."""
        mean = sum(map(len, self.words)) / len(self.words)
        total: dict[int, float] = defaultdict(float)
        rows = set(range(len(self.rows)))
        for w in wanted:
            forms = {x for x in self.vocabulary if (x.startswith(w) if prefix else stem(x) == stem(w))}
            count = {i: n for i, row in enumerate(self.words) if (n := sum(x in forms for x in row))}
            rarity = math.log(1 + (len(self.rows) - len(count) + 0.5) / (len(count) + 0.5))
            for i, n in count.items():
                total[i] += rarity * n * 2.2 / (n + 1.2 * (0.25 + 0.75 * len(self.words[i]) / mean))
            rows &= count.keys()
        return {i: total[i] for i in rows}

    def _hit(self, id: str, score: float, row: int, wanted: list[str]) -> Hit:
        """The hit with the sentence of its best passage that has most of the words; for a name, the summary."""
        _, section, text = self.rows[row]
        if section in ("name", "aliases", "tags"):
            text = next(t for i, s, t in self.rows if i == id and s == "summary")
        stems = {stem(w) for w in wanted}
        sentences = re.split(r"(?<=[.!?]) +", text)
        snippet = max(sentences, key=lambda s: len({t for t in stems for w in words(s) if w.startswith(t)}))
        return Hit(id, self.names[id], round(score, 4), section, snippet)


def words(text: str) -> list[str]:
    """The words of a text in lower case."""
    return re.findall(r"[^\W_]+", text.casefold())


def stem(word: str) -> str:
    """The beginning that a word shares with its other forms, roughly."""
    return re.sub(r"(?<=\w{3})(ations?|ings?|ions?|ers?|ors?|ed|es|e|s)$", "", word)
