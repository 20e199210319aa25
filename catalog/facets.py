"""Facets: the closed choices by which entries are filtered, and an index of bitsets over them.

A condition is written as `likelihood=exact`, `sampling!=sequential`, `data=image,text` (either), `year>=2015`,
`difficulty<=2` or `year=2015..2019`; in Python also as keywords, `matching(likelihood="exact", year=">=2015")`.
"""

from __future__ import annotations

import math
import re
import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

from .errors import BadQuestion, as_texts, did_you_mean

if TYPE_CHECKING:
    from .catalog import Catalog
    from .schema import Entry

FIELDS = ("family", "kind", "status", "difficulty", "year", "tags")
"""Fields of an entry that are facets too."""
IN_WORDS = ("nfe", "cost")
"""Facets that are said in free words: nothing to choose from."""
FEW = 24
"""Values that a message lists before it says how many more there are."""

DATA = {
    "image": "images?|pictures?|photos?|photographs?", "text": "texts?|sentences|documents", "video": "videos?|films?",
    "audio": "audio|sounds?|speech|voices?", "graph": "graphs|molecules", "sequence": "sequences|time series",
    "vector": "tables|tabular data|vectors", "binary": "bits|binary (?:data|vectors)",
}  # fmt: skip
SAID = [
    (r"(?:in |with )?(?:one|a single|single)[ -](?:forward )?(?:pass|shot|step)", "sampling=one_pass"),
    (r"(?:needs?|with) no pre-?trained (?:\w+)", "needs_pretrained=false"),
    (r"without (?:an? |any )?pre-?trained (?:\w+)", "needs_pretrained=false"),
    *((rf"for (?:\w+ )?(?:{words})", f"data={value}") for value, words in DATA.items()),
    (r"(?:since|published from|from) ((?:19|20)\d\d)(?: on| onward)?", r"year>=\1"),
    (r"(?:before|older than) ((?:19|20)\d\d)", r"year<=\1"),
    (r"for beginners", "difficulty<=2"),
]
"""Plain words that can only mean a condition, where the catalog has such a facet and value."""
NOT = r"(?:without(?: an?| any)?|with no|no|not|non|but not)[ -]"

Wanted = str | int | float | bool | Iterable[str] | None


def values_of(entry: Entry) -> dict[str, list[str]]:
    """The facets of an entry and its values of each; a facet that says nothing of the entry has none.

    >>> import catalog
    >>> values_of(catalog.load()["vae"])["likelihood"]
    ['bound']
    """
    said = {name: getattr(entry, name, None) for name in FIELDS}
    if entry.facets is not None:
        said |= {name: value for name, value in entry.facets if name not in IN_WORDS}
    return {
        name: [_word(v) for v in (value if isinstance(value, list) else [value])]
        for name, value in said.items()
        if value not in (None, "")
    }


def declared(catalog: Catalog) -> dict[str, list[str]]:
    """The values that each facet may have, also those that no entry has yet; of free text and numbers none."""
    fields = catalog.vocabulary.entry.model_fields
    kinds = {name: fields[name].annotation for name in FIELDS if name in fields}
    if "facets" in fields:
        of = fields["facets"].annotation
        for model in (of, *get_args(of)):
            chosen = getattr(model, "model_fields", {})
            kinds |= {name: field.annotation for name, field in chosen.items() if name not in IN_WORDS}
    return {name: _options(kind) for name, kind in kinds.items()} | {"family": list(catalog.titles)}


def _options(kind: Any) -> list[str]:
    """What a field of this type chooses from; nothing for free text and numbers."""
    if kind is bool:
        return ["true", "false"]
    if get_origin(kind) is Literal:
        return list(get_args(kind))
    return next((options for part in get_args(kind) if (options := _options(part))), [])


