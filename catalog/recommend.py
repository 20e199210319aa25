"""Patterns for a problem: ranked, each with what speaks for it and against it, and what would nearly have fitted.

The score of an entry is a sum of at most three parts, each between 0 and 1 and each the share of the problem's words
(rare ones count more) that a text has: an option of a decision, the entry's own sentences on its use, and the symptom
of a failure that it remedies. Nothing is learned, and every part is shown as a reason.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from heapq import nlargest, nsmallest
from itertools import islice, zip_longest
from typing import TYPE_CHECKING, Any, NamedTuple

from .errors import BadQuestion, as_text, positive
from .facets import Condition, Wanted, positions, values_of
from .prose import plain
from .results import Answer, fold
from .search import LONGEST, MEANT
from .words import COMMON, stem, words

if TYPE_CHECKING:
    from .catalog import Catalog
    from .schema import Decision, Entry, FailureMode, Option

FILLERS = COMMON | {
    "best", "better", "build", "certain", "convert", "create", "different", "everything", "give", "good", "having",
    "help", "helps", "here", "idea", "kind", "know", "like", "lot", "new", "nothing", "please", "problem", "say",
    "sort", "something", "still", "take", "tell", "try", "turn", "using", "want", "wants", "way", "work", "works",
}  # fmt: skip
"""Words of a problem that do not say what it is."""
CANDIDATES = 24
"""Entries that the text index brings up, and as many that decisions do; no others are read."""
SPEAKS = {
    "name": 1.0, "use_when": 1.0, "summary": 1.0, "problem": 0.9, "intent": 0.9, "known_uses": 0.6, "context": 0.6,
    "benefits": 0.6,
}  # fmt: skip
"""Sections that speak for an entry, and what a word in them counts. What it lacks and how it fails do not."""
LATER = 0.1
"""What an option of a decision loses for each one before it: the one to try first stands at the top."""
UNSUITED = {"superseded": 0.7, "historical": 0.85}
"""What a score is multiplied by where there is better by now."""
CLEAR = 0.8
"""What a word that occurs nowhere has to count as another, in `search`, to be taken for it."""
LEADS = 0.35
"""The least share of the problem that a decision speaks of for it to be named as the choice that one faces."""
MINOR = 0.12
"""Parts of a score below this are left out: by chance a word is found anywhere."""
OTHERS = 0.7
"""What a remedy counts if the problem does not say whether one has the entry that fails."""
SYMPTOM = 0.3
"""The share of the problem that a symptom has to speak of before its remedies are offered, less if the entry that fails
is what one has."""
FITS = 0.25
"""The least score that is recommended."""
NEAR_BEST = 0.45
"""... and the least share of the best score."""
NEAR_SYMPTOM = 0.7
"""The share of the likeliest symptom's score from which on others are told, too."""
NEAR_MISSES = 3
HEAD = {
    "use_when": "Use it when: ", "known_uses": "Used for: ", "problem": "Its problem: ",
    "avoid_when": "Avoid it when: ", "liabilities": "Price: ",
}  # fmt: skip
"""What a sentence of a section begins with where it stands alone."""


class Reason(NamedTuple):
    """One thing that speaks for an entry or against it, and where it is written."""

    text: str
    source: str
    """`decision missing_modes`, `use_when`, `claim wgan_gp.the_grid_is_covered`, `remedies gan.mode_collapse`, ..."""
    points: float
    """Its part of the score; 0 for what is only good to know."""


class Recommendation(NamedTuple):
    """An entry that fits."""

    id: str
    name: str
    score: float
    """Sum of the reasons' points, less where there is better by now; comparable within one result only."""
    why: tuple[Reason, ...]
    why_not: tuple[Reason, ...]


class NearMiss(NamedTuple):
    """An entry that would fit but for one condition."""

    id: str
    name: str
    score: float
    condition: str
    """The condition that it does not meet."""
    has: tuple[str, ...]
    """Its own values of that facet."""

    @property
    def says(self) -> str:
        """What it has instead, in words."""
        facet = re.split("[=!<>]", self.condition)[0].replace("_", " ")
        return f"its {facet} is {', '.join(self.has) or 'not stated'} (asked for: {self.condition})"


