"""Text as paragraphs, for what reads whole strings: the catalog's own prose, or any text given."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..core.reference import Reference
from ..core.task import Score, Task
from . import files
from .text import SNAPSHOT


class Prose(Task):
    """Paragraphs of a text, split at empty lines; the last tenth of them is held out.

    A user's text is a UTF-8 file or a folder of .txt and .md files.
    """

    kind = "strings"

    def __init__(self, data: str | Path = SNAPSHOT) -> None:
        paragraphs = [p.strip() for p in files.text(data).split("\n\n") if p.strip()]
        if len(paragraphs) < 10:
            raise ValueError(f"{data}: {len(paragraphs)} paragraphs; at least 10, split by empty lines, are needed")
        cut = len(paragraphs) * 9 // 10
        super().__init__(paragraphs[:cut], paragraphs[cut:])

    def evaluate(self, model: Reference) -> list[Score]:
        tokenizer: Any = model
        texts = self.splits["test"][0]
        size = sum(len(text.encode()) for text in texts)
        tokens = sum(len(tokenizer.tokenize(text)) for text in texts)
        return [Score("held-out bytes per token", size / tokens, "bytes", "higher", 1.0, "bytes as tokens")]