def _word(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


@dataclass(frozen=True)
class Condition:
    """What is asked of one facet: one of some values, none of them, or a number from `low` to `high`."""

    facet: str
    values: tuple[str, ...] = ()
    excluded: bool = False
    low: float | None = None
    high: float | None = None

    def __str__(self) -> str:
        if self.values:
            return f"{self.facet}{'!=' if self.excluded else '='}{','.join(self.values)}"
        low, high = (f"{x:g}" if x is not None else "" for x in (self.low, self.high))
        if low and high:
            return f"{self.facet}={low}..{high}"
        return f"{self.facet}>={low}" if low else f"{self.facet}<={high}"

    def allows(self, value: str) -> bool:
        """Whether one value of the facet meets it."""
        if self.values:
            return (value in self.values) != self.excluded
        number = _number(value)
        if number is None:
            return False
        return (self.low is None or number >= self.low) and (self.high is None or number <= self.high)

    def met(self, values: Iterable[str]) -> bool:
        """Whether an entry with these values of the facet meets it."""
        return (all if self.excluded else any)(map(self.allows, values))


class Facets:
    """For every facet and value, the set of entries that have it, as an integer: bit i is entry i of the catalog."""

    def __init__(self, size: int, sets: Mapping[str, Mapping[str, int | bytes]], declared: Mapping[str, Iterable[str]]):
        """size: number of entries. sets: by facet and value, a bitset, or the bytes that `rows` gives for one.

        declared: values that a facet may have and perhaps no entry has.
        """
        self.size = size
        self.all = (1 << size) - 1
        values = {
            name: dict.fromkeys(declared.get(name, ()), 0) | dict(sets.get(name, {})) for name in {**declared, **sets}
        }
        self._sets = {name: of for name, of in values.items() if of}

    @classmethod
    def build(cls, entries: Iterable[Mapping[str, Iterable[str]]], declared: Mapping[str, Iterable[str]]) -> Facets:
        """From `values_of` of all entries, in the order of the catalog."""
        where: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
        size = 0
        for size, facets in enumerate(entries, 1):
            for name, values in facets.items():
                for value in values:
                    where[name][value].append(size - 1)
        sets = {name: {v: _packed(at) for v, at in values.items()} for name, values in where.items()}
        return cls(size, sets, declared)

    def rows(self) -> Iterator[tuple[str, str, bytes]]:
        """(facet, value, set as bytes), to be stored and given back to `stored`."""
        for name, values in self._sets.items():
            for value, found in values.items():
                yield name, value, found if isinstance(found, bytes) else _packed(positions(found))

    @classmethod
    def stored(cls, size: int, rows: Iterable[tuple[str, str, bytes]]) -> Facets:
        """From what `rows` gave; a set is unpacked when a question first needs it."""
        sets: dict[str, dict[str, int | bytes]] = defaultdict(dict)
        for name, value, packed in rows:
            sets[name][value] = packed
        return cls(size, sets, {})

    # -- what there is

    @property
    def names(self) -> list[str]:
        """All facets."""
        return list(self._sets)

    def values(self, facet: str) -> dict[str, int]:
        """The values of a facet, and how many entries have each. Raises BadQuestion for a facet that does not exist."""
        return {v: self._set(self._facet(facet), v).bit_count() for v in self._ordered(self._facet(facet))}

    def single(self, facet: str) -> bool:
        """Whether no entry has two values of this facet."""
        sets = [self._set(facet, v) for v in self._sets[facet]]
        return sum(s.bit_count() for s in sets) == _union(sets).bit_count()

    # -- questions

    def matching(self, where: str | Iterable[str] = (), **facets: Wanted) -> int:
        """The set of entries that meet all conditions, as bits over the order of the catalog.

        where: conditions as text, `likelihood=exact` or `year>=2015`; facets: the same as keywords. Several values of
        one keyword mean any of them, a leading `!` none of them.

        Raises BadQuestion for a facet or a value that does not exist.

        >>> import catalog
        >>> cat = catalog.load()
        >>> [cat.ids[i] for i in positions(cat.facets.matching("year<=1990", family="recurrent"))]
        ['rnn']
        """
        return self.meet(self.conditions(where, **facets))

    def meet(self, conditions: Iterable[Condition]) -> int:
        """The set of entries that meet all conditions."""
        found = self.all
        for condition in conditions:
            found &= self.set(condition)
        return found

    def set(self, condition: Condition) -> int:
        """The set of entries that meet one condition."""
        if condition.excluded:
            return self.all & ~_union(self._set(condition.facet, v) for v in condition.values)
        return _union(self._set(condition.facet, v) for v in self._sets[condition.facet] if condition.allows(v))

    def conditions(self, where: str | Iterable[str] = (), **facets: Wanted) -> list[Condition]:
        """What `matching` is asked for, checked. Raises BadQuestion, also where two conditions exclude each other."""
        asked = [self._read(*_split(text)) for text in as_texts(where, "a condition", "likelihood=exact")]
        for facet, wanted in facets.items():
            if wanted is None:  # not asked for, as in `claims`
                self._facet(facet)
            elif isinstance(wanted, str):
                sign, value = re.fullmatch(r"\s*(!|>=|<=|)=?(.*)", wanted, re.S).groups()  # type: ignore[union-attr]
                asked.append(self._read(facet, {"!": "!=", "": "="}.get(sign, sign), value))
            elif isinstance(wanted, (bool, int, float)):
                asked.append(self._read(facet, "=", _word(wanted)))
            elif isinstance(wanted, Iterable):
                asked.append(self._read(facet, "=", ",".join(map(_word, wanted))))
            else:
                raise BadQuestion(f"{facet} takes a value or several, such as {facet}='...', not {wanted!r}")
        asked = list(dict.fromkeys(asked))
        for i, b in enumerate(asked):
            for a in asked[:i]:
                if a.facet == b.facet and self._exclude(a, b):
                    raise BadQuestion(f"{a} and {b} contradict each other; {self._alone(a)}, {self._alone(b)}")
        return asked

    def conflict(self, conditions: Sequence[Condition]) -> str:
        """Why no entry meets all of the conditions, each of which can be met: what stands in the way of what."""
        sets = [self.set(c) for c in conditions]
        for condition, found in zip(conditions, sets, strict=True):
            if not found:
                return f"no entry has {condition}"
        for i, b in enumerate(conditions):
            for j, a in enumerate(conditions[:i]):
                if not sets[i] & sets[j]:
                    return f"no entry has both {a} and {b}: {self._alone(a)}, {self._alone(b)}"
        without = [
            f"without {c} there are {n}"
            for c in conditions
            if (n := self.meet(other for other in conditions if other is not c).bit_count())
        ]
        return f"no entry has all of {', '.join(map(str, conditions))}" + (": " + ", ".join(without) if without else "")

    def understood(self, text: str) -> tuple[list[tuple[Condition, str]], str]:
        """Conditions that a problem states in plain words, each with these words; and the text without exclusions.

        Certain are a value followed by its facet (`exact likelihood`, `without adversarial training`) and `SAID`.

        >>> import catalog
        >>> found, rest = catalog.load().facets.understood("draw digits in one pass without adversarial training")
        >>> [str(condition) for condition, words in found], rest
        (['sampling=one_pass', 'training!=adversarial'], 'draw digits in one pass')
        """
        said = list(SAID)
        for name, values in self._sets.items():
            if name not in FIELDS:
                said += [
                    (rf"{re.escape(v).replace('_', '[ _-]')} {name.replace('_', ' ')}", f"{name}={v}") for v in values
                ]
        found: dict[Condition, str] = {}
        for pattern, condition in said:
            for m in re.finditer(rf"(?<![\w-])({NOT})?(?:{pattern})(?![\w-])", text, re.I):
                facet, sign, value = _split(m.expand(condition.replace(r"\1", r"\2")))
                if m[1] and sign != "=":
                    continue
                try:
                    found.setdefault(self._read(facet, "!=" if m[1] else sign, value), m[0].strip())
                except BadQuestion:  # a facet or value of other catalogs
                    continue
        rest = text
        for condition, words in found.items():
            if condition.excluded or condition.facet == "needs_pretrained":
                rest = rest.replace(words, " ")
        return list(found.items()), " ".join(rest.split())

    # -- helpers

    def _alone(self, condition: Condition) -> str:
        n = self.set(condition).bit_count()
        return f"{n} {'entry' if n == 1 else 'entries'} with {condition}"

    def _exclude(self, a: Condition, b: Condition) -> bool:
        """Whether no entry could ever meet both."""
        if a.excluded and b.excluded:
            return False
        if a.excluded or b.excluded:
            out, other = (a, b) if a.excluded else (b, a)
            return bool(other.values) and set(other.values) <= set(out.values)
        if a.values and b.values:
            return self.single(a.facet) and not set(a.values) & set(b.values)
        if a.values or b.values:
            some, span = (a, b) if a.values else (b, a)
            return not any(map(span.allows, some.values))
        low = max(x.low for x in (a, b) if x.low is not None) if a.low is not None or b.low is not None else None
        high = min(x.high for x in (a, b) if x.high is not None) if a.high is not None or b.high is not None else None
        return low is not None and high is not None and low > high

    def _read(self, facet: str, sign: str, text: str) -> Condition:
        """One condition, checked."""
        facet = self._facet(facet)
        span = re.fullmatch(r"\s*(-?[\d.]*\d)?\s*\.\.\s*(-?\d[\d.]*)?\s*", text) if sign == "=" else None
        if span and not any(span.groups()):
            raise BadQuestion(f"{facet}=.. has no end; write {facet}=2015.., {facet}=..2015 or {facet}=2015..2019")
        if span or sign in (">=", "<="):
            known = [v for v in self._sets[facet] if _number(v) is not None]
            if not known:
                raise BadQuestion(f"{facet} has no numbers to compare; {self._has(facet)}")
            low, high = span.groups() if span else (text, None) if sign == ">=" else (None, text)
            ends = [None if end is None else _number(end) for end in (low, high)]
            if ends == [None, None]:
                raise BadQuestion(f"{facet}{sign}{text.strip()}: {text.strip()!r} is no number; {self._has(facet)}")
            if None not in ends and ends[0] > ends[1]:  # type: ignore[operator]
                raise BadQuestion(f"{facet}={text.strip()} is empty: it goes from the smaller number to the larger")
            return Condition(facet, low=ends[0], high=ends[1])
        whole = self._value(facet, text)
        words = [text] if whole else [w for w in text.split(",") if w.strip()]
        if not words:
            raise BadQuestion(f"{facet}{sign} names no value; {self._has(facet)}")
        values = []
        for word in words:
            value = self._value(facet, word)
            if value is None and _number(word) is not None and all(map(_is_number, self._sets[facet])):
                value = f"{_number(word):g}"  # a number that no entry has is no mistake
            if value is None:
                hint = did_you_mean(_key(word), self._sets[facet])
                raise BadQuestion(
                    f"no value {word.strip()!r} of {facet}; " + (f"{hint} " if hint else "") + self._has(facet)
                )
            values.append(value)
        return Condition(facet, tuple(dict.fromkeys(values)), excluded=sign == "!=")

    def _facet(self, name: str) -> str:
        if (key := _key(name)) in self._sets:
            return key
        hint = did_you_mean(key, self._sets)
        exist = f"facets are {', '.join(self._sets)}"
        raise BadQuestion(f"unknown facet {name.strip()!r}; " + (f"{hint} " if hint else "") + exist)

    def _value(self, facet: str, word: str) -> str | None:
        """The value that a word names, in any case and with any separators."""
        values = self._sets[facet]
        if word in values:
            return word
        key = {"yes": "true", "no": "false"}.get(_key(word), _key(word)) if "true" in values else _key(word)
        return next((v for v in values if _key(v) == key), None)

    def _has(self, facet: str) -> str:
        known = self._ordered(facet)
        if len(known) > 1 and all(map(_is_number, known)):
            return f"it goes from {known[0]} to {known[-1]}"
        more = f" and {len(known) - FEW} more" if len(known) > FEW else ""
        return f"there are {', '.join(known[:FEW])}{more}"

    def _ordered(self, facet: str) -> list[str]:
        values = self._sets[facet]
        return sorted(values, key=float) if values and all(map(_is_number, values)) else list(values)

    def _set(self, facet: str, value: str) -> int:
        found = self._sets[facet].get(value, 0)
        if isinstance(found, bytes):
            found = self._sets[facet][value] = int.from_bytes(zlib.decompress(found), "little")
        return found


def positions(bits: int) -> Iterator[int]:
    """The members of a set, ascending.

    >>> list(positions(0b1010))
    [1, 3]
    """
    digits = bin(bits)[:1:-1]
    at = digits.find("1")
    while at >= 0:
        yield at
        at = digits.find("1", at + 1)


def _packed(members: Iterable[int]) -> bytes:
    """A set as bytes, small where members are few: a catalog may have many tags that are each used once."""
    made = bytearray()
    for i in members:
        if i >> 3 >= len(made):
            made += bytes((i >> 3) + 1 - len(made))
        made[i >> 3] |= 1 << (i & 7)
    return zlib.compress(made, 1)


def _union(sets: Iterable[int]) -> int:
    found = 0
    for bits in sets:
        found |= bits
    return found


def _split(text: str) -> tuple[str, str, str]:
    """Facet, sign and value of a condition in words."""
    found = re.fullmatch(r"\s*([^=<>!]*[^=<>!\s])\s*(!=|>=|<=|=)(.*)", text, re.S)
    if not found:
        raise BadQuestion(
            f"{text.strip()!r} is no condition; write facet=value, such as likelihood=exact, sampling!=sequential, "
            "data=image,text, year=2015.. or 'year>=2015' (in quotes, since > redirects in a shell)"
        )
    return found[1], found[2], found[3]


def _key(text: str) -> str:
    return re.sub(r"[\s_-]+", "_", text.strip().casefold())


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _is_number(text: str) -> bool:
    return _number(text) is not None
