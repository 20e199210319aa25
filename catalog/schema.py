"""What an entry is: the fields, their meaning and what is allowed in them.

These models are the only definition. The JSON Schema that editors read, the messages of the
loader, the scaffold of a new entry and the API pages are all derived from them. A catalog with a
vocabulary of its own has a model derived from `Entry` (`entry_model`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Annotated, Any, ClassVar, Literal, Self, TypeVar, cast, get_origin, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from .errors import did_you_mean
from .graph import RELATIONS, RelationKind
from .vocabulary import ALWAYS, NEEDED, OURS, FacetKind, Vocabulary

Id = Annotated[str, Field(pattern=r"^[a-z][a-z0-9]*(_[a-z0-9]+)*$", max_length=60)]
"""A name in snake_case."""
Text = Annotated[str, Field(min_length=1, pattern=r"\S")]
"""Prose in Markdown; `$...$` is mathematics. HTML is shown as text, never interpreted."""
Line = Annotated[str, Field(min_length=1, max_length=160, pattern=r"^[^\n]*\S[^\n]*$")]
"""One line of at most 160 characters."""
Texts = Annotated[list[Text], Field(min_length=1)]
Word = Annotated[str, Field(max_length=60, pattern=r"^[^\s,=<>!|]+( [^\s,=<>!|]+)*$")]
"""A value that conditions such as `facet=this,that` can name."""

RelationType = Literal[
    "specializes", "reduces_to", "equivalent_to", "builds_on", "has_part", "remedies",
    "alternative_to", "conditions", "accelerates", "adapts", "serves", "evaluates",
]  # fmt: skip

ClaimKind = Literal["exact", "analytic", "scaling", "comparative", "limit"]


class Model(BaseModel):
    """A part of an entry: exactly these fields, of exactly these types."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True)

    def _raise(self, wrong: Iterable[tuple[tuple[str | int, ...], str, str]]) -> None:
        """Raise all of (where, what is wrong, what to do) at once, each at its own place."""
        errors = [
            InitErrorDetails(
                type=PydanticCustomError("inconsistent", "{what}", {"what": what, "fix": fix}), loc=loc, input=None
            )
            for loc, what, fix in wrong
        ]
        if errors:
            raise ValidationError.from_exception_data(type(self).__name__, errors)


class Component(Model):
    """One box of the structure diagram."""

    name: Line
    """What the box says."""
    role: Line
    """What it is there for."""
    takes: list[Line] = Field(alias="in")
    """What flows in: the `out` of other components, or data from outside (`x`, `noise`, ...)."""
    gives: list[Line] = Field(alias="out")
    """What flows out."""


class Consequences(Model):
    """What follows from using the pattern."""

    benefits: Texts
    """What one gains."""
    liabilities: Texts
    """What one pays."""


class Symbol(Model):
    """A symbol of the objective, and the identifier that carries it in the reference."""

    symbol: Line
    """In LaTeX, without dollar signs."""
    meaning: Line
    """What it stands for, with shape or unit."""
    code: Line
    """An identifier that occurs in the reference's module."""


class Cost(Model):
    """What it takes to train and to sample."""

    train: Line
    """Cost of one training step, big-O in the symbols of the entry, with $...$."""
    sample: Line
    """Cost of one sample, likewise."""


