"""Whether patterns can be put together, by what their entries declare that goes into each verb and comes out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from itertools import permutations
from typing import TYPE_CHECKING, Any, Literal

from .compare import several
from .prose import plain
from .results import Answer, fold

if TYPE_CHECKING:
    from .catalog import Catalog
    from .schema import Entry, Need, Slot, Verb

MEANINGS = {
    "data": "an observation, of any of the kinds in the entry's facets",
    "image": "pixels, (C, H, W)",
    "video": "frames, (F, H, W)",
    "audio": "frames of a spectrogram, (T, F)",
    "vector": "numbers without an order of their own, such as the row of a table",
    "binary": "bits",
    "sequence": "numbers in the order of time",
    "text": "a string",
    "tokens": "a row of numbers of a vocabulary",
    "graph": "nodes and edges",
    "codes": "a row of numbers of a codebook",
    "latent": "the continuous code of an observation",
    "embedding": "one vector whose angles to others mean something",
    "features": "a vector for each position",
    "noise": "draws of a standard normal law, as many as an observation has numbers",
    "time": "the noise level of a diffusion",
    "mask": "which part of an observation counts",
    "state": "what a recurrent network remembers",
    "keys_and_values": "what attention remembers of each position",
    "grammar": "which texts are allowed",
    "label": "a class or a number that is asked for",
    "query": "a question",
    "passages": "texts to look things up in",
    "preference": "pairs of a preferred and another output",
    "demonstrations": "pairs of a request and the right output",
    "logits": "scores of the next or the hidden token",
    "law": "a conditional distribution",
    "log_probability": "log p(x) or a bound on it",
    "energy": "-log p(x) up to a constant",
    "gradient": "the slope of log p(x)",
    "velocity": "which way, and how fast, noise turns into data",
    "predicted_noise": "the noise expected in a noised observation",
    "reward": "how good an output is",
    "relevance": "how well two things go together",
    "verdict": "whether something looks like data",
    "report": "measurements of a set of samples",
}
"""What each kind of value is."""

_CODES = "numbers of a codebook are tokens of a vocabulary of the same size"
_STRINGS = "a tokenizer stands between text and tokens"
_NUMBERS = "where it is built for as many numbers"
_DENOISING = "at a known noise level, noise, score and velocity follow from each other by a linear equation"
_RANKS = "whatever ranks outputs can stand for a reward"
CONVERSIONS = {
    ("codes", "tokens"): _CODES,
    ("tokens", "codes"): _CODES,
    ("latent", "vector"): _NUMBERS,
    ("vector", "latent"): _NUMBERS,
    ("embedding", "vector"): _NUMBERS,
    ("binary", "vector"): _NUMBERS,
    ("image", "vector"): "pixels are numbers, read row by row",
    ("video", "image"): "each frame is an image",
    ("text", "tokens"): _STRINGS,
    ("tokens", "text"): _STRINGS,
    ("query", "text"): "a question is a text",
    ("text", "query"): "a text can be the question",
    ("query", "tokens"): _STRINGS,
    ("passages", "text"): "passages are put one after the other into one text",
    ("text", "passages"): "texts are put into the index",
    ("passages", "tokens"): "passages are put one after the other into one prompt, cut into tokens",
    ("logits", "law"): "a softmax turns them into probabilities",
    ("demonstrations", "tokens"): "request and output are written into one row",
    **{
        (given, wanted): _DENOISING
        for given in ("gradient", "velocity", "predicted_noise")
        for wanted in ("gradient", "velocity", "predicted_noise")
        if given != wanted
    },
    **{(given, "reward"): _RANKS for given in ("relevance", "verdict")},
}
"""(given, wanted): what makes the one of the other."""

ALIKE = {
    "tokens": "where both have one vocabulary",
    "label": "where both mean the same by a number",
    "image": "where sizes and channels agree",
}
"""What has to be alike where the kinds are the same."""
INSIDE = {"noise", "time", "state", "keys_and_values"}
"""Values that a pattern passes to itself: a verb that has to be given one of them is no stage of a pipeline."""
PRIVATE = {"latent", "codes", "features"}
"""Values that mean something to their own encoder and decoder alone: another's decoder cannot read them."""
LEARNING = {"step", "store", "index"}
"""Verbs that change the pattern by what they are given."""
JUDGING = {"log_probability", "energy", "reward", "relevance", "verdict", "report"}
"""Values that say something of what was given, and hand nothing on."""
FIRST = ("encode", "tokens", "retrieve", "sample")
"""Of verbs that give the same, the one to name."""
COMPOSING = ("has_part", "builds_on", "conditions", "adapts", "accelerates", "serves", "evaluates")
"""Relations that say how two patterns work together."""
HOSTS = ("part_of", "extended_by", "conditioned_by", "adapted_by")
"""Relations, seen from a part, that lead to what is made of it."""

