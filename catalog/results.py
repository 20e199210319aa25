"""What questions are answered with: results that print well, show as a table in a notebook, and turn into data."""

from __future__ import annotations

import sys
from html import escape
from typing import TYPE_CHECKING, Any

from .prose import plain

if TYPE_CHECKING:
    from pandas import DataFrame

WIDEST = 100
"""Columns of printed text; longer lines are hard to read."""


def width() -> int:
    """Columns that printed text may have: those of the terminal, if it is narrower and one sees what is printed."""
    if sys.stdout is None or not sys.stdout.isatty():
        return WIDEST
    import shutil

    return min(WIDEST, max(40, shutil.get_terminal_size((WIDEST, 0)).columns))


def fold(text: str, first: str = "", hang: int = 2) -> list[str]:
    """Lines of a text; `first` stands before it, and the lines below begin so many columns further right."""
    import textwrap

    return textwrap.wrap(text, width(), initial_indent=first, subsequent_indent=" " * (len(first) + hang))


class Answer:
    """A result. `print` gives text for people; the rest is for notebooks and programs.

    A subclass says what its rows are; where the rows are not all there is to say, it extends `to_dict` too.
    """

    def rows(self) -> list[dict[str, Any]]:
        """The result as rows of a table, each with the same columns."""
        raise NotImplementedError

    def to_dict(self) -> dict[str, Any]:
        """The whole result as plain data, ready for JSON: what the command line prints with `--json`."""
        return {"rows": self.rows()}

    def to_frame(self) -> DataFrame:
        """The rows as a `pandas.DataFrame`. Raises ModuleNotFoundError where pandas is not installed."""
        try:
            import pandas
        except ModuleNotFoundError:
            raise ModuleNotFoundError("to_frame() needs pandas: pip install pandas", name="pandas") from None
        return pandas.DataFrame(self.rows())

    def _repr_html_(self) -> str:
        rows = self.rows()
        if not rows:
            return f"<pre>{escape(str(self))}</pre>"
        head = "".join(f"<th>{escape(name.replace('_', ' '))}</th>" for name in rows[0])
        lines = ("".join(f"<td>{_cell(value)}</td>" for value in row.values()) for row in rows)
        table = f"<table><thead><tr>{head}</tr></thead><tbody><tr>{'</tr><tr>'.join(lines)}</tr></tbody></table>"
        return f"{table}<details><summary>as text</summary><pre>{escape(str(self))}</pre></details>"


class Document(Answer):
    """A result that is to be read from top to bottom: in a notebook it is the text that is printed, line by line."""

    def _repr_html_(self) -> str:
        return f"<pre>{escape(str(self))}</pre>"


def _cell(value: Any) -> str:
    """A cell of a table; a tuple is a way, the items of a list stand below each other."""
    if value is None:
        return ""
    if isinstance(value, tuple):
        return " &gt; ".join(map(_cell, value))
    if isinstance(value, list):
        return "<br>".join(map(_cell, value))
    return escape(f"{value:.4g}" if isinstance(value, float) else plain(str(value)))