class Recommendations(list[Recommendation], Answer):
    """Recommended entries, best first; printed, each with its reasons, and the near misses at the end."""

    def __init__(self, text: str, conditions: Iterable[Condition], understood: Mapping[str, str]) -> None:
        super().__init__()
        self.text = text
        self.conditions = [str(c) for c in conditions]
        """What all entries meet."""
        self.understood = dict(understood)
        """Those conditions that were read out of the text, each with the words that say so."""
        self.decision: Decision | None = None
        """The choice that people with such a problem face, where one fits."""
        self.near: list[NearMiss] = []
        self.note: str | None = None
        """Why nothing fits, where nothing does."""

    @property
    def ids(self) -> list[str]:
        """The ids, best first."""
        return [r.id for r in self]

    def rows(self) -> list[dict[str, Any]]:
        """One for each entry: id, name, score, and the texts of `why` and `why_not`."""
        return [r._asdict() | {"why": [x.text for x in r.why], "why_not": [x.text for x in r.why_not]} for r in self]

    def to_dict(self) -> dict[str, Any]:
        """`text`, `conditions`, `understood`, `decision`, `recommended`, `near_misses` and `note`."""
        of = lambda reasons: [x._asdict() for x in reasons]
        return {
            "text": self.text,
            "conditions": self.conditions,
            "understood": self.understood,
            "decision": self.decision and self.decision.model_dump(include={"id", "problem", "forces"}),
            "recommended": [r._asdict() | {"why": of(r.why), "why_not": of(r.why_not)} for r in self],
            "near_misses": [n._asdict() | {"has": list(n.has)} for n in self.near],
            "note": self.note,
        }

    def __repr__(self) -> str:
        lines = [f'understood: {condition} (from "{said}")' for condition, said in self.understood.items()]
        if self.decision:
            lines += ["", *fold(f"{self.decision.problem}: what decides"), *_bullets(self.decision.forces, "  * ")]
        for i, r in enumerate(self, 1):
            lines += ["", f"{i}. {r.name} ({r.id}), {r.score:.2f}"]
            lines += [*_bullets((x.text for x in r.why), "  + "), *_bullets((x.text for x in r.why_not), "  - ")]
        if self.note:
            lines += ["", *fold(self.note, hang=0)]
        if self.near:
            misses = (f"{n.name} ({n.id}): {n.says}" for n in self.near)
            lines += ["", "Would fit but for one facet", *_bullets(misses, "  ")]
        return "\n".join(lines).strip("\n")

    __str__ = __repr__


def _bullets(texts: Iterable[str], sign: str) -> list[str]:
    return [line for text in texts for line in fold(plain(text), sign, 4 - len(sign))]


def recommend(
    cat: Catalog, text: str | None = None, where: str | Iterable[str] = (), limit: int = 5, **facets: Wanted
) -> Recommendations:
    """See `Catalog.recommend`."""
    text = "" if text is None else as_text(text, "a problem", "samples show only a few kinds").strip()
    given = cat.facets.conditions(where, **facets)
    if not text and not given:
        raise BadQuestion(
            "nothing to recommend for; say the problem, such as 'samples show only a few kinds', or a facet, such as "
            "likelihood=exact"
        )
    positive(limit=limit)
    said, rest = cat.facets.understood(text)
    said = [(c, words) for c, words in said if c.facet not in {g.facet for g in given} and cat.facets.set(c)]
    conditions = [*given, *(c for c, _ in said)]
    found = Recommendations(text, conditions, {str(c): words for c, words in said})
    case = Case(cat, rest, conditions, limit)
    ranked = case.ranked()
    best = next((score for _, score, missed in ranked if not missed), 0.0)
    near: dict[str, list[NearMiss]] = defaultdict(list)
    for id, score, missed in ranked:
        if rest and score < NEAR_BEST * best:
            break
        entry = cat[id]
        if not missed and len(found) < limit:
            found.append(Recommendation(id, entry.name, round(score, 3), *case.reasons(entry)))
        elif len(missed) == 1:
            has = tuple(values_of(entry).get(missed[0].facet, ()))
            near[str(missed[0])].append(NearMiss(id, entry.name, round(score, 3), str(missed[0]), has))
    by_turns = (miss for turn in zip_longest(*near.values()) for miss in turn if miss)
    found.near = sorted(islice(by_turns, NEAR_MISSES), key=lambda miss: -miss.score)
    if case.leading and any(o.pattern in found.ids for o in case.leading.options):
        found.decision = case.leading
    if not found:
        found.note = _nothing(cat, rest, conditions)
    return found


