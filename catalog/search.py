"""Full-text search over the entries: sqlite's FTS5 in memory, or plain Python where sqlite was built without it."""

from __future__ import annotations

import difflib
import re
import sqlite3
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from .catalogue import Catalog

WEIGHTS = {
    "name": 12.0,
    "aliases": 10.0,
    "tags": 6.0,
    "summary": 4.0,
    "intent": 3.0,
    "problem": 2.0,
    "solution": 2.0,
    "rest": 1.0,
}
"""What is searched, and how much a word there counts; `rest` is all other prose."""
COMMON = {
    "a", "an", "and", "are", "as", "at", "be", "by", "can", "do", "does", "for", "from", "how", "i", "in", "is", "it",
    "its", "of", "on", "or", "that", "the", "this", "to", "use", "what", "when", "where", "which", "why", "with",
}  # fmt: skip
"""Words that are not looked for, unless there are no others."""


class Hit(NamedTuple):
    """An entry that speaks of what was asked."""

    id: str
    name: str
    score: float
    """Larger is better; comparable within one result only."""
    section: str
    """Where the snippet stands: name, aliases, tags, summary, intent, problem, solution or rest."""
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
    """An index of the catalogue's prose, built once."""

    def __init__(self, catalog: Catalog) -> None:
        self.names = {e.id: e.name for e in catalog}
        self.rows: dict[str, dict[str, str]] = {}
        for e in catalog:
            row = {
                "name": f"{e.name} {e.id.replace('_', ' ')}",
                "aliases": ", ".join(e.aliases),
                "tags": ", ".join(t.replace("_", " ") for t in e.tags),
            }
            self.rows[e.id] = row | dict.fromkeys(list(WEIGHTS)[3:], "")
        for id, section, text in catalog.passages():
            column = section if section in WEIGHTS else "rest"
            self.rows[id][column] = f"{self.rows[id][column]} {text}".strip()
        self.vocabulary = sorted({w for row in self.rows.values() for text in row.values() for w in words(text)})
        self.db = self._database()

    def _database(self) -> sqlite3.Connection | None:
        db = sqlite3.connect(":memory:", check_same_thread=False)
        try:
            columns = f"id UNINDEXED, {', '.join(WEIGHTS)}, tokenize='porter unicode61', prefix='2 3'"
            db.execute(f"CREATE VIRTUAL TABLE entry USING fts5({columns})")
        except sqlite3.OperationalError:
            return None
        db.executemany(
            f"INSERT INTO entry VALUES (?{', ?' * len(WEIGHTS)})",
            ([id, *row.values()] for id, row in self.rows.items()),
        )
        return db

    def search(self, text: str, limit: int = 10) -> Hits:
        """See `Catalog.search`."""
        asked = words(text)
        asked = [w for w in asked if w not in COMMON] or asked
        corrected = [w if self._find([w], "AND", 1) else self._nearest(w) for w in asked]
        known = list(dict.fromkeys(w for w in corrected if w))
        if not known:
            return Hits()
        hits = self._find(known, "AND", limit)
        if len(hits) < limit and len(known) > 1:
            seen = {h.id for h in hits}
            hits += [h for h in self._find(known, "OR", limit + len(hits)) if h.id not in seen]
        return Hits(hits[:limit], " ".join(known) if corrected != asked else None)

    def _nearest(self, word: str) -> str | None:
        near = difflib.get_close_matches(word, self.vocabulary, 1, 0.7)
        return near[0] if near else None

    def _find(self, wanted: list[str], joined: str, limit: int) -> list[Hit]:
        if self.db is None:
            return self._scan(wanted, joined, limit)
        rank = f"bm25(entry, 0, {', '.join(map(str, WEIGHTS.values()))})"
        query = f" {joined} ".join(f'"{w}"*' for w in wanted)
        sql = f"SELECT id, {rank} AS r FROM entry WHERE entry MATCH ? ORDER BY r, id LIMIT ?"
        return [self._hit(id, -score, wanted) for id, score in self.db.execute(sql, (query, limit))]

    def _scan(self, wanted: list[str], joined: str, limit: int) -> list[Hit]:
        """The same without FTS5: weighted counts of words that begin as the stem does, damped."""
        stems, hits = [stem(w) for w in wanted], []
        for id, row in self.rows.items():
            counts: Counter[str] = Counter()
            for column, text in row.items():
                for word in words(text):
                    counts.update({s: WEIGHTS[column] for s in stems if word.startswith(s)})  # type: ignore[dict-item]
            if len(counts) == len(set(stems)) if joined == "AND" else counts:
                hits.append(self._hit(id, sum(n / (n + 4) for n in counts.values()), wanted))
        return sorted(hits, key=lambda h: (-h.score, h.id))[:limit]

    def _hit(self, id: str, score: float, wanted: list[str]) -> Hit:
        """The hit with the stretch of prose that has most of the words, preferring the weightier column."""
        stems = [stem(w) for w in wanted]
        best = (0, "summary", self.rows[id]["summary"])
        for section in ("summary", "intent", "problem", "solution", "rest"):
            for sentence in re.split(r"(?<=[.!?]) +", self.rows[id][section]):
                found = len({s for s in stems for w in words(sentence) if w.startswith(s)})
                if found > best[0]:
                    best = (found, section, sentence)
        return Hit(id, self.names[id], round(score, 6), best[1], best[2])


def words(text: str) -> list[str]:
    """The words of a text in lower case."""
    return re.findall(r"[^\W_]+", text.casefold())


def stem(word: str) -> str:
    """The beginning that a word shares with its other forms, roughly."""
    return re.sub(r"(?<=\w{3})(ations?|ings?|ions?|ers?|ors?|ed|es|e|s)$", "", word)