Role = Literal["fills", "feeds", "teaches", "judges"]
Meeting = Callable[[str, str], "list[Join]"]
"""How two parts meet, by their ids."""


@dataclass(frozen=True)
class Join:
    """How one part meets another."""

    source: str
    """The part that gives something, or goes into a slot."""
    target: str
    role: Role
    """fills: it goes into a slot; feeds: its output is the other's input; teaches: the other learns from its
    output; judges: the other judges its output."""
    strong: bool
    """Whether something new comes about: not so where samples of the one are judged or encoded by the other, or
    train it."""
    samples: bool
    """Whether it is samples that are handed on, rather than codes."""
    verbs: tuple[str, ...]
    """Verbs of the source."""
    gives: str
    """Kind of value; the slot's name where it fills one."""
    into: tuple[str, ...]
    """Verbs of the target; none for a slot."""
    takes: str
    """Kind of value as the target takes it."""
    conversion: str | None
    """What has to happen between, where the kinds are not the same."""
    open: tuple[str, ...] = ()
    """Other values that the target's verb has to be given."""

    def said(self) -> str:
        """The join as a sentence."""
        care = self.conversion or (ALIKE.get(self.takes) if self.role != "fills" else None)
        then = f"; {care}" if care else ""
        if self.role == "fills":
            return f"{self.source} goes into {self.target} as its {self.gives} ({', '.join(self.verbs)}){then}."
        how = f" as {words(self.takes)}" if self.takes != self.gives else ""
        does = {"feeds": "takes", "teaches": "learns from", "judges": "judges"}[self.role]
        given = f"{self.source}.{self.verbs[0]} gives {words(self.gives)}"
        return f"{given}, which {self.target} {does}{how} ({', '.join(self.into)}){then}."


@dataclass(frozen=True)
class Gap:
    """A part that nothing before it meets, and what could stand between."""

    source: str
    target: str
    gives: tuple[str, ...]
    takes: tuple[str, ...]
    bridges: tuple[tuple[str, str, str, str], ...]
    """(id, verb, taken, given) of patterns that take what is there and give what is wanted."""

    def said(self) -> str:
        """The gap in two sentences."""
        said = f"{self.source} gives {_list(self.gives) or 'nothing that could be handed on'}"
        said += f", and {self.target} takes {_list(self.takes) or 'nothing'}."
        ways = [f"{id}.{verb} ({words(taken)} to {words(given)})" for id, verb, taken, given in self.bridges]
        return f"{said} Between them belongs {' or '.join(ways)}." if ways else said