class Facets(Model):
    """Closed choices by which patterns are compared and chosen."""

    likelihood: Literal["exact", "bound", "unnormalized", "implicit", "none"]
    """What can be said of log p(x): its value, a lower bound, its value up to a constant, nothing
    though there is a distribution one samples from, or there is no distribution."""
    latent: Literal["none", "continuous", "discrete", "same_dimension"]
    """The code behind an observation; `same_dimension` is a bijection's."""
    data: Annotated[
        list[Literal["image", "text", "sequence", "vector", "binary", "audio", "video", "graph"]],
        Field(min_length=1),
    ]
    """What the reference has been run on or plainly applies to."""
    sampling: Literal["one_pass", "sequential", "iterative", "markov_chain", "fixed_point", "retrieve_and_read", "none"]
    """How a sample comes about."""
    nfe: Line
    """Network evaluations per sample, such as `1`, `T` or `one per token`."""
    training: Literal[
        "likelihood", "bound", "reconstruction", "adversarial", "denoising", "contrastive",
        "storage", "reinforcement", "supervised", "distillation", "none",
    ]  # fmt: skip
    """What drives learning."""
    conditioning: list[Literal["label", "text", "image", "prompt", "query", "preference"]]
    """What can steer a sample; empty for unconditional patterns."""
    needs_pretrained: bool
    """Whether it starts from another trained model."""
    cost: Cost


class FailureMode(Model):
    """A way in which it goes wrong, and what to do."""

    id: Id
    """Named by relations that remedy it."""
    symptom: Text
    """What one sees."""
    detect: Text
    """How to measure it."""
    remedy: Text
    """What helps."""
    pattern: Id | None = None
    """The pattern that is the remedy, where there is one."""
    claim: Id | None = None
    """The claim of this entry that shows the failure."""


class Misconception(Model):
    """Something that is often said and not true."""

    claim: Text
    """What is often said."""
    correction: Text
    """What is true."""
    source: Id
    """Key of the source that settles it."""
    shown_by: Id | None = None
    """The claim of this entry that shows it."""


class Agreement(Model):
    """An established library that computes the same, and the test that holds the two together."""

    library: Line
    """Its name in `import`."""
    what: Line
    """What is the same, and how nearly."""
    test: Annotated[str, Field(pattern=r"^tests/[\w/]+\.py::test_\w+$")]
    """`file::function` of the test that compares the two."""


class Implementation(Model):
    """The code that runs the pattern."""

    reference: Annotated[str, Field(pattern=r"^[a-z_][\w.]*:[A-Z]\w*$")]
    """`module:Class`, such as `reference_impl.latent_variable.vae:VAE`."""
    fidelity: Literal["faithful", "simplified", "toy"]
    """Distance from the source that introduced the pattern."""
    deviations: list[Text]
    """What the reference does differently, and why."""
    conformance: list[Agreement] = []
    """Libraries that compute the same from the same weights."""


Value = Literal[
    "data", "image", "video", "audio", "vector", "binary", "sequence", "text", "tokens", "graph",
    "codes", "latent", "embedding", "features", "noise", "time", "mask", "state", "keys_and_values", "grammar",
    "label", "query", "passages", "preference", "demonstrations",
    "logits", "law", "log_probability", "energy", "gradient", "velocity", "predicted_noise",
    "reward", "relevance", "verdict", "report",
]  # fmt: skip
"""Kinds of values that patterns take and give (`compose.MEANINGS` says what each is). `data` is an observation: any of
the kinds in the entry's `facets.data`."""


class Signature(Model):
    """What goes into a method, and what comes out."""

    takes: list[Value]
    """What it has to be given."""
    accepts: list[Value] = []
    """What it may be given besides."""
    gives: list[Value]
    """What comes out; empty where it changes the pattern alone."""


class Verb(Signature):
    """A public method of the reference."""

    verb: Id
    """Its name; `step` is a step of training on what it takes."""


class Need(Signature):
    """What a pattern has to do to go into a slot."""

    verb: Id | None = None
    """The method's name, where any other that takes and gives the same would not do."""


class Slot(Model):
    """A place for another pattern."""

    name: Line
    """What the pattern is there."""
    needs: Annotated[list[Need], Field(min_length=1)]
    """What it has to do; all of these."""


class Near(Model):
    """A known value and how far from it one may be."""

    value: float
    tolerance: Annotated[float, Field(ge=0)]


