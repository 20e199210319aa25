"""Loading a catalog: from the cache if its files are those that were read last, from the YAML files otherwise.

The cache holds one folder for each folder of entries, in it one for what the files were when they were read:

    <cache>/<which folder>/of.txt                        the folder of entries
    <cache>/<which folder>/<fingerprint>/catalog.sqlite  names, relations, facets, and entries as JSON
    <cache>/<which folder>/<fingerprint>/catalog.sum     size and checksum of that file

The fingerprint takes in path, size and times of every YAML file and of the library's modules. Only catalogs without
problems are kept. Whatever is wrong with the cache, the YAML files are read instead.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import sys
import tempfile
import time
import zlib
from array import array
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import data, names
from .catalog import Catalog
from .errors import CatalogError
from .graph import RelationKind
from .stock import MANY, Held, Link, Stock, as_json
from .vocabulary import FacetKind, Fields, Vocabulary

if TYPE_CHECKING:
    import sqlite3

    from .facets import Facets
    from .schema import Decision
    from .strict_yaml import Document

VARIABLE = "CATALOG_CACHE"
FILE, SUM, OF = "catalog.sqlite", "catalog.sum", "of.txt"
SETTLED = 2_000_000_000
"""Nanoseconds a file has to be old to be trusted: where clocks tick coarsely, two changes may bear one time."""
ABANDONED = 3600
"""Seconds after which a folder that was written aside will not be moved into place any more."""
TABLES = """
    CREATE TABLE about (key TEXT PRIMARY KEY, value BLOB) WITHOUT ROWID;
    CREATE TABLE entry (n INTEGER PRIMARY KEY, value BLOB, links TEXT);
    CREATE TABLE name (key TEXT PRIMARY KEY, n INTEGER, rank INTEGER) WITHOUT ROWID;
    CREATE TABLE facet (name TEXT, value TEXT, entries BLOB);