def _nothing(cat: Catalog, text: str, conditions: list[Condition]) -> str:
    if conditions and not cat.facets.meet(conditions):
        return cat.facets.conflict(conditions)
    only = f" with {', '.join(map(str, conditions))}" if conditions else ""
    return f"Nothing{only} speaks of {text!r}: say it in other words, or with fewer conditions."


class Asked:
    """What a problem speaks of: its words, how much of the problem each is, and what else may stand for it."""

    def __init__(self, cat: Catalog, text: str) -> None:
        """Rare words are more of a problem than common ones; words that the catalog has no use for are nothing."""
        choices, self.forms = cat._choices, defaultdict[str, dict[tuple[str, ...], float]](dict)
        rarity: dict[str, float] = {}
        asked = [w for w in words(text) if w not in FILLERS]
        rarest = math.log(1 + cat._index.passages)
        for term in cat._index.terms(" ".join(asked)) if asked else ():
            forms = {f.stems: f.weight for f in term.forms if f.how != "guessed" or f.weight >= CLEAR}
            if term.said in asked and forms:
                rarity[term.said] = max(term.rarity)
            for word in term.said.split():  # an expression stands for each of its words
                self.forms[word] |= forms
        for term in cat._index.expressions(text):  # words that say little alone may say much together: `out of memory`
            said = [w for w in term.said.split() if w in asked] or [term.said]
            for word in said:
                self.forms[word] |= {f.stems: f.weight for f in term.forms}
                rarity.setdefault(word, max(term.rarity))
        for word in asked:
            own = (stem(word),)
            if own[0] in choices.uses and own not in self.forms[word]:
                # decisions say it in words that no entry has: what else may stand for them counts as synonyms do
                self.forms[word] = {form: min(v, MEANT) for form, v in self.forms[word].items()} | {own: 1.0}
                rarity[word] = rarest
        total = sum(rarity.values())
        self.weight = {word: r / total for word, r in rarity.items()}

    def said(self, text: str) -> dict[str, float]:
        """The words that a text has, in any form, and how nearly."""
        there = set(map(stem, words(text)))
        found = {
            w: max((v for form, v in self.forms[w].items() if there.issuperset(form)), default=0.0) for w in self.weight
        }
        return {w: value for w, value in found.items() if value}

    def share(self, said: Mapping[str, float]) -> float:
        """How much of the problem these words are, from 0 to 1."""
        return sum(self.weight[w] * value for w, value in said.items())

    def part(self, text: str) -> float:
        """How much of the problem a text speaks of, from 0 to 1."""
        return self.share(self.said(text))


