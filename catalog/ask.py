"""Questions in plain words: each goes to the verb that answers it, and the reply says which one that was.

The table `ASKED` says by which turns of phrase a verb is meant, and where in the question names stand. What stands
there is found among names and aliases: as it is, within it, with typing errors, and at last by search. A question that
no turn of phrase fits is a name, or else a problem.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from html import escape
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from . import names
from .errors import BadQuestion, NoPath, as_text
from .prose import plain
from .recommend import FILLERS
from .results import Answer, Document, fold
from .words import typos, words

if TYPE_CHECKING:
    from .catalog import Catalog
    from .schema import Entry

ASKED: list[tuple[str, Literal["whole", "name", "any"], list[str]]] = [
    ("compare", "name", [
        "... (compare|comparison (of|between)|(choose|decide) between) {a} (and|with|to|or) {b}",
        "{a} (vs|vs.|versus|compared (to|with)|or) {b}",
        "... (better|use|take|choose|prefer|pick)[:,]? {a} or {b}",
    ]),
    ("explain", "any", [
        "... (difference|distinction|relation|relationship|connection|link)s? (between|of) {a} (and|to|with|from) {b}",
        "how (is|are|do|does) {a} (related to|connected (to|with)|linked (to|with)|differ(ent)? from|relate to) {b}",
        "how (are|do) {a} and {b} (related|connected|linked|differ|relate|compare)",
        "what (has|have|does|do) {a} (have )?to do with {b}",
        "what (distinguishes|separates|sets) {a} (apart )?from {b}",
    ]),
    ("path", "any", [
        "... (get|come|go|way|route|road|path|leads?|steps?|chain) (.* )?from {a} (to|into|towards?) {b}",
        "... (connects?|joins?|links?|leads?|between) {a} (with|to|and) {b}",
    ]),
    ("path", "name", ["... from {a} (to|into|towards?) {b}"]),
    ("learning_path", "any", [
        "... {we} (already )?know {known}[:;,.] (.* )?(learn|study|understand|read|get into)( about)? {a}",
        "... (know|read|learn|study|understand|need(ed)?|comes?|first|look at|start with) (.* )?before "
        "({we} )?((know|learn|read|study|understand|tackl)(e|ing)? )?(about )?{a}",
        "... (pre-?requisites?|requirements|background|foundations?|basics|groundwork|reading (list|order)|"
        "learning path|curriculum|course|road ?map) (.* )?(for|of|to|on|behind) {a}",
    ]),
    ("learning_path", "name", [
        "... (learn|study|understand|get into)( about)? {a}[:;,.] (.* )?(start|begin|first)",
        "... (learn|study|read|understand|know|start with|begin with) (.* )?(first|before) (if|when|for|to) {a}",
        "... (start|begin) (if|when) {a} is (the|my|our) (goal|aim|target|destination)",
    ]),
    ("learning_path", "whole", ["... (how (do|can|should|to)|want to|like to) ({we} )?(learn|study|understand) {a}"]),
    ("alternatives", "any", ["... (alternative|substitute|replacement)s? (to|for|of) {a}"]),
    ("alternatives", "name", [
        "... (instead of|in place of|other than|rather than|replace) {a}",
    ]),
    ("lineage", "any", [
        "... (history|origin|lineage|evolution|ancestor|ancestry|descendant|successor|predecessor)s? (of|to) {a}",
        "where (does|do|did) {a} come from",
    ]),
    ("lineage", "name", ["what (came|became|has become|grew|developed|followed) (out )?(of|from|after) {a}"]),
    ("claims", "name", ["... (claims?|evidence|measured|proven|proved) (of|for|about|on) {a}"]),
    ("claims", "any", ["(which|what) claims (are about|speak of|say something of|mention) {text}"]),
    ("related", "name", ["... (related|similar|close) to {a}", "... neighbou?rs of {a}"]),
    ("fixes", "any", [
        "what (fixes|cures|prevents|avoids|remedies|mends|helps?( against| with| if| when)?|"
        "(can {we}|to) do (against|about)) {text}",
        "how (do|can|could|should|would|to) ({we} )?(best )?(avoid|prevent|fix|cure|stop|get rid of|mend|remedy|"
        "counter|combat|mitigate|deal with) {text}",
        "... (remedy|remedies|cure|fix) (for|against|to) {text}",
        "{text}[,;:.?-] (so |and )?(what|how) (fixes|cures|prevents|helps|(can|do|should|could) {we} "
        "(fix|prevent|avoid|stop|do)) ((against|about) )?(this|that|it|them)",
    ]),
    ("get", "whole", [
        "(what( is| are|s|'s)|define|definition of|explain|describe|tell me about|show( me)?) {a}",
        "(what|how) (does|do) {a} (mean|stand for|work|do)",
        "(when|why|where|what for) (should|would|do|does|is|are|can|to) ({we} )?(use )?{a}( used)?( for)?",
        "... (limitations?|limits|weakness(es)?|drawbacks?|failure modes?|advantages?|strengths?|pros and cons|uses?) "
        "(of|for) {a}",
        "(who|when) (invented|introduced|proposed|was|were) {a}( introduced| invented| proposed| published)?",
    ]),
]  # fmt: skip
"""(verb, what the names have to be, turns of phrase); the first that fits and whose names are found is taken.