class Composition(Answer):
    """Whether parts fit; printed, it says through which verbs, what has to be converted, and what stays open."""

    def __init__(
        self, parts: Sequence[Entry], joins: Sequence[Join], back: Sequence[Join], gaps: Sequence[Gap]
    ) -> None:
        self.parts = list(parts)
        self.joins = list(joins)
        """In the order of the parts: how each one meets those before it."""
        self.back = list(back)
        """From later parts to earlier ones."""
        self.gaps = list(gaps)
        self.undeclared = [e.id for e in parts if not e.interface]
        """Parts whose entries do not say what goes in and comes out."""
        self.known: list[tuple[str, str]] = []
        """(id, why) of entries that are made of all these parts."""
        self.other_order: list[str] = []
        """An order in which the parts fit, where the given one is not it."""

    @property
    def verdict(self) -> Literal["fits", "loosely", "no", "undeclared"]:
        """loosely: one part merely judges samples of another, or is trained on them."""
        if self.undeclared:
            return "undeclared"
        if self.gaps:
            return "no"
        reached = {self.parts[0].id}
        for part in self.parts[1:]:
            if not any(j.strong and {j.source, j.target} - {part.id} <= reached for j in self.of(part.id)):
                return "loosely"
            reached.add(part.id)
        return "fits"

    @property
    def fits(self) -> bool:
        """Whether every part meets one before it."""
        return self.verdict == "fits"

    @property
    def open(self) -> list[str]:
        """`id.verb: value` for each input that no part gives."""
        return list(dict.fromkeys(f"{j.target}.{j.into[0]}: {words(v)}" for j in self.joins for v in j.open))

    def of(self, id: str) -> list[Join]:
        """The joins of a part with those before it."""
        place = {e.id: i for i, e in enumerate(self.parts)}
        return [j for j in self.joins if max(j.source, j.target, key=place.__getitem__) == id]

    def rows(self) -> list[dict[str, Any]]:
        """One for each way in which two parts meet, with the fields of `Join`."""
        return [asdict(j) for j in [*self.joins, *self.back]]

    def to_dict(self) -> dict[str, Any]:
        """`ids`, the `verdict`, `joins`, `back`, `gaps`, what is `open`, `known` compositions, `other_order`."""
        return {
            "ids": [e.id for e in self.parts],
            "verdict": self.verdict,
            "joins": [asdict(j) for j in self.joins],
            "back": [asdict(j) for j in self.back],
            "gaps": [asdict(g) for g in self.gaps],
            "open": self.open,
            "undeclared": self.undeclared,
            "known": [{"id": id, "why": why} for id, why in self.known],
            "other_order": self.other_order,
        }

    def __repr__(self) -> str:
        said = {
            "fits": "they fit", "loosely": "they fit, but loosely: samples are judged, encoded or learned from",
            "no": "they do not fit", "undeclared": "nothing can be said",
        }[self.verdict]  # fmt: skip
        lines = [f"{' + '.join(e.id for e in self.parts)}: {said}"]
        for id in self.undeclared:
            lines += fold(f"{id} declares no interface: its entry does not say what goes in and comes out.", "  ")
        for gap in self.gaps:
            lines += ["", f"{gap.target}", *fold(gap.said(), "  ")]
        for part in self.parts[1:]:
            mine = sorted(self.of(part.id), key=lambda j: not j.strong)
            lines += ["", part.id] if mine else []
            lines += [line for j in mine for line in fold(j.said(), "  ")]
        if self.back:
            lines += ["", "And back"]
            lines += [line for j in self.back for line in fold(j.said(), "  ")]
        if self.open:
            lines += ["", "Left open", *(f"  {text}" for text in self.open)]
        if self.other_order:
            lines += ["", "In another order", *fold(f"{' + '.join(self.other_order)} fits.", "  ")]
        if self.known:
            lines += ["", "In the catalog"]
            lines += [line for id, why in self.known for line in fold(f"{id}: {plain(why)}", "  ")]
        return "\n".join(lines)

    __str__ = __repr__


def compose(cat: Catalog, ids: Iterable[str]) -> Composition:
    """Whether patterns can be put together, in this order.

    Raises UnknownPattern, or BadQuestion for fewer than two patterns, or the same twice.
    """
    parts = several(cat, ids, "compose", "vq_vae gpt")
    entries = {e.id: e for e in parts}
    # orders differ in which pairs meet, not in how a pair does
    fills = cache(lambda a, b: _fills(cat, entries[a], entries[b]))
    flows = cache(lambda a, b: _best(entries[a], entries[b], parts))
    found = _composed(parts, fills, flows)
    found.gaps = [_bridged(cat, gap) for gap in found.gaps]
    if found.verdict in ("no", "loosely") and len(parts) <= 5:
        others = (_composed(order, fills, flows) for order in permutations(parts) if list(order) != parts)
        best = next((c for c in others if c.fits), None)
        found.other_order = [e.id for e in best.parts] if best else []
    found.known = _known(cat, parts)
    return found