class Choices:
    """The decisions of a catalog by the words that they use, and by the entries that answer them."""

    def __init__(self, cat: Catalog) -> None:
        self.decisions = cat.decisions
        self.uses: dict[str, dict[tuple[int, int], float]] = defaultdict(dict)
        """For a stem: by numbers of decision and option (-1 for all of them), what the word counts there."""
        self.best: dict[str, tuple[int, Decision, Option]] = {}
        """For an entry: the decision in which it stands highest, and where."""
        for i, d in enumerate(self.decisions):
            self._add(i, -1, " ".join(d.forces), 0.6)
            self._add(i, -1, " ".join(d.said), 0.9)
            self._add(i, -1, f"{d.id.replace('_', ' ')} {d.problem}", 1.0)
            for j, option in enumerate(d.options):
                self._add(i, j, option.why, 1.0)
                if option.pattern not in self.best or j < self.best[option.pattern][0]:
                    self.best[option.pattern] = j, d, option
        self.answering = sum(1 << i for i, id in enumerate(cat.ids) if id in self.best)
        """The set of these entries, as in `Facets`."""

    def _add(self, i: int, j: int, text: str, value: float) -> None:
        for s in {stem(w) for w in words(text) if w not in FILLERS}:
            self.uses[s][i, j] = max(value, self.uses[s].get((i, j), 0.0))

    def fitting(self, asked: Asked) -> Iterator[tuple[Decision, float, list[float]]]:
        """(decision, share of the problem that it speaks of, the same with what each option says)."""
        common: dict[int, dict[str, float]] = defaultdict(dict)
        own: dict[tuple[int, int], dict[str, float]] = defaultdict(dict)
        for word in asked.weight:
            for form, value in asked.forms[word].items():
                first, *others = (self.uses.get(s, {}) for s in form)
                for i, j in first:
                    there = min(of.get((i, j), of.get((i, -1), 0.0)) for of in (first, *others))
                    known = common[i] if j < 0 else own[i, j]
                    known[word] = max(known.get(word, 0.0), value * there)
        for i in sorted({*common, *(i for i, _ in own)}):
            shares = []
            for j in range(len(self.decisions[i].options)):
                here = own.get((i, j), {})
                known = {w: min(1.0, common[i].get(w, 0.0) + here.get(w, 0.0) / 2) for w in {*here, *common[i]}}
                shares.append(asked.share(known))
            yield self.decisions[i], asked.share(common[i]), shares