class Measure(Model):
    """One number of a claim and the bar that it has to meet. All bars given must hold."""

    what: Line
    """What is measured."""
    unit: Line
    """Its unit; `1` for a pure number."""
    baseline: Line | None = None
    """What the number stands beside: another method, a closed form, a noise floor."""
    at_most: float | None = None
    """The measured value is at most this."""
    at_least: float | None = None
    """The measured value is at least this."""
    between: Annotated[list[float], Field(min_length=2, max_length=2)] | None = None
    """The measured value lies in this closed interval."""
    near: Near | None = None
    """The measured value lies within the tolerance of a known value."""
    of_baseline_at_most: float | None = None
    """Measured value divided by the baseline's is at most this."""
    of_baseline_at_least: float | None = None
    """Measured value divided by the baseline's is at least this."""
    below_baseline_by: float | None = None
    """The baseline's value exceeds the measured one by at least this."""
    above_baseline_by: float | None = None
    """The measured value exceeds the baseline's by at least this."""
    baseline_at_most: float | None = None
    """The baseline's own value is at most this (it fails where the pattern succeeds)."""
    baseline_at_least: float | None = None
    """The baseline's own value is at least this."""

    @property
    def bars(self) -> dict[str, float | list[float] | Near]:
        """The bars that are set, by name."""
        return {name: bar for name in BARS if (bar := getattr(self, name)) is not None}

    @property
    def needs_baseline(self) -> bool:
        """Whether a bar speaks of the baseline."""
        return any("baseline" in name for name in self.bars)

    @model_validator(mode="after")
    def _has_bar(self) -> Self:
        if not self.bars:
            self._raise([((), "no bar", f"give one of {', '.join(BARS)}")])
        if self.needs_baseline and not self.baseline:
            self._raise([((), "a bar against the baseline, but no `baseline`", "say in `baseline` what it is")])
        return self


BARS = tuple(n for n in Measure.model_fields if n not in {"what", "unit", "baseline"})


class Citation(Model):
    """Where something is written."""

    key: Id
    """Key of one of the entry's sources."""
    where: Line
    """Section, equation, theorem, table."""


class Claim(Model):
    """A property that makes the pattern worth its name, with numbers, measured by one test."""

    id: Id
    """Also the name of its test, `test_<id>`."""
    kind: ClaimKind
    """An identity; agreement with a closed form; a fitted exponent; better than a baseline; a known weakness, run."""
    statement: Text
    """What holds."""
    measures: Annotated[dict[Id, Measure], Field(min_length=1)]
    """What the test measures, by name."""
    source: Citation
    """Where the property comes from."""
    budget_s: Annotated[float, Field(gt=0, le=600)]
    """Seconds on one ordinary core within which the test should end; reported, not enforced."""


class Source(Model):
    """A publication."""

    key: Id
    """How claims and misconceptions cite it, such as `kingma2014`."""
    authors: Line
    title: Line
    year: Annotated[int, Field(ge=1600, le=2100)]
    venue: Line
    arxiv: Annotated[str, Field(pattern=r"^(\d{4}\.\d{4,5}|[a-z\-.A-Z]+/\d{7})$")] | None = None
    doi: Annotated[str, Field(pattern=r"^10\.\d{4,9}/\S+$")] | None = None
    url: Annotated[str, Field(pattern=r"^https://[^\s<>\"]+$")] | None = None
    role: Literal["introduces", "improves", "analyses", "survey", "code"]
    """What the source did for the pattern."""

    @model_validator(mode="after")
    def _can_be_found(self) -> Self:
        if not (self.arxiv or self.doi or self.url):
            self._raise([((), "a reader cannot find this source", "give arxiv, doi or url")])
        return self