"""


def load(path: str | Path | None = None) -> Catalog:
    """The catalog in a folder of entries `<family>/<id>.yaml`; by default the one that comes with this package.

    `catalog.yaml` in the folder gives titles to the families; without it a family is called as its folder.
    `decisions.yaml` says which patterns answer which problem.

    What was read is kept in the user's cache folder (or the one that $CATALOG_CACHE names; `off` keeps nothing), so
    that loading unchanged files again is quick. The result is the same.

    Raises CatalogError, whose `problems` are all that is wrong in all files, each with file, line, column and remedy.

    >>> import catalog
    >>> catalog.load("no/such/folder")
    Traceback (most recent call last):
    catalog.errors.CatalogError: no/such/folder:1:1: there is no such folder; give a folder of <family>/<id>.yaml
    """
    root = data.folder() if path is None else Path(path)
    cache = place(root)
    if cache and (kept := opened(root, cache)):
        return kept
    from .loader import read

    catalog, problems = read(root)
    if problems:
        raise CatalogError(problems)
    if cache and place(root) == cache:  # nothing has changed while it was read
        save(catalog, cache)
        return opened(root, cache) or catalog
    return catalog


# -- where


def base() -> Path | None:
    """The folder of all caches; None where none is wanted."""
    if named := os.environ.get(VARIABLE):
        return None if named == "off" else Path(os.path.abspath(named))
    home = Path.home()
    if sys.platform == "win32":
        caches = Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local")
    elif sys.platform == "darwin":
        caches = home / "Library" / "Caches"
    else:
        caches = Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache")
    return caches / "genai-patterns"


def place(root: Path) -> Path | None:
    """Where the catalog of these files is kept, or would be; None where it cannot be.

    It cannot while a file has just been changed, as another change could go unnoticed.
    """
    try:
        if not (caches := base()):
            return None
        files = sorted([*_yaml(root, ""), *_modules()])
    except (OSError, RuntimeError):  # unreadable, or there is no home
        return None
    if max((modified for _, _, modified, _ in files), default=0) > time.time_ns() - SETTLED:
        return None
    which = [os.path.abspath(root), os.path.dirname(__file__), sys.version]
    return caches / _digest(which) / _digest(files)


def _yaml(folder: Path | str, name: str) -> Iterator[tuple[str, int, int, int]]:
    """Path, size, and times of change of everything that could be meant as YAML, below a folder."""
    with os.scandir(folder) as found:
        for item in found:
            if item.name.startswith("."):
                continue
            here = f"{name}/{item.name}"
            if item.is_dir(follow_symlinks=False):
                yield from _yaml(item.path, here)
            elif item.name.lower().endswith((".yaml", ".yml")) or item.is_dir():
                yield here, *_times(item.stat())


def _modules() -> Iterator[tuple[str, int, int, int]]:
    with os.scandir(os.path.dirname(__file__)) as found:
        yield from ((item.name, *_times(item.stat())) for item in found if item.name.endswith(".py"))


def _times(status: os.stat_result) -> tuple[int, int, int]:
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _digest(value: Any) -> str:
    return hashlib.sha256(repr(value).encode("utf-8", "surrogatepass")).hexdigest()[:24]


# -- from the cache


class Kept(Stock):
    """Entries in the cache."""

    def __init__(self, db: sqlite3.Connection, about: Mapping[str, Any]) -> None:
        """about: the table of that name."""
        super().__init__()
        self.db, self.vocabulary = db, vocabulary_from(json.loads(about["vocabulary"]))
        self.ids = json.loads(about["ids"])
        self.names = json.loads(about["names"])
        self.families = [(family, size) for family, size in json.loads(about["families"])]
        self.years, self.types = array("H", about["years"]), array("H", about["types"])
        self.starts, self.ends = array("I", about["starts"]), array("I", about["ends"])
        self._decisions = about["decisions"]

    def find(self, key: str) -> int | None:
        """See `Stock`."""
        found = self.db.execute("SELECT n FROM name WHERE key = ?", (key,)).fetchone()
        return None if found is None else found[0]

    def near(self, key: str) -> list[str]:
        """See `Stock`."""
        rows = self.db.execute(
            "SELECT key, n FROM name WHERE (SELECT count(*) FROM name) <= ? OR length(key) BETWEEN ? AND ? "
            "AND (substr(key, 1, 2) = ? OR substr(key, -3) = ?) ORDER BY rank",
            (MANY, len(key) - 3, len(key) + 3, key[:2], key[-3:]),
        )
        return self._nearest(key, dict(rows))

    def links(self, n: int) -> list[Link]:
        """See `Stock`."""
        (links,) = self.db.execute("SELECT links FROM entry WHERE n = ?", (n,)).fetchone()
        return [Link(*link) for link in json.loads(links)]

    def facets(self, catalog: Catalog) -> Facets:
        """See `Stock`."""
        from .facets import Facets

        return Facets.stored(len(self), self.db.execute("SELECT name, value, entries FROM facet"))

    def decisions(self) -> Iterator[Decision]:
        """The decisions, decoded when they are asked for."""
        from .schema import Decision

        yield from map(Decision.model_validate, json.loads(self._decisions))

    def _held(self, n: int) -> bytes:
        return self.db.execute("SELECT value FROM entry WHERE n = ?", (n,)).fetchone()[0]


def opened(root: Path, folder: Path) -> Catalog | None:
    """The catalog that is kept in this folder; None where none is, or it is damaged."""
    try:
        import sqlite3
    except ImportError:  # a Python built without it
        return None
    try:
        if (folder / SUM).read_text() != checksum(folder / FILE):
            raise ValueError("damaged")
        db = sqlite3.connect(f"{(folder / FILE).as_uri()}?mode=ro&immutable=1", uri=True, check_same_thread=False)
        about = dict(db.execute("SELECT key, value FROM about"))
        stock, titles = Kept(db, about), json.loads(about["titles"])
    except (OSError, ValueError, LookupError, TypeError, sqlite3.Error):
        shutil.rmtree(folder, ignore_errors=True)
        return None
    return Catalog(
        stock, about["title"], titles, root, Documents(root, stock), stock.decisions(), stock.vocabulary, folder
    )


def checksum(path: Path) -> str:
    """Size and CRC of a file."""
    crc = size = 0
    with open(path, "rb") as file:
        while part := file.read(1 << 20):
            crc, size = zlib.crc32(part, crc), size + len(part)
    return f"{size} {crc}"


class Documents(Mapping[str, "Document"]):
    """The files of entries by id, each read when it is asked for."""

    def __init__(self, root: Path, stock: Stock) -> None:
        self.root, self.stock = root, stock

    def __getitem__(self, id: str) -> Document:
        from .loader import shown
        from .strict_yaml import read

        n = self.stock.find(names.key(id))
        if n is None or self.stock.ids[n] != id:
            raise KeyError(id)
        path = self.root / self.stock.family(n) / f"{id}.yaml"
        return read(path, shown(path))

    def __iter__(self) -> Iterator[str]:
        return iter(self.stock.ids)

    def __len__(self) -> int:
        return len(self.stock)


# -- to the cache


def save(catalog: Catalog, folder: Path) -> None:
    """Keep a catalog that was read, and remove what is kept of its files as they were before.

    It is written aside and moved into place. Where that is impossible, nothing is kept.
    """
    try:
        import sqlite3
    except ImportError:
        return
    aside = None
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(prefix=".", dir=folder.parent))
        with closing(sqlite3.connect(aside / FILE)) as db:
            write(catalog, db)
        (aside / SUM).write_text(checksum(aside / FILE))
        (folder.parent / OF).write_text(os.path.abspath(catalog.folder or ""), encoding="utf-8")
        aside.rename(folder)
        tidy(folder)
    except (OSError, sqlite3.Error):  # no space, no permission, or another process was first
        if aside:
            shutil.rmtree(aside, ignore_errors=True)


def write(catalog: Catalog, db: sqlite3.Connection) -> None:
    """Write everything that `Kept` reads."""
    stock = catalog.stock
    assert isinstance(stock, Held)
    db.executescript(f"PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; {TABLES}")
    compact = partial(json.dumps, ensure_ascii=False, separators=(",", ":"))
    decisions = [d.model_dump(mode="json", exclude_unset=True) for d in catalog.decisions]
    about = {
        "title": catalog.name,
        "titles": compact(catalog.titles),
        "vocabulary": compact(asdict(stock.vocabulary)),
        "decisions": compact(decisions),
        "ids": compact(stock.ids),
        "names": compact(stock.names),
        "families": compact(stock.families),
        "years": stock.years.tobytes(),
        "starts": stock.starts.tobytes(),
        "ends": stock.ends.tobytes(),
        "types": stock.types.tobytes(),
    }
    entries = ((n, as_json(r.entry), compact(stock.links(n))) for n, r in enumerate(stock.records))
    db.executemany("INSERT INTO about VALUES (?, ?)", about.items())
    db.executemany("INSERT INTO entry VALUES (?, ?, ?)", entries)
    db.executemany(
        "INSERT INTO name VALUES (?, ?, ?)", sorted((k, n, i) for i, (k, n) in enumerate(stock.keys.items()))
    )
    db.executemany("INSERT INTO facet VALUES (?, ?, ?)", catalog.facets.rows())
    db.commit()


def vocabulary_from(data: dict[str, Any]) -> Vocabulary:
    """A vocabulary from what `asdict` made of it and JSON left."""
    plain = lambda cls, found: cls(**{k: tuple(v) if isinstance(v, list) else v for k, v in found.items()})
    return Vocabulary(
        tuple(plain(RelationKind, kind) for kind in data["kinds_of_relation"]),
        None if data["kinds"] is None else tuple(data["kinds"]),
        None if data["facets"] is None else tuple(plain(FacetKind, facet) for facet in data["facets"]),
        None if data["fields"] is None else plain(Fields, data["fields"]),
    )


def tidy(folder: Path) -> None:
    """Remove what is kept of the same entries as they were before, and of folders that are gone."""
    for other in folder.parent.iterdir():
        abandoned = time.time() - other.stat().st_mtime > ABANDONED
        if other.is_dir() and other != folder and (abandoned or not other.name.startswith(".")):
            shutil.rmtree(other, ignore_errors=True)
    for other in folder.parent.parent.iterdir():
        ours = re.fullmatch(r"[0-9a-f]{24}", other.name) and (other / OF).is_file()
        if ours and not Path((other / OF).read_text(encoding="utf-8")).is_dir():
            shutil.rmtree(other, ignore_errors=True)
