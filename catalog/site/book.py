"""What the writer turns into pages: entries, evidence, figures, sources and hand-written pages, all read once."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import yaml

from .. import evidence, learn
from ..catalog import Catalog
from ..evidence import Evidence, Figure
from ..graph import Edge
from ..schema import Claim, Decision, Entry
from . import standings
from .standings import Tournament

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
"""The checkout, or the folder of installed packages."""
PROGRAM = ".net.json"
"""How the names of programs end that a claim's run kept."""
CONTRIBUTE = "contribute.md"
"""The page that is CONTRIBUTING.md."""
CHANGELOG = "changelog.md"
"""The page that is CHANGELOG.md."""
AS_THEY_STAND = (CONTRIBUTE, CHANGELOG)
"""Pages that are files of the checkout: nothing is filled in."""
KATEX = "assets/katex/katex.min.css"
"""The style of typeset formulas, which is there with node_modules."""


def site_folder() -> Path:
    """Pages, styles, scripts and templates of the site: the installed copy, else the checkout's."""
    installed = HERE.parent / "_site"
    return installed if installed.is_dir() else ROOT / "site"


@dataclass(frozen=True)
class Citation:
    """How the whole catalog wants to be cited: what CITATION.cff says, empty where there is none."""

    title: str = ""
    version: str = ""
    date: str = ""
    authors: tuple[str, ...] = ()


@dataclass(frozen=True)
class Book:
    """Everything that pages are made of. Equal books give equal bytes."""

    catalog: Catalog
    evidence: dict[str, Evidence] = field(default_factory=dict)
    figures: dict[str, dict[str, str]] = field(default_factory=dict)
    """Text of each figure by pattern and file name."""
    programs: dict[str, dict[str, str]] = field(default_factory=dict)
    """Text of each program for demos by pattern and name."""
    sources: dict[str, str] = field(default_factory=dict)
    """Text of the reference module by pattern."""
    tournament: Tournament | None = None
    """What became of patterns on the same data with the same training time."""
    pages: dict[str, str] = field(default_factory=dict)
    """Hand-written pages by path."""
    assets: dict[str, bytes] = field(default_factory=dict)
    """Files that are copied as they are, by path."""
    citation: Citation = Citation()
    url: str = ""
    """Where the site will lie, with a slash at its end; empty if nobody said."""

    @property
    def own(self) -> bool:
        """Whether it is somebody's own catalog, not this project's."""
        return not self.catalog.ours

    @property
    def things(self) -> str:
        """What pages call the entries."""
        return "entries" if self.own else "patterns"

    @property
    def typeset(self) -> bool:
        """Whether KaTeX is there, which typesets formulas."""
        return KATEX in self.assets

    @property
    def counted(self) -> str:
        """What scripts count, as an attribute of an element, where it is not patterns."""
        return f' data-things="{self.things}"' if self.own else ""

    @property
    def thing(self) -> str:
        """What pages call one of them."""
        return "entry" if self.own else "pattern"

    @cached_property
    def entries(self) -> dict[str, Entry]:
        """All entries by id, in the catalog's order."""
        return {e.id: e for e in self.catalog}

    @property
    def ratings(self) -> dict[str, dict[str, float]]:
        """Quality in the tournament by arena and pattern; more is better."""
        return self.tournament.ratings if self.tournament else {}

    @cached_property
    def lessons(self) -> learn.Learn | None:
        """Ways, exercises and terms, where the catalog has them."""
        return learn.load(self.catalog)

    @cached_property
    def families(self) -> dict[str, str]:
        """Title of each family that has entries."""
        return {family: title for family, (title, _) in self.catalog.families().items()}

    @cached_property
    def hues(self) -> dict[str, int]:
        """A hue for each family, a golden angle apart, so that neighbors in the list differ most."""
        return {f: round(255 + i * 137.508) % 360 for i, f in enumerate(self.catalog.titles or self.families)}

    @cached_property
    def stated(self) -> list[Edge]:
        """Every relation once, from the side that states it."""
        return [e for id in self.entries for e in self.catalog.edges(id) if not e.derived]

    def holds(self, id: str, claim: Claim) -> list[str] | None:
        """The bars that the last measurement missed; None where there is none, or where it lacks a number."""
        return evidence.missed(claim, self.evidence.get(id, {}).get(claim.id))

    def pictures(self, id: str) -> list[tuple[Figure, Claim]]:
        """Figures of a pattern, each with the claim whose run drew it; the hero first."""
        found = [
            (figure, claim)
            for claim in self.entries[id].claims
            if (record := self.evidence.get(id, {}).get(claim.id))
            for figure in record.figures
            if figure.file in self.figures.get(id, {}) or f"figures/{id}/{figure.file}" in self.assets
        ]
        return sorted(found, key=lambda pair: Path(pair[0].file).stem != "hero")

    def hero(self, id: str) -> Figure | None:
        """The figure that stands for the pattern."""
        return next((f for f, _ in self.pictures(id) if Path(f.file).stem == "hero"), None)

    def decisions(self, id: str) -> list[Decision]:
        """The decisions that this pattern is an answer to."""
        return [d for d in self.catalog.decisions if any(o.pattern == id for o in d.options)]

    def proven(self, id: str) -> list[Edge]:
        """The pattern's relations that a claim proves, from its side or the other's."""
        return [x for x in self.catalog.edges(id) if x.proven]

    def parent(self, id: str) -> Edge | None:
        """The relation to the pattern it is best read against: what it specializes, reduces to or builds on."""
        return next(iter(self.parents(id)), None)

    def parents(self, id: str) -> list[Edge]:
        """The relations to what it specializes, reduces to or builds on, each pattern once, the nearest first."""
        order = ("specializes", "reduces_to", "builds_on")
        found = [e for e in self.catalog.edges(id) if not e.derived and e.type in order and e.target in self.sources]
        ranked = sorted(found, key=lambda e: order.index(e.type))
        return [e for n, e in enumerate(ranked) if e.target not in {x.target for x in ranked[:n]}]