class Relation(Model):
    """An edge to another entry, written down on one side only; the inverse is derived."""

    kinds: ClassVar[Mapping[str, RelationKind]] = RELATIONS

    type: RelationType
    target: Id
    """Id of the other entry."""
    why: Text
    """A sentence a reader learns from."""
    when: Line | None = None
    """The condition under which it holds (reduces_to, equivalent_to)."""
    fixes: Id | None = None
    """The target's failure mode that this entry remedies (remedies)."""
    claim: Id | None = None
    """The claim of this entry that proves it (reduces_to, equivalent_to, remedies)."""

    @model_validator(mode="after")
    def _complete(self) -> Self:
        self._raise(
            ((), f"a relation {self.type!r} needs `{name}`", f"add it: {type(self).model_fields[name].description}")
            for name in self.kinds[self.type].needs
            if getattr(self, name) is None
        )
        return self


class Entry(Model):
    """One pattern."""

    id: Id
    """The same as the file's stem; never translated, never reused."""
    name: Line
    aliases: list[Line]
    """Other names under which people look for it, plurals included."""
    family: Id
    """The mechanism by which it learns or generates; the name of the folder."""
    kind: Literal[
        "architecture", "objective", "sampler", "conditioning", "component",
        "adaptation", "alignment", "system", "application", "technique",
    ]  # fmt: skip
    year: Annotated[int, Field(ge=1900, le=2100)]
    """When it was introduced."""
    status: Literal["established", "emerging", "historical", "superseded"]
    difficulty: Annotated[int, Field(ge=1, le=5)]
    """1: a first course; 5: research literature."""
    tags: list[Id]
    summary: Line
    """What it is, in at most 160 characters."""

    intent: Text
    """What one uses it for, in one or two sentences."""
    problem: Text
    context: Text
    """Where the problem arises."""
    forces: Texts
    """What pulls in different directions."""
    solution: Text
    structure: Annotated[list[Component], Field(min_length=1)]
    consequences: Consequences
    use_when: Texts
    avoid_when: Texts
    known_uses: Texts

    objective: Text
    """What is optimized or computed, in LaTeX without dollar signs."""
    symbols: Annotated[list[Symbol], Field(min_length=1)]
    facets: Facets
    failure_modes: Annotated[list[FailureMode], Field(min_length=1)]
    misconceptions: list[Misconception] = []
    implementation: Implementation
    interface: list[Verb] = []
    """What can be called, by what it takes and gives; `compose` goes by it."""
    slots: list[Slot] = []
    """Places for other patterns."""
    claims: Annotated[list[Claim], Field(min_length=1)]
    sources: Annotated[list[Source], Field(min_length=1)]
    relations: list[Relation]

    def __repr__(self) -> str:
        """One line: all fields would fill many screens."""
        return f"<Entry {self.id}: {self.name} ({self.family}{f', {self.year}' if self.year else ''})>"

    __str__ = __repr__

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        named: dict[str, list[tuple[tuple[str | int, ...], str]]] = {
            "claim": [(("claims", i, "id"), c.id) for i, c in enumerate(self.claims)],
            "failure mode": [(("failure_modes", i, "id"), f.id) for i, f in enumerate(self.failure_modes)],
            "source": [(("sources", i, "key"), s.key) for i, s in enumerate(self.sources)],
            "alias": [(("aliases", i), re.sub(r"\W+", " ", a).lower()) for i, a in enumerate(self.aliases)],
        }
        used: list[tuple[str, tuple[str | int, ...], str | None]] = [
            *(("source", ("claims", i, "source", "key"), c.source.key) for i, c in enumerate(self.claims)),
            *(("source", ("misconceptions", i, "source"), m.source) for i, m in enumerate(self.misconceptions)),
            *(("claim", ("misconceptions", i, "shown_by"), m.shown_by) for i, m in enumerate(self.misconceptions)),
            *(("claim", ("failure_modes", i, "claim"), f.claim) for i, f in enumerate(self.failure_modes)),
            *(("claim", ("relations", i, "claim"), r.claim) for i, r in enumerate(self.relations)),
        ]
        known = {what: {name for _, name in names} for what, names in named.items()}
        twice = (
            (loc, f"the {what} {name!r} is given twice", "rename one or take it out")
            for what, names in named.items()
            for i, (loc, name) in enumerate(names)
            if any(name == earlier for _, earlier in names[:i])
        )
        dangling = (
            (loc, f"no {what} {name!r} in this entry", f"known: {', '.join(sorted(known[what])) or 'none'}")
            for what, loc, name in used
            if name is not None and name not in known[what]
        )
        self._raise([*twice, *dangling])
        return self

    def claim(self, id: str) -> Claim:
        """The claim with this id; KeyError where there is none."""
        return {c.id: c for c in self.claims}[id]


