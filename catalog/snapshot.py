"""The prose of all entries as one dated text: `python -m catalog.snapshot FILE`.

Language models (`catalog.txt`, the first twelve entries) and retrieval (`pages.txt`) learn from such a file
under reference_impl/tasks and not from the entries, so that editing an entry does not change what they measured.
It is made anew on purpose, never by a build.
"""

from __future__ import annotations

import datetime
import sys
from pathlib import Path

from .catalog import Catalog
from .loader import load


def snapshot(catalog: Catalog, date: datetime.date) -> str:
    """A first line with the date, then blocks `## id / section` and a line of prose."""
    blocks = [f"## {id} / {section}\n{text}" for id, section, text in catalog.passages()]
    return f"# Prose of the catalog as of {date.isoformat()}\n\n" + "\n\n".join(blocks) + "\n"


if __name__ == "__main__":
    path = Path(sys.argv[1])
    text = snapshot(load(), datetime.date.today())
    path.write_text(text, encoding="utf-8")
    print(f"{path}: {len(text):,} characters")