class Case:
    """A problem with its conditions, and all that speaks for entries in it."""

    def __init__(self, cat: Catalog, text: str, conditions: Sequence[Condition] = (), limit: int = 0) -> None:
        """limit: how many entries are to be told at least, where nothing but the conditions says which."""
        self.cat, self.text, self.conditions = cat, text, conditions
        self.asked = Asked(cat, text)
        self.owned = after(text, {"my", "our"}, 2)
        self.refused = after(text, {"without"}, 3)
        self.chosen: dict[str, tuple[float, Decision, Option]] = {}
        """By id: share of the problem, the decision, the option."""
        self.spoken: dict[str, tuple[float, str, str]] = {}
        """By id: share, section, the sentence that speaks of it best."""
        self.mends: dict[str, tuple[float, Entry, FailureMode, str, str | None]] = {}
        """By id: share, the entry that fails and how, why this one helps, the claim that shows it."""
        self.failing: list[tuple[float, Entry, FailureMode]] = []
        """Share, entry, and the way in which it fails that the problem may be."""
        self.there: set[str] = set()
        """Entries that are no answer: they are what fails, so that whoever asks has them, or what is not wanted."""
        self.leading: Decision | None = None
        """The decision that speaks of the problem most."""
        if self.asked.weight:
            self._choose()
            for id in self._candidates():
                self._read(cat[id])
        elif not text:
            self._by_rank(cat._choices, max(CANDIDATES, limit))

    def _choose(self) -> None:
        """The options of decisions that speak of the problem, each in the decision that does so most."""
        options: dict[str, tuple[float, Decision, Option]] = {}
        best = LEADS
        for decision, whole, shares in self.cat._choices.fitting(self.asked):
            for j, (option, share) in enumerate(zip(decision.options, shares, strict=True)):
                points = share * (1 - LATER * min(j, 5))
                if points > options.get(option.pattern, (MINOR,))[0]:
                    options[option.pattern] = points, decision, option
            if whole > best:
                self.leading, best = decision, whole
        self.chosen = {id: options[id] for id in nlargest(CANDIDATES, options, key=lambda id: options[id][0])}

    def _candidates(self) -> Iterable[str]:
        """The entries to read: those that search brings up, of which enough meet the conditions, and the options."""
        scores = self.cat._index.scores(self.text)
        found = nlargest(len(scores), scores, key=lambda id: scores[id])
        if not self.conditions:
            return dict.fromkeys([*found[:CANDIDATES], *self.chosen])
        fitting = self.cat.facets.meet(self.conditions)
        few = positions(fitting) if fitting.bit_count() <= CANDIDATES else ()
        meeting = (id for id in found if fitting >> self.cat._at(id) & 1)
        ids = self.cat.ids
        return dict.fromkeys(
            [*islice(meeting, CANDIDATES), *found[: CANDIDATES // 2], *(ids[n] for n in few), *self.chosen]
        )

    def _by_rank(self, choices: Choices, most: int) -> None:
        """Without words: what stands highest in decisions comes first, then the order of the catalog."""
        facets, ids = self.cat.facets, self.cat.ids
        fitting = facets.meet(self.conditions)
        for without in (None, *self.conditions):
            bits = facets.meet(c for c in self.conditions if c is not without)
            bits &= ~fitting if without else fitting
            for n in islice(positions(bits & ~choices.answering), most):
                self.spoken[ids[n]] = FITS, "summary", self.cat[ids[n]].summary
            answering = (ids[n] for n in positions(bits & choices.answering))
            for id in nsmallest(most, answering, key=lambda id: choices.best[id][0]):
                place, decision, option = choices.best[id]
                self.chosen[id] = 1 / (1 + place), decision, option

    def _read(self, entry: Entry) -> None:
        """What an entry's own text says of the problem, and what mends its failures."""
        reach: dict[str, float] = {}
        best = (0.0, "", "")
        for section, value, sentence in _sentences(entry):
            found = self.asked.said(sentence)
            best = max(best, (value * self.asked.share(found), section, sentence), key=lambda b: b[0])
            for word, nearly in found.items():
                reach[word] = max(reach.get(word, 0.0), value * nearly)
        whole = (best[0] + self.asked.share(reach)) / 2
        if whole > MINOR:
            self.spoken[entry.id] = whole, best[1], best[2]
        there = named_in(self.owned, entry)
        if named_in(self.refused, entry):
            self.there.add(entry.id)
        for mode in entry.failure_modes:
            share = self.asked.part(symptom(mode))
            if share >= SYMPTOM or (there and share >= MINOR):
                self.failing.append((share, entry, mode))
                mending = list(remedies(self.cat, entry, mode))
                if mending and there:
                    self.there.add(entry.id)
                points = share if there else OTHERS * share
                for id, why, claim in mending:
                    if points > self.mends.get(id, (MINOR,))[0]:
                        self.mends[id] = points, entry, mode, why, claim

    def score(self, id: str) -> float:
        """The sum of the reasons' points, less where there is better by now."""
        parts = (of[id][0] for of in (self.chosen, self.spoken, self.mends) if id in of)
        return sum(parts) * UNSUITED.get(self.cat[id].status or "", 1.0)

    def ranked(self) -> list[tuple[str, float, list[Condition]]]:
        """(id, score, conditions it does not meet) of the entries that fit or nearly do, best first."""
        found = []
        for id in {**self.chosen, **self.spoken, **self.mends}:
            score = self.score(id)
            if id not in self.there and score >= (FITS if self.text else 0.0):
                values = values_of(self.cat[id])
                found.append((id, score, [c for c in self.conditions if not c.met(values.get(c.facet, ()))]))
        return sorted(found, key=lambda f: -f[1])

    # -- reasons

    def reasons(self, entry: Entry) -> tuple[tuple[Reason, ...], tuple[Reason, ...]]:
        """What speaks for an entry, and what against it."""
        return tuple(self._why(entry)), tuple(self._why_not(entry))

    def _why(self, entry: Entry) -> Iterator[Reason]:
        id = entry.id
        if id in self.chosen:
            points, decision, option = self.chosen[id]
            about = "" if decision is self.leading else f'For "{decision.problem}": '
            yield Reason(about + plain(option.why), f"decision {decision.id}", round(points, 3))
            if option.claim:
                yield Reason(shown(self.cat, entry, option.claim), f"claim {id}.{option.claim}", 0.0)
        if id in self.mends:
            points, of, mode, why, claim = self.mends[id]
            text = f"Mends {mode.id.replace('_', ' ')} of {of.name}: {plain(why)}"
            yield Reason(text, f"remedies {of.id}.{mode.id}", round(points, 3))
            if claim and not (id in self.chosen and claim == self.chosen[id][2].claim):
                yield Reason(shown(self.cat, entry, claim), f"claim {id}.{claim}", 0.0)
        if id in self.spoken:
            points, section, sentence = self.spoken[id]
            text = entry.summary if section == "name" else sentence
            yield Reason(HEAD.get(section, "") + plain(text), section, round(points, 3))
        if self.conditions:
            values = values_of(entry)
            asked = dict.fromkeys(c.facet for c in self.conditions)
            has = (f"{facet} {', '.join(values.get(facet, ['not stated']))}" for facet in asked)
            yield Reason(f"Facets: {'; '.join(has)}.", "facets", 0.0)

    def _why_not(self, entry: Entry) -> Iterator[Reason]:
        if entry.status in UNSUITED:
            yield Reason(f"It is {entry.status}: there is better by now.", "status", 0.0)
        liabilities = entry.consequences.liabilities if entry.consequences else []
        for section, texts in (("avoid_when", entry.avoid_when), ("liabilities", liabilities)):
            if texts:
                yield Reason(HEAD[section] + plain(max(texts, key=self.asked.part)), section, 0.0)
        mode = max(entry.failure_modes, key=lambda m: self.asked.part(symptom(m)), default=None)
        if mode and self.asked.part(symptom(mode)):
            text = f"It can fail: {plain(mode.symptom)} Then: {plain(mode.remedy)}"
            yield Reason(text, f"failure_modes {mode.id}", 0.0)


def symptom(mode: FailureMode) -> str:
    """What a failure is called, what one sees and where one looks for it."""
    return f"{mode.id.replace('_', ' ')}: {mode.symptom} {mode.detect}"


def remedies(cat: Catalog, entry: Entry, mode: FailureMode) -> Iterator[tuple[str, str, str | None]]:
    """(id, why it helps, the claim that shows it) of the entries that mend a way in which an entry fails."""
    stated = [e for e in cat.edges(entry.id) if e.derived and e.relation.fixes == mode.id]
    yield from ((e.target, e.relation.why, e.relation.claim) for e in stated)
    if mode.pattern and mode.pattern not in {e.target for e in stated}:
        yield mode.pattern, mode.remedy, None


def after(text: str, cues: Collection[str], within: int) -> set[tuple[str, ...]]:
    """The stems that follow certain words, from each of the next `within` words on. Most problems have none."""
    said = words(text)
    places = [i for i, word in enumerate(said) if word in cues]
    return {tuple(map(stem, said[i + n : i + n + LONGEST])) for i in places for n in range(1, within + 1)}


def named_in(said: Collection[tuple[str, ...]], entry: Entry) -> bool:
    """Whether one of these begins with a name of an entry: `my VAE`, `our new GAN`, `without training a VAE`."""
    if not said:
        return False
    bare = (re.sub(r"\([^()]*\)", "", name) for name in (entry.name, entry.id, *entry.aliases))
    called = [tuple(map(stem, words(name))) for name in bare]
    return any(name and part[: len(name)] == name for name in called for part in said)


def shown(cat: Catalog, entry: Entry, claim: str) -> str:
    """What a claim states, with the first of the numbers that were measured."""
    from .measured import amount, numbers_of

    found = next((n for n in numbers_of(cat, entry) if n.claim == f"{entry.id}.{claim}" and n.value is not None), None)
    if found is None:
        return plain(entry.claim(claim).statement)
    beside = (
        f"; {found.baseline}: {amount(found.baseline_value, found.unit)}" if found.baseline_value is not None else ""
    )
    return plain(f"{found.statement} Measured: {found.what}: {found.amount}{beside}.")


def _sentences(e: Entry) -> Iterator[tuple[str, float, str]]:
    """(section, weight, sentence) of all that speaks for an entry."""
    known = " ".join([e.name, *e.aliases, *(t.replace("_", " ") for t in e.tags)])
    texts = {
        "name": [known],
        "summary": [e.summary],
        "use_when": e.use_when,
        "known_uses": e.known_uses,
        "benefits": e.consequences.benefits if e.consequences else [],
    }
    for section in ("problem", "intent", "context"):
        texts[section] = re.split(r"(?<=[.!?]) +", getattr(e, section) or "")
    for section, sentences in texts.items():
        for sentence in sentences:
            yield section, SPEAKS[section], sentence


# -- what mends a failure


class Fix(NamedTuple):
    """A way in which an entry fails, and what helps."""

    id: str
    """The entry that fails."""
    name: str
    failure: str
    score: float
    """How much of what was asked the symptom is, from 0 to 1."""
    symptom: str
    detect: str
    remedy: str
    patterns: tuple[tuple[str, str, str | None], ...]
    """(id, why, measured) of the entries that mend it, those first whose remedy was measured."""


class Fixes(list[Fix], Answer):
    """Failures that fit a symptom, the likeliest first; printed, each with what to do."""

    def __init__(self, text: str, items: Iterable[Fix] = ()) -> None:
        super().__init__(items)
        self.text = text

    @property
    def ids(self) -> list[str]:
        """The entries that mend the failures, then those that fail."""
        mending = [id for fix in self for id, _, _ in fix.patterns]
        return list(dict.fromkeys([*mending, *(fix.id for fix in self)]))

    def rows(self) -> list[dict[str, Any]]:
        """One for each failure; `patterns` are the ids of the entries that mend it."""
        return [fix._asdict() | {"patterns": [id for id, _, _ in fix.patterns]} for fix in self]

    def to_dict(self) -> dict[str, Any]:
        """`text` and `fixes`, each of which has in `patterns` the id, why and measured of entries that mend it."""
        named = lambda fix: [dict(zip(("id", "why", "measured"), p, strict=True)) for p in fix.patterns]
        return {"text": self.text, "fixes": [fix._asdict() | {"patterns": named(fix)} for fix in self]}

    def __repr__(self) -> str:
        lines: list[str] = []
        for fix in self:
            lines += ["", f"{fix.failure.replace('_', ' ').capitalize()} of {fix.name} ({fix.id})"]
            lines += _bullets([f"Symptom: {fix.symptom}", f"Check: {fix.detect}", f"Remedy: {fix.remedy}"], "  ")
            for id, why, measured in fix.patterns:
                lines += _bullets([f"{id}: {why}", *([measured] if measured else [])], "  + ")
        return "\n".join(lines).strip("\n") or "no such failure is described"

    __str__ = __repr__


def fixes(cat: Catalog, text: str, limit: int = 4) -> Fixes:
    """See `Catalog.fixes`."""
    positive(limit=limit)
    if not words(as_text(text, "what goes wrong", "mode collapse")):
        raise BadQuestion("nothing to fix; say what goes wrong, such as 'mode collapse' or 'samples are blurred'")
    found = Fixes(text)
    failing = sorted(Case(cat, text).failing, key=lambda f: -f[0])
    for share, entry, mode in failing[:limit]:
        if share < NEAR_SYMPTOM * failing[0][0]:
            break
        mending = sorted(remedies(cat, entry, mode), key=lambda r: r[2] is None)
        patterns = tuple((id, why, shown(cat, cat[id], claim) if claim else None) for id, why, claim in mending)
        about = mode.symptom, mode.detect, mode.remedy
        found.append(Fix(entry.id, entry.name, mode.id, round(share, 3), *about, patterns))
    return found