class Option(Model):
    """A pattern that answers a decision."""

    pattern: Id
    """Id of its entry."""
    why: Text
    """When it is the one to take, and what it costs."""
    claim: Id | None = None
    """The claim of that entry that shows it."""
    source: Id | None = None
    """Key of a source of that entry that says so, where no claim shows it."""

    @model_validator(mode="after")
    def _justified(self) -> Self:
        if not (self.claim or self.source):
            self._raise([((), "nothing justifies this option", "name a claim or a source of the pattern's entry")])
        return self


class Decision(Model):
    """A choice that people face, and the patterns among which they choose."""

    id: Id
    problem: Line
    """What one has to do, in the words of somebody who does not know the patterns."""
    said: list[Line] = []
    """How people put it: other words for the same problem, by which it is found."""
    forces: Texts
    """What decides between the options."""
    options: Annotated[list[Option], Field(min_length=1)]
    """The one to try first at the top."""


class Decisions(Model):
    """What `decisions.yaml`, beside the families' folders, says."""

    decisions: list[Decision]


class Synonym(Model):
    """Expressions for the same thing: whoever asks for one of `said` is shown what speaks of one of `meant` too."""

    said: Annotated[list[Line], Field(min_length=1)]
    """What people say; in any form, singular or plural."""
    meant: Annotated[list[Line], Field(min_length=1)]
    """Words of the entries."""


class Synonyms(Model):
    """What `synonyms.yaml`, beside the families' folders, says."""

    synonyms: list[Synonym]


class DeclaredRelation(Model):
    """A type of relation, as `catalog.yaml` declares it."""

    rule: Line
    """What it says of `A type B`."""
    inverse: Id | None = None
    """Its name seen from B."""
    symmetric: bool = False
    """Whether it reads the same from both sides, and so has no inverse."""
    acyclic: bool = False
    """Whether following it never leads back."""
    younger: bool = False
    """Whether A cannot be older than B, by their years."""
    needs: list[Literal["when", "fixes", "claim"]] = []
    """What such a relation has to state besides `target` and `why`."""
    claims: list[ClaimKind] = []
    """The kinds of claim that may prove it; any, if none is named."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.symmetric == (self.inverse is not None):
            self._raise(
                [((), "either it has an inverse or it is symmetric", "write `inverse: ...` or `symmetric: true`")]
            )
        if self.symmetric and (self.acyclic or self.younger):
            fix = "take `symmetric` out, and name the inverse"
            self._raise([((), "what reads the same from both sides leads back and has no younger side", fix)])
        return self


class DeclaredFacet(Model):
    """A facet, as `catalog.yaml` declares it: what an entry may choose."""

    one_of: Annotated[list[Word], Field(min_length=1)] | None = None
    """An entry names one of these."""
    some_of: Annotated[list[Word], Field(min_length=1)] | None = None
    """An entry names any number of these, in a list."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.one_of is None) == (self.some_of is None):
            self._raise([((), "a facet has `one_of` or `some_of`", "write `one_of: [...]` or `some_of: [...]`")])
        name, values = ("one_of", self.one_of) if self.one_of else ("some_of", self.some_of or [])
        self._raise(
            ((name, i), f"{v!r} is given twice", "take one out") for i, v in enumerate(values) if v in values[:i]
        )
        return self

    @property
    def values(self) -> list[str]:
        """What can be chosen."""
        return self.one_of or self.some_of or []


