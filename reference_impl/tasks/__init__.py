"""What there is to learn: small data that ship with a dependency, sources with a known truth, users' files."""

from __future__ import annotations

import importlib
from typing import Any

from ..core.task import Task

TASKS = {
    "images": "images:Images",
    "bits": "images:Bits",
    "photos": "photos:Photos",
    "enlarged": "enlarged:Enlarged",
    "styles": "styles:Styles",
    "pairs": "pairs:Pairs",
    "unpaired": "pairs:Unpaired",
    "comparisons": "comparisons:Comparisons",
    "damaged": "damaged:Damaged",
    "smaller": "damaged:Smaller",
    "points": "points:Points",
    "tables": "tables:Tables",
    "text": "text:Text",
    "prose": "prose:Prose",
    "memories": "memories:Memories",
    "preferences": "preferences:Preferences",
    "questions": "questions:Questions",
    "searches": "searches:Searches",
    "molecules": "molecules:Molecules",
    "videos": "videos:Videos",
    "captions": "captions:Captions",
    "tunes": "tunes:Tunes",
    "tones": "tones:Tones",
    "lines": "reviews:Lines",
    "reviews": "reviews:Reviews",
    "parities": "parities:Parities",
    "repeats": "repeats:Repeats",
    "series": "series:Series",
    "strings": "strings:Strings",
    "reports": "reports:Reports",
    "translation": "translation:Translation",
    "records": "records:Records",
    "dialects": "dialects:Dialects",
    "stories": "stories:Stories",
    "instructions": "instructions:Instructions",
    "dialogues": "dialogues:Dialogues",
    "synonyms": "synonyms:Synonyms",
    "events": "events:Events",
    "brackets": "brackets:Brackets",
    "sums": "sums:Sums",
    "calls": "calls:Calls",
    "scenes": "scenes:Scenes",
    "told": "scenes:Told",
    "asked": "asked:Asked",
}


def make(name: str, data: Any = None) -> Task:
    """The task of this name, on `data` where given: a path or a name that the task knows.

    Raises ValueError or FileNotFoundError, with what would be accepted, for data it cannot use.
    """
    return lookup(name)(*([] if data is None else [data]))


def lookup(name: str) -> type[Task]:
    """The class of the task; its docstring says which data it accepts."""
    module, _, cls = TASKS[name].partition(":")
    return getattr(importlib.import_module(f"{__name__}.{module}"), cls)
