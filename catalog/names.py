"""When two ways of writing a pattern's name mean the same."""

from __future__ import annotations

import re
import unicodedata

_SEPARATORS = re.compile(r"[\W_]+")
_PARENTHESES = re.compile(r"\(([^()]*)\)")


def key(text: str) -> str:
    """A name without case, accents, separators and plural: `Auto-Encoders` and `autoencoder` have the same key."""
    bare = text.casefold()
    if not bare.isascii():
        bare = "".join(c for c in unicodedata.normalize("NFKD", bare) if not unicodedata.combining(c))
    letters = _SEPARATORS.sub("", bare)
    if len(letters) > 3 and letters.endswith("ies"):
        return letters[:-3] + "y"
    return letters[:-1] if len(letters) > 2 and letters.endswith("s") and not letters.endswith("ss") else letters


def keys(text: str) -> list[str]:
    """Ways to read a name: as it stands, without what is in parentheses, and that alone."""
    readings = [text]
    if "(" in text:
        readings += [_PARENTHESES.sub(" ", text), *_PARENTHESES.findall(text)]
    return [k for k in dict.fromkeys(map(key, readings)) if k]


def own(name: str) -> list[str]:
    """The keys under which a name or an alias is found: as it stands, and without what is in parentheses."""
    return keys(name)[:2]
