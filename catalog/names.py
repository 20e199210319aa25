"""When two ways of writing a pattern's name mean the same."""

from __future__ import annotations

import re
import unicodedata


def key(text: str) -> str:
    """A name without case, accents, separators and plural: `Auto-Encoders` and `autoencoder` have the same key."""
    bare = "".join(c for c in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(c))
    letters = re.sub(r"[\W_]+", "", bare)
    if len(letters) > 3 and letters.endswith("ies"):
        return letters[:-3] + "y"
    return letters[:-1] if len(letters) > 2 and letters.endswith("s") and not letters.endswith("ss") else letters


def keys(text: str) -> list[str]:
    """Ways to read a name: as it stands, without what is in parentheses, and that alone."""
    inside = re.findall(r"\(([^()]*)\)", text)
    readings = [text, re.sub(r"\([^()]*\)", " ", text), *inside]
    return [k for k in dict.fromkeys(map(key, readings)) if k]


def own(name: str) -> list[str]:
    """The keys under which a name or an alias is found: as it stands, and without what is in parentheses."""
    return keys(name)[:2]