def _composed(parts: Sequence[Entry], fills: Meeting, flows: Meeting) -> Composition:
    """The joins of parts in an order, from how each pair of them meets: by slots, and by data."""
    joins: list[Join] = []
    back: list[Join] = []
    gaps: list[Gap] = []
    for i, part in enumerate(parts[1:], 1):
        earlier = [e.id for e in parts[:i]]
        slots = [j for id in earlier for j in fills(id, part.id)]
        met = [flows(id, part.id) for id in reversed(earlier)]
        flow = next((f for f in met if any(j.strong for j in f)), next(filter(None, met), []))
        if not (slots or flow) and part.interface and parts[i - 1].interface:
            gaps.append(_gap(parts[i - 1], part))
        # beside a slot, what is told is how codes pass, not what else could be done with samples
        joins += [*slots, *(j for j in flow if not slots or (j.strong and j.role == "feeds" and not j.samples))]
        back += [j for e in parts[:i] for j in flows(part.id, e.id) if _returns(j, e)]
    return Composition(parts, _one_each(joins, parts), [] if gaps else back, gaps)


# -- data from one part to the next


@dataclass(frozen=True)
class Call:
    """A verb with `data` read as one kind of observation."""

    verb: str
    takes: tuple[str, ...]
    accepts: tuple[str, ...]
    gives: tuple[str, ...]

    @property
    def outside(self) -> bool:
        """Whether what it takes can come from another pattern."""
        return not INSIDE & set(self.takes)


def calls(entry: Entry, signatures: Iterable[Verb | Need]) -> list[Call]:
    """Signatures of an entry, those that speak of `data` once for each kind of observation."""
    found = []
    for s in signatures:
        general = "data" in {*s.takes, *s.accepts, *s.gives}
        # facets of other catalogs need not say what the data are
        for kind in (getattr(entry.facets, "data", None) or ["data"]) if general else ["data"]:
            takes, accepts, gives = (
                tuple(kind if v == "data" else v for v in x) for x in (s.takes, s.accepts, s.gives)
            )
            found.append(Call(s.verb or "", takes, accepts, gives))
    return found


def products(entry: Entry) -> set[str]:
    """The kinds of value that a pattern is there to make: what it samples."""
    return {g for c in calls(entry, entry.interface) if c.verb == "sample" for g in c.gives}


def converted(given: Iterable[str], wanted: Iterable[str]) -> tuple[str, str, str | None] | None:
    """(given, wanted, conversion) of the nearest of the kinds; None where nothing leads from the ones to the others."""
    given, wanted = list(given), list(wanted)
    same = next((g for g in given if g in wanted), None)
    if same:
        return same, same, None
    return next(((g, w, CONVERSIONS[g, w]) for g in given for w in wanted if (g, w) in CONVERSIONS), None)


def _best(a: Entry, b: Entry, parts: Sequence[Entry]) -> list[Join]:
    """The strongest ways in which outputs of a go into b: at most two, of different kinds."""
    found = sorted(_flows(a, b, parts), key=_rank)
    exact = {(j.gives, j.strong) for j in found if not j.conversion}
    found = [j for j in found if not (j.conversion and (j.gives, j.strong) in exact)]
    strong = [j for i, j in enumerate(found) if j.strong and j.takes not in {k.takes for k in found[:i]}]
    return strong[:2] or found[:1]


def _rank(j: Join) -> tuple[Any, ...]:
    return not j.strong, j.samples, j.conversion is not None, ("feeds", "judges", "teaches").index(j.role), len(j.open)