class DeclaredFields(Model):
    """The fields of an entry besides id, name, family, summary and relations, as `catalog.yaml` declares them."""

    required: list[str] = []
    """Every entry has these."""
    optional: list[str] = []
    """An entry may have these."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        wrong: list[tuple[tuple[str | int, ...], str, str]] = []
        known = [n for n in Entry.model_fields if n not in ALWAYS]
        seen: list[str] = []
        for part, given in (("required", self.required), ("optional", self.optional)):
            for i, name in enumerate(given):
                if name in ALWAYS:
                    wrong.append(((part, i), f"every entry may have {name!r} anyway", "take it out"))
                elif name not in known:
                    fix = did_you_mean(name, known, f"there are {', '.join(known)}")
                    wrong.append(((part, i), f"an entry has no field {name!r}", fix))
                elif name in seen:
                    wrong.append(((part, i), f"{name!r} is given twice", "take one out"))
                seen.append(name)
        self._raise(wrong)
        return self


class About(Model):
    """What `catalog.yaml`, beside the families' folders, says: the title, the families, and the vocabulary.

    Where it declares no relations, kinds, facets or fields, entries have those of this project's own patterns.
    """

    name: Line
    """Title of the catalog."""
    families: dict[Id, Line]
    """Title of each family by the name of its folder, in the order in which they are shown."""
    relations: Annotated[dict[Id, DeclaredRelation | None], Field(min_length=1)] | None = None
    """The types of relations, strongest first; a built-in one needs no more than its name."""
    kinds: Annotated[list[Id], Field(min_length=1)] | None = None
    """What the field `kind` of an entry may be."""
    facets: Annotated[dict[Id, DeclaredFacet], Field(min_length=1)] | None = None
    """Closed choices by which entries are compared."""
    fields: DeclaredFields | None = None
    """The fields that entries have."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        self._raise([*self._relations(), *self._facets(), *self._left_out()])
        return self

    def _facets(self) -> Iterable[tuple[tuple[str | int, ...], str, str]]:
        for name in self.facets or {}:
            if name in Entry.model_fields:
                yield ("facets", name), "is a field of an entry", "give the facet another name"
            elif hasattr(Model, name):
                yield ("facets", name), "is a name that Python needs", "give the facet another name"

    def _relations(self) -> Iterable[tuple[tuple[str | int, ...], str, str]]:
        inverses: dict[str, str] = {}
        for name, said in (self.relations or {}).items():
            if said is None and name not in RELATIONS:
                fix = did_you_mean(
                    name, RELATIONS, f"say its `rule` and `inverse`; built-in are {', '.join(RELATIONS)}"
                )
                yield ("relations", name), "is no built-in type, and nothing says what it means", fix
                continue
            inverse = RELATIONS[name].inverse if said is None else said.inverse
            if inverse is None:
                continue
            where = ("relations", name) if said is None else ("relations", name, "inverse")
            if inverse in (self.relations or {}):
                yield where, f"{inverse!r} is itself a type of relation", "give the inverse a name of its own"
            elif (other := inverses.setdefault(inverse, name)) != name:
                yield where, f"{inverse!r} is the inverse of {other} too", "give each its own"

    def _left_out(self) -> Iterable[tuple[tuple[str | int, ...], str, str]]:
        """What entries are asked for and cannot have."""
        if self.fields is None:
            return
        there = {*self.fields.required, *self.fields.optional}
        if self.facets and "facets" not in there:
            yield ("facets",), "entries have no field `facets`", "add it to `required` or `optional` of `fields`"
        if self.kinds and "kind" not in there:
            yield ("kinds",), "entries have no field `kind`", "add it to `required` or `optional` of `fields`"
        for name in ("claims", "misconceptions"):
            if name in there and "sources" not in there:
                yield ("fields",), f"{name} cite sources, and entries have none", f"add `sources`, or take `{name}` out"
        for name, said in (self.relations or {}).items():
            needs: Iterable[str] = said.needs if said else RELATIONS[name].needs if name in RELATIONS else ()
            lacks = {f"needs `{need}`": field for need, field in NEEDED.items() if need in needs}
            lacks |= {"`younger` compares years": "year"} if said and said.younger else {}
            for why, field in lacks.items():
                if field not in there:
                    fix = f"add `{field}` to `required` or `optional` of `fields`, or take this out"
                    yield ("relations", name), f"{why}, and entries have no field `{field}`", fix


