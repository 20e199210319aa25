"""The loaded catalog: entries by name, and the questions one can ask of their relations."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import cached_property
from itertools import groupby, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from . import data, names
from . import graph as graphs
from .errors import BadQuestion, NoPath, Problem, UnknownPattern, as_text, as_texts, did_you_mean, positive
from .graph import Edge, RelationKind
from .prose import passages, plain
from .results import Answer, fold
from .stock import Held, Link, Stock, record
from .vocabulary import OURS, Vocabulary

if TYPE_CHECKING:
    import networkx as nx

    from .ask import Reply
    from .compare import Comparison
    from .compose import Composition
    from .difference import Diff
    from .facets import Facets, Wanted
    from .measured import Claims
    from .pairs import Alternatives, Explanation
    from .reading import Source
    from .recommend import Choices, Fixes, Recommendations
    from .schema import Decision, Entry
    from .search import Hits, Index
    from .strict_yaml import Document
    from .walks import LearningPath, Lineage

Direction = Literal["both", "out", "in"]
SOME = 40
"""Entries that a message names before it says how many more there are."""
FEW = 3
"""Entries on other ways that a way names."""


class Named(NamedTuple):
    """An entry by id and name."""

    id: str
    name: str


class Related(NamedTuple):
    """An entry that relations lead to, and the relation by which it was reached."""

    id: str
    name: str
    type: str
    """The relation seen from the entry before it in `path`: `builds_on`, or `extended_by` from the other side."""
    direction: Direction
    """out: the entry before it states the relation; in: this one states it; both: it reads the same from both sides."""
    why: str
    when: str | None
    distance: int
    """Number of relations from the entry that was asked about."""
    path: tuple[str, ...]
    """The ids on the way, from the entry that was asked about to this one."""
    proven: str | None
    """`entry.claim` that proves the relation, where a claim does."""
    score: float | None = None
    """How relevant the entry is to the one that was asked about, where that was asked for."""


class Step(NamedTuple):
    """One relation of a path."""

    source: str
    type: str
    target: str
    why: str
    when: str | None
    proven: str | None


class RelatedList(list[Related], Answer):
    """Related entries: nearest first, printed in groups by relation; or ranked, printed one by one with the score."""

    def __init__(self, of: Named | Entry, items: Iterable[Related]) -> None:
        super().__init__(items)
        self.of = of

    @property
    def ids(self) -> list[str]:
        """The ids, each once, in the order of the relations."""
        return list(dict.fromkeys(r.id for r in self))

    def rows(self) -> list[dict[str, Any]]:
        """One for each relation, with the fields of `Related`."""
        return [r._asdict() for r in self]

    def to_dict(self) -> dict[str, Any]:
        """`id` of the entry that was asked about, and `related`."""
        return {"id": self.of.id, "related": self.rows()}

    def __repr__(self) -> str:
        one, many = ("entry", "entries") if self and self[0].score is not None else ("relation", "relations")
        count = f"{len(self)} {one if len(self) == 1 else many}"
        lines = [f"{self.of.name} ({self.of.id}): {count}"]
        for title, group in groupby(self, key=_title):
            lines += ["", title]
            for r in group:
                way = f", through {' > '.join(r.path[1:-1])}" if r.distance > 1 else ""
                lines += [f"  {r.name} ({r.id}){way}", *_reason(r, "    ")]
        return "\n".join(lines)

    __str__ = __repr__


class Route(Answer):
    """A shortest chain of relations between two entries; printed, it gives the reason for each of them."""

    def __init__(self, entries: list[Named], steps: list[Step], also: list[Named] | None = None) -> None:
        self.entries, self.steps = entries, steps
        self.also = also or []
        """Entries on other ways that are as short, some of them where there are many."""

    @property
    def ids(self) -> list[str]:
        """The ids on the way, both ends included."""
        return [e.id for e in self.entries]

    def __len__(self) -> int:
        return len(self.steps)

    def __iter__(self) -> Iterator[Step]:
        return iter(self.steps)

    def rows(self) -> list[dict[str, Any]]:
        """One for each relation on the way, with the fields of `Step`."""
        return [s._asdict() for s in self.steps]

    def to_dict(self) -> dict[str, Any]:
        """`ids` on the way, `steps`, and the ids of entries on ways as short under `also`."""
        return {"ids": self.ids, "steps": self.rows(), "also": [e.id for e in self.also]}

    def __repr__(self) -> str:
        lines = [f"{self.entries[0].name} ({self.entries[0].id})"]
        for entry, step in zip(self.entries[1:], self.steps, strict=True):
            lines += [f"  {step.type.replace('_', ' ')}", f"{entry.name} ({entry.id})", *_reason(step, "    ")]
        if self.also:
            said = f"As short: ways through {', '.join(e.id for e in self.also)}."
            lines += ["", *fold(said, hang=0)]
        return "\n".join(lines)

    __str__ = __repr__


def _title(of: Related) -> str:
    words = of.type.replace("_", " ")
    if of.score is not None:
        return f"{of.score:.3f} {words}"
    return words + (f", {of.distance} steps away" if of.distance > 1 else "")


def _reason(of: Related | Step, indent: str) -> list[str]:
    extra = [f"When: {plain(of.when).rstrip('.')}."] if of.when else []
    extra += [f"Shown by the claim {of.proven}."] if of.proven else []
    return [line for text in [plain(of.why), *extra] for line in fold(text, indent, 0)]


class Catalog:
    """Entries and the relations between them.

    A collection of `Entry`: iterate over it, `len(cat)`, `cat["vae"]`, `"vae" in cat`. Entries are in the order of
    the families, then of their years.

    >>> import catalog
    >>> cat = catalog.load()
    >>> cat["Variational Autoencoders (VAEs)"].id
    'vae'
    """

    def __init__(
        self,
        entries: Iterable[Entry] | Stock,
        name: str = "Patterns",
        families: Mapping[str, str] | None = None,
        folder: Path | None = None,
        documents: Mapping[str, Document] | None = None,
        decisions: Iterable[Decision] = (),
        vocabulary: Vocabulary = OURS,
        cache: Path | None = None,
    ) -> None:
        """Entries whose relations hold among themselves: use `catalog.load` to have that checked."""
        self.name = name
        self.titles = dict(families or {})
        """Title of each family, also of those that have no entry yet."""
        self.folder = folder
        """Where the entries were read, if they come from files."""
        self.documents = documents or {}
        """By id: the file of an entry and the place of each of its parts."""
        self.vocabulary = vocabulary
        """What its entries may say: types of relations, kinds, facets, fields."""
        self.relations: Mapping[str, RelationKind] = vocabulary.relations
        """The types of relations by name, in the order in which they are listed."""
        self.shown = graphs.names(self.relations)
        """Every name of a relation, inverses included: its type, and whether the name is the inverse's."""
        self.cache = cache
        """A folder in which files derived from exactly these entries may be kept; it may vanish. None: keep none."""
        self.stock = entries if isinstance(entries, Stock) else Held(map(record, entries), self.titles, vocabulary)
        """The entries by number, laid out for questions."""
        self._order = {name: i for i, name in enumerate(self.shown)}
        self._facing: dict[str, Direction] = {
            name: "both" if kind.symmetric else "in" if inverse else "out"
            for name, (kind, inverse) in self.shown.items()
        }
        self._given = decisions

    @cached_property
    def decisions(self) -> list[Decision]:
        """Problems that people come with, each with the patterns that answer it."""
        return list(self._given)

    # -- entries

    def get(self, name: str) -> Entry:
        """The entry with this id, name or alias, in any case, with any separators, in singular or plural.

        Raises UnknownPattern (a KeyError) with the nearest names where there is none.

        >>> import catalog
        >>> catalog.load().get("variational auto-encoders").id
        'vae'
        """
        return self.stock.entry(self._at(name))

    __getitem__ = get

    def _at(self, name: str) -> int:
        """The number of the entry with this name."""
        for key in names.keys(as_text(name, "the name of a pattern", "vae")):
            if (n := self.stock.find(key)) is not None:
                return n
        raise UnknownPattern(name, self.stock.near(names.key(name)))

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.stock)

    def __len__(self) -> int:
        return len(self.stock)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and any(self.stock.find(key) is not None for key in names.keys(name))

    @property
    def ours(self) -> bool:
        """Whether it is this project's own catalog, with references, tests and pages about it, and not another one."""
        return self.name == data.TITLE

    def __repr__(self) -> str:
        return f"<Catalog {self.name!r}: {len(self)} entries>"

    @property
    def ids(self) -> list[str]:
        """All ids, in the order of the entries."""
        return self.stock.ids

    def families(self) -> dict[str, tuple[str, list[str]]]:
        """Title and ids of every family that has entries, in the catalog's order.

        >>> import catalog
        >>> catalog.load().families()["latent_variable"][0]
        'Latent-variable models and autoencoders'
        """
        found: dict[str, tuple[str, list[str]]] = {}
        ids = iter(self.ids)
        for family, size in self.stock.families:
            found[family] = (self.titles.get(family, family), list(islice(ids, size)))
        return found

    def passages(self) -> list[tuple[str, str, str]]:
        """All prose as (id, section, plain text), without Markdown and LaTeX; a section may have several passages.

        >>> import catalog
        >>> [section for id, section, text in catalog.load().passages() if id == "vae"][:3]
        ['facts', 'summary', 'intent']
        """
        return [(e.id, section, text) for e in self for section, text in passages(e, self.titles.get(e.family, ""))]

    # -- relations

    def edges(self, name: str) -> list[Edge]:
        """The relations of one entry, as seen from it: stated by it, and derived from what others state."""
        return self._edges(self._at(name))

    def _edges(self, n: int) -> list[Edge]:
        ids, made = self.stock.ids, self.vocabulary.relation.model_construct
        return [
            Edge(ids[n], ids[link.target], link.type, made(**link.stated), link.derived, link.proven)
            for link in self.stock.links(n)
        ]

    def related(
        self,
        name: str,
        types: str | Collection[str] | None = None,
        direction: Direction = "both",
        depth: int | None = None,
        ranked: bool = False,
        limit: int | None = None,
    ) -> RelatedList:
        """The entries that relations lead to from this one, with the reason along each.

        types: only these relations. `builds_on` takes them from both ends, `extended_by` only those that others state.
        direction: `out` for relations that the entry states, `in` for those that others state about it; relations
            that read the same from both sides count as both.
        depth: how many relations away, 1 if it is not said; an entry is listed once, where it is nearest (with all
            relations that join it to the entry through which it was first reached).
        ranked: the most relevant first, once each, with a `score`: the probability that a walk along these relations
            which begins at the entry ends there (`walks.spread`). Without a depth, entries may be any way off.
        limit: at most so many; if it is not said 10 ranked ones, and else all.

        Raises UnknownPattern, or BadQuestion (a ValueError) for a type, direction, depth or limit that does not exist.

        >>> import catalog
        >>> cat = catalog.load()
        >>> [(r.type, r.id) for r in cat.related("vae", types="builds_on", direction="out")]
        [('builds_on', 'autoencoder')]
        >>> cat.related("ddim", ranked=True)[0].id
        'ddpm'
        """
        start = self._at(name)
        positive(**{what: n for what, n in {"depth": depth, "limit": limit}.items() if n is not None})
        wanted = set(self.shown if types is None else as_texts(types, "a relation", "builds_on"))
        for t in sorted(wanted - set(self.shown)):
            hint = did_you_mean(t, self.shown, f"there are {', '.join(self.shown)}")
            raise BadQuestion(f"no relation {t!r}; {hint}")
        if direction not in ("both", "out", "in"):
            raise BadQuestion(f"direction {direction!r}; it is 'both', 'out' or 'in'")
        usable = {
            t
            for t, (kind, _) in self.shown.items()
            if {t, kind.name} & wanted and (direction == "both" or self._facing[t] in (direction, "both"))
        }
        if ranked:
            from .walks import ranking

            best = ranking(self, start, usable, depth, limit or 10)
            return RelatedList(self._named(start), [self._related(link, way, score) for score, link, way in best])
        found = []
        ways = {start: (start,)}
        level = [start]
        while level and len(ways[level[0]]) <= (depth or 1):
            parent: dict[int, int] = {}
            for here in level:
                for link in self.stock.links(here):
                    if link.type not in usable or link.target in ways:
                        continue
                    if parent.setdefault(link.target, here) == here:
                        found.append(self._related(link, (*ways[here], link.target)))
            ways |= {new: (*ways[old], new) for new, old in parent.items()}
            level = list(parent)
        found.sort(key=lambda r: (r.distance, self._order[r.type]))
        return RelatedList(self._named(start), found[:limit])

    def _related(self, link: Link, way: tuple[int, ...], score: float | None = None) -> Related:
        """The entry at the end of a way whose last relation is `link`."""
        id, name = self._named(link.target)
        why, when, ids = link.stated["why"], link.stated.get("when"), tuple(self.stock.ids[n] for n in way)
        facing = self._facing[link.type]
        return Related(id, name, link.type, facing, why, when, len(way) - 1, ids, link.proven, score)

    def _named(self, n: int) -> Named:
        return Named(self.stock.ids[n], self.stock.names[n])

    def path(self, a: str, b: str) -> Route:
        """A shortest chain of relations from one entry to another, with the reason along each.

        Of several, the one along which readers go on most readily (`walks.WEIGHTS`: rather from an idea to what builds
        on it than to an alternative), of these the one whose relations come first in `edges`, from its beginning on.
        Raises UnknownPattern, or NoPath where nothing joins them.

        >>> import catalog
        >>> catalog.load().path("vae", "autoencoder").ids
        ['vae', 'autoencoder']
        """
        from .walks import WEIGHTS

        stock, start, end = self.stock, self._at(a), self._at(b)
        costs = [-WEIGHTS.get(kind.name, 1.0) for kind, _ in self.shown.values()]
        way, near = graphs.shortest(stock.starts, stock.ends, start, end, lambda place: costs[stock.types[place]])
        if way is None:
            side = start if start in near else end
            raise NoPath(f"no relations lead from {self.ids[start]} to {self.ids[end]}; {self._reach(side, near)}")
        steps, at = [], start
        for place in way:
            link = self.stock.links(at)[place - self.stock.starts[at]]
            source, target, stated = self.ids[at], self.ids[link.target], link.stated
            steps.append(Step(source, link.type, target, stated["why"], stated.get("when"), link.proven))
            at = link.target
        on_it = [start, *(stock.ends[place] for place in way)]
        also = [n for n in near if n not in on_it][:FEW]
        return Route([self._named(n) for n in on_it], steps, [self._named(n) for n in also])

    def _reach(self, start: int, reached: Collection[int]) -> str:
        """What one reaches from an entry, in words."""
        others = sorted(self.ids[n] for n in reached if n != start)
        named = ", ".join(others[:SOME]) + (f" and {len(others) - SOME} more" if len(others) > SOME else "")
        return f"from {self.ids[start]} one reaches {named or 'nothing'}"

    @cached_property
    def graph(self) -> nx.MultiDiGraph:
        """The catalog as a frozen `networkx.MultiDiGraph`: nodes are ids, an edge's key is its type.

        Inverse edges are there too, with `derived=True`; `why`, `when`, `fixes` and `claim` are attributes of edges.

        >>> import catalog
        >>> catalog.load().graph.edges["vae", "autoencoder", "builds_on"]["derived"]
        False
        """
        return graphs.build(self)

    def completeness(self) -> list[Problem]:
        """What a finished catalog has and this one lacks: every entry reachable from every other, and every
        entry with at least two relations of two types, seen from itself. Not asked for by `catalog.load`."""
        problems = []
        for n, id in enumerate(self.ids):
            seen = {(link.type, link.target) for link in self.stock.links(n)}
            types = sorted({type for type, _ in seen})
            if len(seen) < 2 or len(types) < 2:
                message = f"{id} has {len(seen)} relations, of the types: {', '.join(types) or 'none'}"
                problems.append(
                    self._problem(id, message, "every entry needs two relations of two types: state another")
                )
        joined = graphs.reach(self.stock.starts, self.stock.ends, 0) if self.ids else set()
        for n, id in enumerate(self.ids):
            if n not in joined:
                message = f"no relations join {id} to {self.ids[0]}"
                problems.append(self._problem(id, message, "relate it to an entry that others are related to"))
        return sorted(problems)

    def _problem(self, id: str, message: str, fix: str) -> Problem:
        if id in self.documents:
            return self.documents[id].problem(("relations",), message, fix)
        return Problem(id, 1, 1, message, fix)

    # -- questions

    def lineage(self, name: str, depth: int | None = None) -> Lineage:
        """Where an entry comes from and what came of it, on a time axis, each step with its reason.

        depth: how many generations; None for all. Descent is what `builds_on`, `specializes`, `reduces_to` and
        `has_part` say, the last two where the simpler case and the part are not the younger; where the general idea
        is younger than the special case, it was drawn from it. In a catalog without these types all acyclic ones are
        descent, as they are stated.

        Raises UnknownPattern, or BadQuestion for a depth below 1.

        >>> import catalog
        >>> found = catalog.load().lineage("latent_diffusion")
        >>> {"autoencoder", "vae", "ddpm"} <= {a.id for a in found.ancestors}
        True
        >>> [d.id for d in found.descendants]
        ['text_to_image']
        """
        from .walks import lineage

        return lineage(self, name, depth)

    def learning_path(self, target: str, known: str | Iterable[str] = (), limit: int = 8) -> LearningPath:
        """What to read first, in order, the target last; each step says which later one needs it, and why.

        Before an entry come those that it specializes, builds on, has as parts or acts on, and simpler ones that it
        reduces or is equal to. Of these the path has all that the target needs directly and what steps of difficulty
        3 or more cannot do without, up to one and a half times `limit`; then further ones, the most needed first, as
        long as there are fewer than `limit`. Entries harder than what needs them, and those that their successor
        replaced, count less.

        known: ids or names; they drop out, and so does what only they need.

        Raises UnknownPattern, or BadQuestion for a limit below 1.

        >>> import catalog
        >>> catalog.load().learning_path("wgan_gp").ids
        ['gan', 'wgan', 'wgan_gp']
        >>> catalog.load().learning_path("wgan_gp", known=["gan"]).ids
        ['wgan', 'wgan_gp']
        """
        from .walks import learning_path

        return learning_path(self, target, known, limit)

    def alternatives(self, name: str, where: str | Iterable[str] = (), **facets: Wanted) -> Alternatives:
        """What could be taken instead of an entry, why, and in which facets it differs.

        First come those that relations call alternatives or equal, with the trade-off, then the options of decisions
        that the entry answers too, what mends one of its failures, and up to ten siblings: entries of the same family
        and kind, or on the same data, that specialize or build on the same. where, facets: conditions, as in
        `recommend`.

        Raises UnknownPattern, or BadQuestion for a facet or value that does not exist.

        >>> import catalog
        >>> catalog.load().alternatives("vae", likelihood="exact", sampling="one_pass").ids
        ['normalizing_flow', 'realnvp']
        """
        from .pairs import alternatives

        return alternatives(self, name, where, **facets)

    def explain(self, a: str, b: str) -> Explanation:
        """What joins two entries and what separates them: their relations with the claims that prove them and what was
        measured, else the shortest way; which came from the other; decisions that both answer; what they have in
        common and where their facets differ.

        Raises UnknownPattern, or BadQuestion where both names mean the same entry.

        >>> import catalog
        >>> [(r.source, r.type, r.target) for r in catalog.load().explain("ddpm", "ddim").relations]
        [('ddim', 'reduces_to', 'ddpm'), ('ddim', 'accelerates', 'ddpm')]
        """
        from .pairs import explain

        return explain(self, a, b)

    def source(self, name: str) -> Source:
        """The module of an entry's reference: its code, what it imports, how to run and to measure it.

        Raises UnknownPattern, or BadQuestion for an entry without a reference, or whose reference is not installed.

        >>> import catalog
        >>> catalog.load().source("vae").module
        'reference_impl.latent_variable.vae'
        """
        from .reading import source

        return source(self, name)

    @cached_property
    def facets(self) -> Facets:
        """The closed choices by which entries are filtered: what there is, and which entries have it.

        >>> import catalog
        >>> catalog.load().facets.values("likelihood")["bound"]
        10
        """
        return self.stock.facets(self)

    @cached_property
    def _choices(self) -> Choices:
        from .recommend import Choices

        return Choices(self)

    def recommend(
        self, text: str | None = None, where: str | Iterable[str] = (), limit: int = 5, **facets: Wanted
    ) -> Recommendations:
        """Patterns for a problem, best first: why each, why not, and what would fit but for one facet.

        text: the problem in plain words; words that are certain to mean a facet (`exact likelihood`, `in one pass`,
            `without adversarial training`) become conditions, and `understood` of the result says so.
        where, facets: conditions as in `Facets.matching`, such as `data="image"` or `"year>=2015"`.

        Raises BadQuestion where there is neither text nor facet, or a facet or value does not exist.

        >>> import catalog
        >>> catalog.load().recommend("samples show only a few kinds of what is in the data", sampling="one_pass").ids[0]
        'wgan_gp'
        """
        from .recommend import recommend

        return recommend(self, text, where, limit, **facets)

    def fixes(self, text: str, limit: int = 4) -> Fixes:
        """Failures that fit a symptom, the likeliest first: how to tell, what to do, and which patterns mend them.

        Raises BadQuestion where the text says nothing.

        >>> import catalog
        >>> fix = catalog.load().fixes("posterior collapse")[0]
        >>> fix.id, fix.failure, [id for id, why, measured in fix.patterns]
        ('vae', 'posterior_collapse', ['vq_vae'])
        """
        from .recommend import fixes

        return fixes(self, text, limit)

    def ask(self, question: str) -> Reply:
        """A question in plain words, answered by the verb that is meant; `verb` and `arguments` say which it was.

        What something is, what fixes it, how to get from one to the other, what to know before, alternatives,
        differences, history; a name alone is looked up, and anything else is a problem to recommend patterns for.

        Raises BadQuestion for a question without words.

        >>> import catalog
        >>> reply = catalog.load().ask("what must I know before WGAN-GP?")
        >>> reply.call
        "cat.learning_path(target='wgan_gp')"
        >>> reply.ids
        ['wgan', 'gan', 'wgan_gp']
        """
        from .ask import ask

        return ask(self, question)

    def export(self, format: str, **options: Any) -> str | dict[str, str]:
        """The catalog for another tool: one of `catalog.export.FORMATS` as text, or for `csv` the text of each file.

        ids, family, types, around, depth choose a part of it: these entries, those of a family, relations of these
        types, what lies at most `depth` relations around an entry. `base`, for `json-ld`, is the beginning of its IRIs.
        Raises BadQuestion for a format, family, type or option that does not exist, UnknownPattern for an id.

        >>> import catalog
        >>> print(catalog.load().export("mermaid", ids=["vae", "beta_vae"], types="specializes"), end="")
        flowchart LR
            vae_["Variational Autoencoder"]
            beta_vae_["beta-VAE"]
            beta_vae_ -->|"specializes"| vae_
        """
        from .export import export

        return export(self, format, **options)

    def compose(self, ids: Iterable[str]) -> Composition:
        """Whether patterns can be put together, in this order: which output goes into which input or slot, what has
        to be converted between, what stays open, and where they do not fit.

        Raises UnknownPattern, or BadQuestion for fewer than two patterns, or the same twice.

        >>> import catalog
        >>> catalog.load().compose(["vq_vae", "gpt"]).fits
        True
        """
        from .compose import compose

        return compose(self, ids)

    def compare(self, ids: Iterable[str]) -> Comparison:
        """Two or more entries side by side: their facets, the numbers that may be held against each other, what joins
        them, for which problem which, what each gains and pays, and how each fails. A pair of numbers stands side by
        side only where one test measured both, or where both have the same words, unit and task.

        Raises UnknownPattern, or BadQuestion for fewer than two entries, or the same twice.

        >>> import catalog
        >>> catalog.load().compare(["vae", "gan"]).facets["likelihood"]
        {'vae': 'bound', 'gan': 'implicit'}
        """
        from .compare import compare

        return compare(self, ids)

    def diff(self, a: str, b: str) -> Diff:
        """What changes from one entry to another: in the code of their references, method by method, and field by
        field in what the entries say. The code is read as text; nothing is imported.

        Raises UnknownPattern, or BadQuestion where both are the same entry.

        >>> import catalog
        >>> [part.name for part in catalog.load().diff("vae", "beta_vae").code]
        ['loss', 'Config']
        """
        from .difference import diff

        return diff(self, a, b)

    def claims(self, pattern: str | Collection[str] | None = None, **filters: Any) -> Claims:
        """Claims with what was measured of them, one row for each measure. Filters are `pattern`, `family`, `kind`,
        `status` (holds, missed, not measured, stale), `text`, `unit`, `proves` (a relation) and `year`.

        Asking for stale ones compares digests, which takes about half a minute for all. Raises UnknownPattern, or
        BadQuestion for a filter or a value that does not exist.

        >>> import catalog
        >>> catalog.load().claims("beta_vae", proves="reduces_to")[0].claim
        'beta_vae.beta_one_is_the_vae'
        """
        from .measured import claims

        return claims(self, pattern, **filters)

    # -- text

    @cached_property
    def _index(self) -> Index:
        from .search import Index

        return Index(self)

    def search(self, text: str, limit: int = 10) -> Hits:
        """Entries that speak of `text`, best first, each with a sentence that does.

        A word stands for its other forms and for its synonyms (`synonyms` of the result names them). One that occurs
        nowhere stands for words that begin so, or else for the nearest there is (`corrected` says so). An entry whose
        name is asked for comes first. Of a large catalog, only the entries that promise most are compared.

        Raises BadQuestion (a ValueError) for a text without words.

        >>> import catalog
        >>> catalog.load().search("varational autoencoder")[0].id
        'vae'
        """
        positive(limit=limit)
        return self._index.search(as_text(text, "what is looked for", "mode collapse"), limit)