def _flows(a: Entry, b: Entry, parts: Sequence[Entry]) -> Iterator[Join]:
    """All ways in which outputs of a go into b, verbs of the same kind and role together."""
    made, wanted = products(a), products(b)
    encoded = {g for c in calls(b, b.interface) for g in c.gives}
    met: dict[tuple[str, str, Role, bool], list[tuple[Call, Call, str | None]]] = {}
    for out in calls(a, a.interface):
        for into in calls(b, b.interface):
            if not (out.outside and into.outside):
                continue
            for gives in (g for g in out.gives if g not in INSIDE | JUDGING):
                found = converted([gives], [*into.takes, *into.accepts])
                if not found or (gives in PRIVATE and gives == found[1] and gives in encoded):
                    continue
                role: Role = "feeds"
                if into.verb in LEARNING:
                    role = "teaches"
                elif into.gives and set(into.gives) <= JUDGING:
                    role = "judges"
                samples = gives in made
                # a text that goes on from another model's text is no more than that
                continues = samples and found[2] is None and gives in wanted and gives not in into.takes
                makes = bool(set(into.gives) & wanted) and into.verb != "reconstruct" and not continues
                strong = makes if role == "feeds" else role == "teaches" and not samples
                met.setdefault((gives, found[1], role, strong), []).append((out, into, found[2]))
    for (gives, takes, role, strong), pairs in met.items():
        first = min((out for out, _, _ in pairs), key=lambda c: FIRST.index(c.verb) if c.verb in FIRST else len(FIRST))
        lacking = {into.verb: _open(into, takes, b, parts) for _, into, _ in pairs}
        into = tuple(sorted(lacking, key=lambda verb: len(lacking[verb])))
        yield Join(
            a.id, b.id, role, strong, gives in made, (first.verb,), gives, into, takes, pairs[0][2], lacking[into[0]]
        )


def _open(into: Call, met: str, b: Entry, parts: Sequence[Entry]) -> tuple[str, ...]:
    """What a verb has to be given besides, and no other part gives."""
    rest = list(into.takes)
    if met in rest:
        rest.remove(met)
    offered = {g for e in parts if e is not b for c in calls(e, e.interface) for g in c.gives} - {met}
    return tuple(value for value in rest if value not in offered)


def _returns(j: Join, target: Entry) -> bool:
    """Whether something goes back into the code from which an earlier part makes its samples."""
    coded = {g for c in calls(target, target.interface) if c.takes and c.outside for g in c.gives}
    return j.role == "feeds" and j.takes in coded - products(target)


def _gap(a: Entry, b: Entry) -> Gap:
    """What keeps two parts apart."""
    gives = dict.fromkeys(g for c in calls(a, a.interface) for g in c.gives if g not in INSIDE | JUDGING)
    entering = [c for c in calls(b, b.interface) if c.outside]
    takes = dict.fromkeys(t for c in entering for t in [*c.takes, *c.accepts] if t not in INSIDE)
    return Gap(a.id, b.id, tuple(gives), tuple(takes), ())


def _bridged(cat: Catalog, gap: Gap) -> Gap:
    """A gap with what could stand in it, among the entries that relations lead to from either side."""
    found: dict[str, tuple[Any, ...]] = {}
    for end in (gap.source, gap.target):
        for r in cat.related(end, depth=3):
            if r.id in (gap.source, gap.target):
                continue
            for c in calls(cat[r.id], cat[r.id].interface):
                entered, left = converted(gap.gives, c.takes), converted(c.gives, gap.takes)
                if c.outside and entered and left:
                    steps = (entered[2] is not None) + (left[2] is not None)
                    way = (len(c.takes) + steps, c.verb == "sample", r.distance, r.id, c.verb, entered[0], left[0])
                    found[r.id] = min(way, found.get(r.id, way))
    bridges = tuple((id, verb, taken, given) for *_, id, verb, taken, given in sorted(found.values())[:3])
    return replace(gap, bridges=bridges)


# -- parts that go into slots