@cache
def entry_model(vocabulary: Vocabulary) -> type[Entry]:
    """The model of an entry in a catalog with this vocabulary: `Entry` itself where it is this project's.

    A class derived from `Entry` otherwise. Fields that entries there do not have are no fields of it; as attributes
    they are there, empty, so that what reads entries need not ask.
    """
    if vocabulary == OURS:
        return Entry
    types = get_type_hints(Entry, include_extras=True)
    types["relations"] = list[relation_model(vocabulary)]
    if vocabulary.kinds is not None:
        types["kind"] = _one_of(vocabulary.kinds)
    if vocabulary.facets is not None:
        types["facets"] = _facets_model(vocabulary.facets)
    said = vocabulary.fields
    fields: dict[str, tuple[Any, Any]] = {}
    notes = {"family": "The name of its folder; `catalog.yaml` lists the families."}
    for name, info in Entry.model_fields.items():
        empty = _empty(info.annotation)
        if (name in said.required or name in ALWAYS[:-1]) if said else info.is_required():
            fields[name] = types[name], Field(description=notes.get(name, info.description))
        elif said is None or name in said.optional or name in ALWAYS:
            type = types[name] | None if empty is None else types[name]
            fields[name] = type, Field(default=empty, description=info.description)
        else:
            fields[name] = ClassVar[Any], empty
    return _derived(Entry, fields)


@cache
def relation_model(vocabulary: Vocabulary) -> type[Relation]:
    """The model of a relation in a catalog with this vocabulary."""
    if vocabulary.kinds_of_relation == OURS.kinds_of_relation:
        return Relation
    kinds = vocabulary.relations
    fields: dict[str, tuple[Any, Any]] = {"kinds": (ClassVar[Any], kinds), "type": (_one_of(kinds), Field())}
    types = get_type_hints(Relation, include_extras=True)
    for name in ("when", "fixes", "claim"):  # the built-in types that need it are not named
        about = (Relation.model_fields[name].description or "").partition(" (")[0] + "."
        fields[name] = types[name], Field(default=None, description=about)
    return _derived(Relation, fields)


M = TypeVar("M", bound=Model)


def _derived(base: type[M], fields: dict[str, Any]) -> type[M]:
    """A class of the same name with these fields, each a type and its `Field`, or a class attribute and its value."""
    return create_model(base.__name__, __base__=base, __doc__=base.__doc__, __module__=base.__module__, **fields)


def _facets_model(kinds: Iterable[FacetKind]) -> type[Model]:
    fields: dict[str, Any] = {}
    for kind in kinds:
        choice = _one_of(kind.values)
        fields[kind.name] = (list[choice] if kind.many else choice, Field())
    return create_model("Facets", __base__=Model, __doc__=Facets.__doc__, **fields)


def _one_of(words: Iterable[str]) -> Any:
    """The type of these words."""
    return cast(Any, Literal)[tuple(words)]


def _empty(type: Any) -> Any:
    """What stands for a field of this type where an entry does not have it."""
    if type is Consequences:
        return Consequences.model_construct(benefits=[], liabilities=[])
    return "" if type is str else [] if get_origin(type) is list else None
