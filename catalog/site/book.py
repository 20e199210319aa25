"""What the writer turns into pages: entries, evidence, figures, sources and hand-written pages, all read once."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from .. import evidence
from ..catalog import Catalog
from ..evidence import Evidence, Figure
from ..graph import Edge
from ..schema import Claim, Decision, Entry

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
"""The checkout, or the folder of installed packages."""
CONTRIBUTE = "contribute.md"
"""The page that is CONTRIBUTING.md."""


def site_folder() -> Path:
    """Pages, styles, scripts and templates of the site: the installed copy, else the checkout's."""
    installed = HERE.parent / "_site"
    return installed if installed.is_dir() else ROOT / "site"


@dataclass(frozen=True)
class Book:
    """Everything that pages are made of. Equal books give equal bytes."""

    catalog: Catalog
    evidence: dict[str, Evidence] = field(default_factory=dict)
    figures: dict[str, dict[str, str]] = field(default_factory=dict)
    """Text of each figure by pattern and file name."""
    sources: dict[str, str] = field(default_factory=dict)
    """Text of the reference module by pattern."""
    pages: dict[str, str] = field(default_factory=dict)
    """Hand-written pages by path."""
    assets: dict[str, bytes] = field(default_factory=dict)
    """Files that are copied as they are, by path."""

    @cached_property
    def entries(self) -> dict[str, Entry]:
        """All entries by id, in the catalog's order."""
        return {e.id: e for e in self.catalog}

    @cached_property
    def families(self) -> dict[str, str]:
        """Title of each family that has entries."""
        return {family: title for family, (title, _) in self.catalog.families().items()}

    @cached_property
    def stated(self) -> list[Edge]:
        """Every relation once, from the side that states it."""
        return [e for id in self.entries for e in self.catalog.edges(id) if not e.derived]

    def holds(self, id: str, claim: Claim) -> list[str] | None:
        """The bars that the last measurement missed; None where there is none, or where it lacks a number."""
        record = self.evidence.get(id, {}).get(claim.id)
        if record is None or set(claim.measures) - set(record.measures):
            return None
        got = record.measures
        return [s for k, m in claim.measures.items() for s in evidence.failed_bars(m, got[k].value, got[k].baseline)]

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
        order = ("specializes", "reduces_to", "builds_on")
        found = [e for e in self.catalog.edges(id) if not e.derived and e.type in order and e.target in self.sources]
        return min(found, key=lambda e: order.index(e.type), default=None)


def read(catalog: Catalog, site: Path, assets: dict[str, bytes]) -> Book:
    """The book of a catalog that was loaded from files, with the hand-written part of the site and more assets."""
    records, figures, sources = {}, {}, {}
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
        sounds = (p for p in sorted(folder.glob("*")) if p.suffix in {".wav", ".mid"})
        assets = assets | {f"figures/{entry.id}/{p.name}": p.read_bytes() for p in sounds}
        stem = entry.implementation.reference.partition(":")[0].replace(".", "/")
        module = next((p for p in (ROOT / f"{stem}.py", ROOT / stem / "__init__.py") if p.is_file()), None)
        if module:
            sources[entry.id] = module.read_text(encoding="utf-8")
    pages = {p.relative_to(site / "pages").as_posix(): p for p in (site / "pages").rglob("*.md")}
    texts = {name: path.read_text(encoding="utf-8") for name, path in sorted(pages.items())}
    if (ROOT / "CONTRIBUTING.md").is_file():
        texts[CONTRIBUTE] = contributing((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"))
    own = {
        f"assets/{p.relative_to(site / 'assets').as_posix()}": p for p in (site / "assets").rglob("*") if p.is_file()
    }
    return Book(catalog, records, figures, sources, texts, {n: p.read_bytes() for n, p in sorted(own.items())} | assets)


def contributing(text: str) -> str:
    """CONTRIBUTING.md as a page: its links into the repository lead nowhere on the site and become their text."""
    return "---\ntitle: Contribute\nhide: [navigation]\n---\n\n" + re.sub(
        r"(?<!!)\[([^\]]+)\]\((?!https?:|#)[^)]*\)", r"\1", text
    )