def _fills(cat: Catalog, a: Entry, b: Entry) -> list[Join]:
    """Slots of the one that the other can fill: of b by a, unless only the reverse holds or is stated."""
    ways = [[_filling(host, slot, part) for slot in host.slots] for part, host in ((a, b), (b, a))]
    forth, back = ([j for j in way if j] for way in ways)
    stated = any(x.target == b.id and x.type in COMPOSING and x.type != "serves" for x in cat.edges(a.id))
    return back if back and (stated or not forth) else forth


def _filling(host: Entry, slot: Slot, part: Entry) -> Join | None:
    """How a pattern does all that a slot needs; None where it does not."""
    ways = [_doing(host, need, part) for need in slot.needs]
    found = [way for way in ways if way]
    if len(found) < len(ways):
        return None
    verbs = tuple(dict.fromkeys(verb for verb, _ in found))
    conversion = next((said for _, said in found if said), None)
    return Join(part.id, host.id, "fills", True, False, verbs, slot.name, (), slot.name, conversion)


def _doing(host: Entry, need: Need, part: Entry) -> tuple[str, str | None] | None:
    """The verb that can be called with what a slot offers and gives what it needs, and what is converted on the way."""
    for wish in calls(host, [need]):
        offered = [*wish.takes, *wish.accepts]
        able = []
        for c in calls(part, part.interface):
            entering = [converted(offered, [t]) for t in c.takes]
            leaving = [converted(c.gives, [g]) for g in wish.gives]
            used = converted(wish.takes, [*c.takes, *c.accepts]) if wish.takes else ("", "", None)
            if (
                wish.verb in ("", c.verb)
                and all(entering)
                and all(leaving)
                and used
                and bool(c.gives) == bool(wish.gives)
            ):
                # what is offered first is what the slot is for
                place = min((i for i, kind in enumerate(offered) if kind in c.takes), default=len(offered))
                said = next((met[2] for met in [*entering, *leaving, used] if met and met[2]), None)
                able.append((place, c.verb, said))
        if able:
            _, verb, said = min(able, key=lambda way: way[0])
            return verb, said
    return None


def _one_each(joins: Sequence[Join], order: Sequence[Entry]) -> list[Join]:
    """Of several parts for one slot the one that has no other place in its host, or that comes last before it; the
    others too, where nothing else joins them to anything."""
    place = {e.id: i for i, e in enumerate(order)}
    kept = list(joins)

    def claim(j: Join) -> tuple[Any, ...]:
        elsewhere = any((k.source, k.target) == (j.source, j.target) and k is not j for k in kept)
        return not elsewhere, place[j.source] < place[j.target], place[j.source]

    for j in joins:
        rivals = [k for k in kept if (k.role, k.target, k.gives) == ("fills", j.target, j.gives) and k is not j]
        others = [k for k in kept if j.source in (k.source, k.target) and k is not j]
        if j.role == "fills" and others and any(claim(k) > claim(j) for k in rivals):
            kept.remove(j)
    return kept


# -- what the catalog has already


def _known(cat: Catalog, parts: Sequence[Entry]) -> list[tuple[str, str]]:
    """Entries that are made of all the parts, and relations among the parts themselves."""
    ids = {e.id for e in parts}
    around = [{x.target: x for x in cat.edges(e.id) if x.type in HOSTS} for e in parts]
    made = [id for id in around[0] if id not in ids and all(id in hosts for hosts in around[1:])]
    made.sort(key=lambda id: -sum(hosts[id].type == "part_of" for hosts in around))
    found = [(id, cat[id].summary) for id in made[:3]]
    among = [x for e in parts for x in cat.edges(e.id) if x.target in ids and x.type in COMPOSING]
    return [(f"{x.source} {words(x.type)} {x.target}", x.relation.why) for x in among[:3]] + found


# -- words


def words(name: str) -> str:
    """A name as people write it."""
    return name.replace("_", " ")


def _list(values: Sequence[str]) -> str:
    return ", ".join(map(words, values))