`...` stands for any words, `{a}`, `{b}` and `{known}` for names, `{text}` for words as they are, `{we}` for who asks.
whole: what stands there is a name and nothing else; name: a name is in it; any: search may find what is meant, though
of two names one has to be there.
"""
ERROR = 5
"""Letters for each typing error that a name may have and still be recognized."""
POLITE = re.compile(
    r"^(?:please,? )?(?:(?:can|could|would|will) (?:you|some(?:one|body)|any(?:one|body)) (?:please )?(?=\w+ \w))?"
    r"|(?: (?:to|for) (?:me|us|beginners))?(?:,? please| in simple (?:terms|words))?$",
    re.I,
)
"""What surrounds a question and asks nothing."""
LONGEST = 8
"""Words in a row that are looked up as a name."""
TERM = 4
"""Words that what one asks the meaning of may have."""
SYMPTOM = 0.5
"""The share of a question that a symptom has to be; below, the question is a problem like others."""


def _compiled(turn: str) -> re.Pattern[str]:
    inner = turn.removeprefix("... ").replace("{we}", "(i|one|you|we|people)").replace("(", "(?:")
    inner = re.sub(r"\{(\w+)\}", r"(?P<\1>.+?)", inner.replace("(?:.* )", "(?:.*?[ ,;:])"))
    return re.compile((r"\b" if turn.startswith("...") else "^") + inner + r"(?:[,;:] .*)?$", re.I)


TURNS = [(verb, names, _compiled(turn)) for verb, names, turns in ASKED for turn in turns]


class Name(NamedTuple):
    """An entry that a part of a question names."""

    id: str
    said: str
    found: Literal["whole", "name", "any"]
    """Whether all of it is a name, perhaps mistyped; or a name is in it; or search led there."""


class Reply(Answer):
    """The answer of the verb that a question goes to; printed, it says which, and then the answer."""

    def __init__(self, question: str, verb: str, arguments: Mapping[str, Any], answer: Answer, ids: list[str]) -> None:
        self.question = question
        self.verb = verb
        """The method of `Catalog` that gives the same answer."""
        self.arguments = dict(arguments)
        """What it is called with."""
        self.answer = answer
        self.ids = list(dict.fromkeys(ids))
        """The entries that answer, best first."""

    @property
    def call(self) -> str:
        """The verb and its arguments as Python."""
        return f"cat.{self.verb}({', '.join(f'{name}={value!r}' for name, value in self.arguments.items())})"

    def rows(self) -> list[dict[str, Any]]:
        """The rows of the answer."""
        return self.answer.rows()

    def to_dict(self) -> dict[str, Any]:
        """`question`, `verb`, `arguments`, `ids`, and the answer of the verb under `answer`."""
        said = {"question": self.question, "verb": self.verb, "arguments": self.arguments, "ids": self.ids}
        return said | {"answer": self.answer.to_dict()}

    def __repr__(self) -> str:
        return f"{self.call}\n\n{self.answer}"

    def _repr_html_(self) -> str:
        return f"<pre>{escape(self.call)}</pre>{self.answer._repr_html_()}"

    __str__ = __repr__


class Essentials(Document):
    """What an entry is, in some lines."""

    def __init__(self, entry: Entry, family: str) -> None:
        self.entry, self.family = entry, family

    def rows(self) -> list[dict[str, Any]]:
        """One: the fields of `to_dict`."""
        return [self.to_dict()]

    def to_dict(self) -> dict[str, Any]:
        """Names, family, kind, year, status, difficulty, summary, intent, use_when and avoid_when of the entry."""
        fields = ("id", "name", "aliases", "family", "kind", "year", "status", "difficulty", "summary", "intent")
        return {name: getattr(self.entry, name) for name in (*fields, "use_when", "avoid_when")}

    def __repr__(self) -> str:
        e = self.entry
        facts = (self.family, e.kind, str(e.year or ""), e.status)
        texts = [e.summary, e.intent]
        texts += [f"Use it when: {text}" for text in e.use_when] + [f"Avoid it when: {text}" for text in e.avoid_when]
        texts += [f"It can fail: {mode.symptom}" for mode in e.failure_modes]
        lines = [f"{e.name} ({e.id})", "  " + " · ".join(fact for fact in facts if fact)]
        for text in filter(None, texts):
            lines += fold(plain(text), "  ")
        return "\n".join(lines)

    __str__ = __repr__


def ask(cat: Catalog, question: str) -> Reply:
    """See `Catalog.ask`."""
    question = as_text(question, "a question", "what fixes mode collapse")
    text = POLITE.sub("", " ".join(question.split()).strip(" ?!."))
    if not words(text):
        raise BadQuestion(
            "an empty question; ask such as 'what fixes mode collapse', 'difference between LSTM and GRU' or 'make old "
            "photos sharp'"
        )
    if reply := _relation(cat, question, text):
        return reply
    for verb, needed, turn in TURNS:
        if (said := turn.search(text)) and (reply := _verb(cat, question, verb, needed, said.groupdict())):
            return reply
    name = find(cat, text, whole=True)
    return _get(cat, question, name.id) if name else _problem(cat, question, text)


def find(cat: Catalog, text: str, whole: bool = False) -> Name | None:
    """The entry that a part of a question names; whole: only where all of it is a name."""
    text = re.sub(r"^(?:(?:the|an?|some|any|plain|my|our|about) )+", "", text.strip(" ?!.,;:'\""), flags=re.I)
    parts = [part.strip(",;:'\"") for part in text.split()]
    if not parts or (whole and len(parts) > LONGEST):
        return None
    lengths = [len(parts)] if whole else range(min(len(parts), LONGEST), 0, -1)
    runs = [" ".join(parts[i : i + n]) for n in lengths for i in range(len(parts) - n + 1)]
    runs = [run for run in runs if not set(words(run)) <= FILLERS]
    how = lambda run: "whole" if run == " ".join(parts) else "name"
    for run in runs:
        if run in cat:
            return Name(cat.get(run).id, run, how(run))
    hits = cat.search(text, 3) if runs else []
    known = [(hit.id, [names.key(n) for n in (hit.id, hit.name, *cat[hit.id].aliases)]) for hit in hits]
    for run in runs:
        key = names.key(run)
        most = len(key) // ERROR
        for id, keys in known:
            if most and any(typos(key, name, most) <= most for name in keys):
                return Name(id, run, how(run))
    return Name(hits[0].id, text, "any") if hits and not whole else None


# -- verbs


def _verb(cat: Catalog, question: str, verb: str, needed: str, said: Mapping[str, str | None]) -> Reply | None:
    """The reply of a verb to what was said; None where the names that it needs are not there."""
    if "text" in said:
        return TEXTS[verb](cat, question, str(said["text"]))
    places = [find(cat, text) for place in ("a", "b") if (text := said.get(place))]
    ids = [name.id for name in places if name]
    how = {name.found for name in places if name}
    enough = {"whole": how == {"whole"}, "name": "any" not in how, "any": len(ids) == 1 or how != {"any"}}
    if len(ids) < len(places) or len(set(ids)) < len(ids) or not enough[needed]:
        return _search(cat, question, str(said["a"])) if verb == "get" else None
    if verb == "learning_path" and said.get("known"):
        known = [name.id for part in re.split(r",| and ", str(said["known"])) if (name := find(cat, part))]
        return _learning_path(cat, question, ids[0], known)
    return VERBS[verb](cat, question, *ids)


def _relation(cat: Catalog, question: str, text: str) -> Reply | None:
    """What stands in a relation of the catalog to an entry: `what builds on the GAN`."""
    for kind in cat.relations.values():
        said = re.fullmatch(rf"(?:what|which \w+) {kind.name.replace('_', '[ _-]')} (?P<a>.+)", text, re.I)
        if said and (name := find(cat, said["a"], whole=True)):
            found = cat.related(name.id, kind.seen_from_target)
            arguments = {"name": name.id, "types": kind.seen_from_target}
            return Reply(question, "related", arguments, found, [r.id for r in found])
    return None


def _get(cat: Catalog, question: str, a: str) -> Reply:
    entry = cat[a]
    family = cat.titles.get(entry.family, entry.family)
    return Reply(question, "get", {"name": a}, Essentials(entry, family), [a])


def _search(cat: Catalog, question: str, text: str) -> Reply | None:
    """For what is no entry: who speaks of it. Many words are not the name of anything."""
    hits = cat.search(text) if len(words(text)) <= TERM else None
    return Reply(question, "search", {"text": text}, hits, [h.id for h in hits]) if hits else None


def _path(cat: Catalog, question: str, a: str, b: str) -> Reply | None:
    try:
        route = cat.path(a, b)
    except NoPath:
        return None
    between = [id for id in route.ids if id not in (a, b)]  # who asks knows the ends
    return Reply(question, "path", {"a": a, "b": b}, route, [*between, *(e.id for e in route.also), a, b])


def _learning_path(cat: Catalog, question: str, a: str, known: list[str] | None = None) -> Reply:
    arguments: dict[str, Any] = {"target": a} | ({"known": known} if known else {})
    found = cat.learning_path(**arguments)
    before = [id for id in reversed(found.ids) if id != a]
    return Reply(question, "learning_path", arguments, found, [*before, a])


def _alternatives(cat: Catalog, question: str, a: str) -> Reply:
    said, _ = cat.facets.understood(question)
    where = [str(condition) for condition, _ in said]
    found = cat.alternatives(a, where=where) if where else cat.alternatives(a)
    return Reply(question, "alternatives", {"name": a} | ({"where": where} if where else {}), found, found.ids)


def _related(cat: Catalog, question: str, a: str) -> Reply:
    found = cat.related(a)
    return Reply(question, "related", {"name": a}, found, [r.id for r in found])


def _lineage(cat: Catalog, question: str, a: str) -> Reply:
    found = cat.lineage(a)
    return Reply(question, "lineage", {"name": a}, found, [a, *(row["id"] for row in found.rows())])


def _claims(cat: Catalog, question: str, a: str) -> Reply:
    return Reply(question, "claims", {"pattern": a}, cat.claims(a), [a])


def _explain(cat: Catalog, question: str, a: str, b: str) -> Reply:
    return Reply(question, "explain", {"a": a, "b": b}, cat.explain(a, b), [a, b])


def _compare(cat: Catalog, question: str, a: str, b: str) -> Reply:
    return Reply(question, "compare", {"ids": [a, b]}, cat.compare([a, b]), [a, b])


def _fixes(cat: Catalog, question: str, text: str) -> Reply | None:
    found = cat.fixes(text)
    likely = found and found[0].score >= SYMPTOM
    return Reply(question, "fixes", {"text": text}, found, found.ids) if likely else None


def _claims_about(cat: Catalog, question: str, text: str) -> Reply | None:
    found = cat.claims(text=text)
    return Reply(question, "claims", {"text": text}, found, [n.pattern for n in found]) if found else None


TEXTS: dict[str, Callable[..., Reply | None]] = {"fixes": _fixes, "claims": _claims_about}
VERBS: dict[str, Callable[..., Reply | None]] = {
    "get": _get, "path": _path, "learning_path": _learning_path, "alternatives": _alternatives, "related": _related,
    "lineage": _lineage, "claims": _claims, "explain": _explain, "compare": _compare,
}  # fmt: skip


def _problem(cat: Catalog, question: str, text: str) -> Reply:
    """What is recommended for it; where nothing is, what speaks of it."""
    hits = cat.search(text)
    found = cat.recommend(text)
    if found or found.near:
        return Reply(question, "recommend", {"text": text}, found, [*found.ids, *(h.id for h in hits)])
    return Reply(question, "search", {"text": text}, hits, [h.id for h in hits])
