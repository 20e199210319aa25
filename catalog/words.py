"""Words of a text, what they have in common with their other forms, and how far one is mistyped from another."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

_LITTLE = """
    a about all also am an and any are as at be been but by can could did do does doing each every for from get gets got
    had has have he her his how i if in into is it its just m make makes many me more most much must my need no not of
    on one only or other our out over s shall she should so some such t than that the their them then there these they
    thing things this those to too up us use very was we were what when where which while who whom why will with without
    would you your
"""
COMMON = frozenset(_LITTLE.split())
"""Words that say little of what is looked for."""

_GREEK = {
    code: f" {name.split()[3].lower()} "
    for code in range(0x3B1, 0x3CA)
    if len((name := unicodedata.name(chr(code))).split()) == 4
}
"""Small Greek letters, by their names."""
_WORD = re.compile(r"[^\W_]+")
_HYPHENATED = re.compile(r"[^\W_]+(?:-[^\W_]+)*")


def folded(text: str) -> str:
    """A text in lower case, without accents, Greek letters by their names.

    >>> folded("β-VAE, Schrödinger")
    ' beta -vae, schrodinger'
    """
    text = text.casefold()
    if text.isascii():
        return text
    letters = unicodedata.normalize("NFKD", text.translate(_GREEK))
    return "".join(c for c in letters if not unicodedata.combining(c))


def words(text: str) -> list[str]:
    """The words of a text, in lower case.

    >>> words("Auto-Encoders (β = 4)")
    ['auto', 'encoders', 'beta', '4']
    """
    return _WORD.findall(folded(text))


def compounds(text: str) -> list[str]:
    """The hyphenated words of a text without their hyphens, as some write them.

    >>> compounds("An auto-encoder for super-resolution")
    ['autoencoder', 'superresolution']
    """
    return [w.replace("-", "") for w in _HYPHENATED.findall(folded(text)) if "-" in w] if "-" in text else []


_BRITISH = [(re.compile(r"(?<=\w{3})is(?=(?:e[drs]?|ers|ing|ations?)$)"), "iz"), (re.compile(r"(?<=\w{3})our"), "or")]
_INFLECTION, _VOWEL = re.compile(r"(?<=\w{3})(?:ing|(?<!e)ed)$"), re.compile("[aeiouy]")
_CUT = re.compile("(?:(?<![eo])at|creat|iz|bl)$")
_ENDING = re.compile(
    r"(?<=\w{3})(?:ization|ize|izer|ational|ation|ator|ate|ional|ion|ive|(?<=\w{3}ct)or|ification|ifier|ify|er|"
    r"ness|ment|ly|able|ible|y|e)$"
)


@lru_cache(1 << 16)
def stem(word: str) -> str:
    """What a word of lower-case letters shares with its other forms, American or British.

    It is a key for comparison, not always the beginning of the word.

    >>> {stem(w) for w in ["generate", "generators", "generating", "generation"]}
    {'gener'}
    >>> stem("normalised") == stem("normalization"), stem("colour") == stem("colored")
    (True, True)
    """
    if len(word) < 4 or not (word.isascii() and word.isalpha()):
        return word
    for spelling, american in _BRITISH:
        word = spelling.sub(american, word)
    if word.endswith("ies"):
        word = word[:-3] + "y"
    elif word.endswith("s") and not word.endswith(("ss", "us", "is")):
        word = word[:-1]
    base = _single(_INFLECTION.sub("", word))
    if base != word and _VOWEL.search(base):
        word = base + "e" if _CUT.search(base) else base
    return _single(_ENDING.sub("", word))


def _single(word: str) -> str:
    """`blurr`, left over from `blurred`, as `blur`."""
    double = len(word) > 3 and word[-1] == word[-2] and (word[-1] in "bdgmnprt" or (word[-1] == "l" and len(word) > 5))
    return word[:-1] if double else word


def typos(one: str, other: str, most: int) -> int:
    """How many letters were left out, added, changed or swapped with the next between two words; `most` + 1 if more.

    >>> typos("collpase", "collapse", 2), typos("vae", "gan", 2)
    (1, 2)
    """
    if abs(len(one) - len(other)) > most:
        return most + 1
    before, row = [0] * (len(other) + 1), list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        last, before, row = before, row, [i]
        for j, b in enumerate(other, 1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (a != b))
            if i > 1 and j > 1 and a == other[j - 2] and one[i - 2] == b:
                cost = min(cost, last[j - 2] + 1)
            row.append(cost)
        if min(row) > most:
            return most + 1
    return min(row[-1], most + 1)


def tolerance(word: str) -> int:
    """How many typing errors a word may have and still be recognized."""
    return 0 if len(word) < 4 else 1 if len(word) < 6 else 2


def pieces(word: str) -> set[str]:
    """The beginning of a word with up to `tolerance` letters left out.

    Two words that are at most that many typing errors apart have one of these in common (the method of SymSpell),
    which is how a word is found in a long list without reading the list.

    >>> sorted(pieces("gans"))
    ['ans', 'gan', 'gans', 'gas', 'gns']
    """
    found = {word[:7]}
    level = found
    for _ in range(tolerance(word)):
        level = {w[:i] + w[i + 1 :] for w in level for i in range(len(w))}
        found = found | level
    return found
