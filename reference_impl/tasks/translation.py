"""Translation between two small languages whose grammar is written down here, or of a user's pairs of sentences.

The source is a fragment of English: subject, verb, object, adjectives before nouns. The target is invented:

    the old dogs near one tree helped two kings today
    rami veku un pe kelumi solami ta ga roganmi bi wo tasomi

Adverbs come first, a place before what stands there, the verb last; within a noun phrase everything is reversed.
Adjectives agree with their noun in number and verbs with their subject in number, which English shows in neither
`old` nor `helped`. Particles `ga` and `wo` close subject and object. Word by word one gets neither the order nor
half of the endings, yet each sentence has exactly one translation.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Literal

from .sentences import Pair, Sentences, read_pairs

NOUNS = {
    "dog": "kelu", "cat": "mifa", "bird": "tiri", "horse": "dolan", "king": "rogan", "queen": "sefi",
    "girl": "luna", "boy": "pako", "farmer": "benu", "doctor": "hadil", "robot": "zoto", "tree": "veku",
}  # fmt: skip
ADJECTIVES = {
    "old": "sola", "young": "nimu", "small": "piti", "tall": "gora",
    "happy": "feli", "quiet": "shano", "clever": "dase", "red": "ruku",
}  # fmt: skip
VERBS = {
    "help": "tas", "follow": "lek", "call": "vom", "visit": "nad",
    "paint": "rish", "need": "bol", "greet": "sul", "trust": "fid",
}  # fmt: skip
DETERMINERS = {"the": "ta", "one": "un", "two": "bi", "many": "mul"}
NUMBERS = {"the": (False, True), "one": (False,), "two": (True,), "many": (True,)}
"""Whether a determiner's noun may be singular (False) or plural (True)."""
PLACES = {"near": "pe", "behind": "du"}
ADVERBS = {"today": "rami", "often": "siko", "again": "dena"}
SUBJECT, OBJECT, PLURAL = "ga", "wo", "mi"

NOUN_FORMS = {many: {noun + "s" * many: word + PLURAL * many for noun, word in NOUNS.items()} for many in (False, True)}
"""Translation of each noun, by whether it is plural."""
NOUNS_AFTER = {
    determiner: {form: word for many in numbers for form, word in NOUN_FORMS[many].items()}
    for determiner, numbers in NUMBERS.items()
}
"""The same for the nouns that a determiner allows."""
VERB_FORMS = {
    many: {
        verb + ending: stem + vowel + PLURAL * many
        for verb, stem in VERBS.items()
        for ending, vowel in (("" if many else "s", "a"), ("ed", "o"))
    }
    for many in (False, True)
}
"""Translation of each verb in present and past, by whether its subject is plural."""

SUBJECTS_ONLY = ("king", "robot", "bird")
"""Nouns that the compositional split never shows as objects while training."""

Aligned = list[tuple[str, int]]
"""Words of the target, each with the place of the source word that it renders."""


class Translation(Sentences):
    """Sentences of the two languages: 4,000 to learn from and 500 others, or a user's pairs.

    split="random" holds out sentences, split="compositional" a use of words: three nouns are objects in every
    held-out sentence and in none of those to learn from, where they occur as subjects and places.

    A user's data is a .tsv or .csv file with a sentence and its translation in each row.
    """

    def __init__(
        self, data: str | Path | None = None, split: Literal["random", "compositional"] = "random", count: int = 4000
    ) -> None:
        train, test = read_pairs(data) if data is not None else pairs(split, count)
        super().__init__(train, test)


def pairs(split: Literal["random", "compositional"], count: int) -> tuple[list[Pair], list[Pair]]:
    """`count` distinct pairs to learn from and 500 others."""
    if split == "random":
        drawn = distinct(lambda source: True)
        sources = [next(drawn) for _ in range(count + 500)]
    else:
        known, new = distinct(lambda source: not new_object(source)), distinct(new_object)
        sources = [next(known) for _ in range(count)] + [next(new) for _ in range(500)]
    both = [(source, translated(source)[0]) for source in sources]
    return both[:count], both[count:]


def distinct(wanted: Callable[[str], bool]) -> Iterator[str]:
    """Random sentences of the source language, none twice."""
    rng, seen = random.Random(0), set[str]()
    while True:
        source = sentence(rng)
        if source not in seen and wanted(source):
            seen.add(source)
            yield source


def sentence(rng: random.Random) -> str:
    """A random sentence of the source language, 5 to 14 words."""

    def phrase(adjectives: int) -> tuple[list[str], bool]:
        determiner = rng.choice(list(DETERMINERS))
        plural = rng.choice(NUMBERS[determiner])
        chosen = rng.sample(list(ADJECTIVES), rng.randint(0, adjectives))
        return [determiner, *chosen, rng.choice(list(NOUN_FORMS[plural]))], plural

    subject, plural = phrase(2)
    place = [rng.choice(list(PLACES)), *phrase(1)[0]] if rng.random() < 0.3 else []
    verb = rng.choice(list(VERB_FORMS[plural]))
    adverb = [rng.choice(list(ADVERBS))] if rng.random() < 0.3 else []
    return " ".join([*subject, *place, verb, *phrase(2)[0], *adverb])


def translated(source: str) -> tuple[str, list[int]]:
    """The one right translation, and for each of its words the place of the source word that it renders.

    A particle renders the noun that it marks. ValueError where the sentence is not of the source language.
    """
    words = source.split()
    subject, plural, at = noun_phrase(words, 0)
    place: Aligned = []
    if at < len(words) and words[at] in PLACES:
        inner, _, end = noun_phrase(words, at + 1)
        place, at = [*inner, (PLACES[words[at]], at)], end
    verb, at = (expect(words, at, VERB_FORMS[plural]), at), at + 1
    objects, _, at = noun_phrase(words, at)
    adverb = [(ADVERBS[words[at]], at)] if at < len(words) and words[at] in ADVERBS else []
    if rest := words[at + len(adverb) :]:
        raise ValueError(f"{source!r}: {' '.join(rest)!r} is left over; a sentence ends with an object or an adverb")
    # a noun phrase begins with its noun
    said = [*adverb, *place, *subject, (SUBJECT, subject[0][1]), *objects, (OBJECT, objects[0][1]), verb]
    return " ".join(word for word, _ in said), [i for _, i in said]


def noun_phrase(words: Sequence[str], at: int) -> tuple[Aligned, bool, int]:
    """The noun phrase that begins at this place, translated; whether it is plural; the place after it."""
    start = at
    determiner, at = expect(words, at, DETERMINERS), at + 1
    while at < len(words) and words[at] in ADJECTIVES:
        at += 1
    noun = expect(words, at, NOUNS_AFTER[words[start]])
    plural = words[at] in NOUN_FORMS[True]
    adjectives = [(ADJECTIVES[words[i]] + PLURAL * plural, i) for i in range(at - 1, start, -1)]
    return [(noun, at), *adjectives, (determiner, start)], plural, at + 1


def expect(words: Sequence[str], at: int, allowed: dict[str, str]) -> str:
    """Translation of the word at this place, which has to be one of those that the grammar allows here."""
    if at >= len(words) or words[at] not in allowed:
        found = repr(words[at]) if at < len(words) else "the end"
        raise ValueError(f"{' '.join(words)!r}, word {at + 1}: {found}; the grammar has here {', '.join(allowed)}")
    return allowed[words[at]]


def new_object(source: str) -> bool:
    """Whether the object is a noun that the compositional split holds out as an object."""
    words = source.split()
    noun = words[-2] if words[-1] in ADVERBS else words[-1]
    return noun.removesuffix("s") in SUBJECTS_ONLY