def read(catalog: Catalog, site: Path, assets: dict[str, bytes]) -> Book:
    """The book of a catalog that was loaded from files, with the hand-written part of the site and more assets."""
    records, figures, programs, sources = {}, {}, {}, {}
    for entry in catalog:
        assert catalog.folder is not None, "a site is made of a catalog that lies in files"
        folder = catalog.folder / entry.family / entry.id
        try:
            records[entry.id] = evidence.read(folder)
        except ValueError as error:
            remedy = f"measure again with `genai-patterns verify {entry.id}`"
            raise ValueError(f"{folder / 'evidence.json'}: {error}; {remedy}") from None
        named = sorted(p for p in folder.glob("*") if p.suffix in {".svg", ".txt"})
        figures[entry.id] = {p.name: p.read_text(encoding="utf-8") for p in named}
        kept = sorted(folder.glob(f"*{PROGRAM}"))
        programs[entry.id] = {p.name.removesuffix(PROGRAM): p.read_text(encoding="utf-8") for p in kept}
        sounds = (p for p in sorted(folder.glob("*")) if p.suffix in {".wav", ".mid"})
        assets = assets | {f"figures/{entry.id}/{p.name}": p.read_bytes() for p in sounds}
        stem = entry.implementation.reference.partition(":")[0].replace(".", "/") if entry.implementation else ""
        module = next((p for p in (ROOT / f"{stem}.py", ROOT / stem / "__init__.py") if p.is_file()), None)
        if module:
            sources[entry.id] = module.read_text(encoding="utf-8")
    ours = catalog.ours
    home = site / "pages" if ours or catalog.folder is None else catalog.folder / "pages"
    pages = {p.relative_to(home).as_posix(): p for p in home.rglob("*.md")}
    texts = {name: path.read_text(encoding="utf-8") for name, path in sorted(pages.items())}
    if ours and (ROOT / "CONTRIBUTING.md").is_file():
        texts[CONTRIBUTE] = contributing((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"))
    if ours and (ROOT / "CHANGELOG.md").is_file():
        texts[CHANGELOG] = changes((ROOT / "CHANGELOG.md").read_text(encoding="utf-8"))
    own = {
        f"assets/{p.relative_to(site / 'assets').as_posix()}": p for p in (site / "assets").rglob("*") if p.is_file()
    }
    assets = {n: p.read_bytes() for n, p in sorted(own.items())} | assets
    return Book(
        catalog, records, figures, programs, sources, pages=texts, assets=assets,
        tournament=standings.load({e.id for e in catalog}) if ours else None, citation=cited() if ours else Citation(),
    )  # fmt: skip


def cited() -> Citation:
    """What CITATION.cff of the checkout says."""
    path = ROOT / "CITATION.cff"
    if not path.is_file():
        return Citation()
    said = yaml.safe_load(path.read_text(encoding="utf-8"))
    authors = tuple(a.get("name") or f"{a['given-names']} {a['family-names']}" for a in said["authors"])
    return Citation(said["title"], str(said["version"]), str(said["date-released"]), authors)


def contributing(text: str) -> str:
    """CONTRIBUTING.md as a page: its links into the repository lead nowhere on the site and become their text."""
    return "---\ntitle: Contribute\nhide: [navigation]\n---\n\n" + re.sub(
        r"(?<!!)\[([^\]]+)\]\((?!https?:|#)[^)]*\)", r"\1", text
    )


def changes(text: str) -> str:
    """CHANGELOG.md as a page."""
    front = "---\ntitle: Changelog\ndescription: What is new in each version\nhide: [navigation]\n---\n\n"
    return front + text.replace("# Changelog\n", "# Changelog\n\nAs a feed: [changelog.xml](changelog.xml).\n", 1)
