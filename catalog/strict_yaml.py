"""Strict YAML on PyYAML: libyaml's events, and plain Python built from them in one pass.

Unlike `yaml.safe_load` this refuses duplicate keys, anchors, aliases, tags, merge keys, keys that are no text, a
second document, deep nesting and characters that cannot be seen. Plain scalars follow the core rules of YAML 1.2, so
`no`, `on`, `12:30`, `1_000` and `2024-01-01` are text and `1e-4` is a number. The place of every part is kept.
"""

from __future__ import annotations

import math
import os
import re
import stat
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
)

from .errors import Problem

try:
    from yaml.cyaml import CParser as _Parser  # libyaml  # type: ignore[reportAttributeAccessIssue]
except ImportError:  # a PyYAML built without libyaml: slower, same events
    from yaml.parser import Parser
    from yaml.reader import Reader
    from yaml.scanner import Scanner

    class _Parser(Reader, Scanner, Parser):  # type: ignore[no-redef]
        def __init__(self, stream: str) -> None:
            Reader.__init__(self, stream)
            Scanner.__init__(self)
            Parser.__init__(self)


MAX_BYTES, MAX_DEPTH, MAX_PROBLEMS = 1_000_000, 32, 50
# Beyond control characters: line ends that only YAML sees, and marks that reorder text on the screen.
_UNSEEN = re.compile(
    "[^\t\n\r\x20-\x7e\xa0-\u2027\u202f-\u2065\u206a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
)
_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_WORDS = {w: v for v, words in ((True, "true True TRUE"), (False, "false False FALSE")) for w in words.split()}
_WORDS |= dict.fromkeys(["null", "Null", "NULL", "~", ""])

_QUOTES = "put quotes round text that starts with & * or !"

Keys = Sequence[str | int]


@dataclass
class Document:
    """A YAML file as plain Python, the place of every part of it, and what is wrong with it as YAML."""

    file: str
    value: Any = None
    marks: dict[tuple[str | int, ...], tuple[int, int]] = field(default_factory=dict)
    """Line and column, from 1, of the key or the item at each path."""
    raw: dict[tuple[str | int, ...], str] = field(default_factory=dict)
    """Plain scalars that are no text, as they were written: `1.10` is the number 1.1."""
    problems: list[Problem] = field(default_factory=list)

    def place(self, path: Keys = ()) -> tuple[int, int]:
        """Line and column of the innermost part of `path` that is there."""
        return next((self.marks[p] for n in range(len(path), 0, -1) if (p := tuple(path[:n])) in self.marks), (1, 1))

    def problem(self, path: Keys, message: str, fix: str) -> Problem:
        """A problem at this path."""
        return Problem(self.file, *self.place(path), message, fix)


class _Stop(Exception):
    """The rest of the file cannot be made sense of."""


def read(path: Path, name: str | None = None) -> Document:
    """The document in a file. Never raises for what the file holds: see `problems`."""
    document = Document(name or str(path))

    def refuse(message: str, fix: str) -> Document:
        document.problems.append(Problem(document.file, 1, 1, message, fix))
        return document

    try:
        status = os.stat(path)
        if not stat.S_ISREG(status.st_mode):
            what = "a directory" if stat.S_ISDIR(status.st_mode) else "not a regular file"
            return refuse(f"is {what}, where a YAML file is expected", "rename it or take it away")
        if status.st_size > MAX_BYTES:
            return refuse(f"has {status.st_size:,} bytes; at most {MAX_BYTES:,} are read", "shorten it")
        data = path.read_bytes()
    except OSError as err:
        return refuse(f"cannot be read: {err.strerror}", "check the file and its permissions")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as err:
        line, before = data.count(b"\n", 0, err.start) + 1, err.start - data.rfind(b"\n", 0, err.start)
        message = f"byte 0x{data[err.start]:02x} is not UTF-8 text"
        document.problems.append(Problem(document.file, line, before, message, "save the file as UTF-8"))
        return document
    return parse(text, document.file)


def parse(text: str, name: str = "<text>") -> Document:
    """The document in a text. Never raises for what the text holds: see `problems`."""
    document = Document(name)
    try:
        _Builder(text, document).run()
    except _Stop:
        pass
    except yaml.YAMLError as err:
        mark = getattr(err, "problem_mark", None) or getattr(err, "context_mark", None)
        line, column = (mark.line, mark.column) if mark else (0, 0)
        what = getattr(err, "problem", None) or str(err)
        document.problems.append(
            Problem(name, line + 1, column + 1, f"not valid YAML: {what}", _syntax_fix(text, line))
        )
    return document


class _Builder:
    def __init__(self, text: str, document: Document) -> None:
        self.text, self.document = text, document

    def run(self) -> None:
        if self.text.startswith("\ufeff"):
            self.problem((1, 1), "begins with a byte order mark", "save it as UTF-8 without one")
            self.text = self.text[1:]
        bad = None if self.text.replace("\n", "").isprintable() else _UNSEEN.search(self.text)
        if bad:  # the parsers disagree on how they report these
            row, column = self.text.count("\n", 0, bad.start()) + 1, bad.start() - self.text.rfind("\n", 0, bad.start())
            self.stop((row, column), f"character U+{ord(bad.group()):04X}, which cannot be seen", "take it out")
        parser = _Parser(self.text)
        self.take = parser.get_event
        self.take()  # stream start
        if isinstance(self.take(), StreamEndEvent):
            self.stop((1, 1), "is empty", "write an entry into it, or remove the file")
        self.document.value = self.build(self.take(), ())
        self.take()  # document end
        if isinstance(event := self.take(), DocumentStartEvent):
            self.stop(
                _at(event),
                "a second YAML document begins here",
                "write one document a file; take out the `---`",
            )

    def problem(self, mark: tuple[int, int], message: str, fix: str) -> None:
        self.document.problems.append(Problem(self.document.file, *mark, message, fix))
        if len(self.document.problems) >= MAX_PROBLEMS:
            raise _Stop

    def stop(self, mark: tuple[int, int], message: str, fix: str) -> None:
        self.problem(mark, message, fix)
        raise _Stop

    def build(self, event: Any, path: tuple[str | int, ...]) -> Any:
        kind = type(event)
        if kind is AliasEvent:
            self.problem(_at(event), f"the alias *{event.anchor} is not allowed", f"write the value out, or {_QUOTES}")
            return None
        if event.anchor:
            self.problem(_at(event), f"the anchor &{event.anchor} is not allowed", f"take it out, or {_QUOTES}")
        if event.tag:
            self.problem(_at(event), f"the tag {event.tag!r} is not allowed", f"take it out, or {_QUOTES}")
        if kind is ScalarEvent:
            value = event.value if event.style else plain(event.value)  # style: '' from libyaml, None without
            if type(value) is not str:
                self.document.raw[path] = event.value
            return value
        if len(path) > MAX_DEPTH:
            self.stop(_at(event), f"is nested deeper than {MAX_DEPTH} levels", "flatten it")
        return self.sequence(path) if kind is SequenceStartEvent else self.mapping(path)

    def sequence(self, path: tuple[str | int, ...]) -> list[Any]:
        out: list[Any] = []
        while type(event := self.take()) is not SequenceEndEvent:
            here = (*path, len(out))
            self.document.marks[here] = _at(event)
            out.append(self.build(event, here))
        return out

    def mapping(self, path: tuple[str | int, ...]) -> dict[str, Any]:
        out: dict[str, Any] = {}
        take, marks = self.take, self.document.marks
        while type(event := take()) is not MappingEndEvent:
            if type(event) is not ScalarEvent:
                self.stop(_at(event), "a key must be plain text", "write `name: value`")
            key, here = event.value, (*path, event.value)
            if event.anchor or event.tag:
                self.problem(_at(event), f"the key {key!r} has an anchor or a tag", "take that out")
            if key == "<<" and not event.style:
                self.problem(_at(event), "the merge key << is not allowed", "write the keys out")
                self.build(take(), here)
            elif key in out:
                first = f"it stands on line {marks[here][0]} already: keep one of them"
                self.problem(_at(event), f"the key {key!r} is given twice", first)
                self.build(take(), (*path, f"{key} (again)"))
            else:
                marks[here] = _at(event)
                out[key] = self.build(take(), here)
        return out


def plain(text: str) -> Any:
    """A plain scalar by the core rules of YAML 1.2; what is not finite stays text, since no field takes it."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] in "+-.0123456789":
        if _INT.fullmatch(text) and len(text) < 20:
            return int(text, 0) if text[:2] in ("0x", "0o") else int(text)
        if _FLOAT.fullmatch(text) and math.isfinite(number := float(text)):
            return number
    return text


def _at(event: Any) -> tuple[int, int]:
    mark = event.start_mark
    return mark.line + 1, mark.column + 1


def _syntax_fix(text: str, line: int) -> str:
    lines = text.splitlines()
    row = lines[line] if line < len(lines) else ""
    if "\t" in row[: len(row) - len(row.lstrip())]:
        return "indent with spaces, not tabs"
    if re.search(r"[:-] +[*&!%@`]", row):
        return "put quotes round text that starts with * & ! % @ or `"
    if re.search(r": .*:( |$)", row):
        return "put quotes round a value that holds ': '"
    return "check indentation, quotes and brackets on this line and the one before"
