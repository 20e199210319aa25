"""What an entry is: the fields, their meaning and what is allowed in them.

These models are the only definition. The JSON Schema that editors read, the messages of the
loader, the scaffold of a new entry and the API pages are all derived from them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

Id = Annotated[str, Field(pattern=r"^[a-z][a-z0-9]*(_[a-z0-9]+)*$", max_length=60)]
"""A name in snake_case."""
Text = Annotated[str, Field(min_length=1, pattern=r"\S")]
"""Prose in Markdown; `$...$` is mathematics. HTML is shown as text, never interpreted."""
Line = Annotated[str, Field(min_length=1, max_length=160, pattern=r"^[^\n]*\S[^\n]*$")]
"""One line of at most 160 characters."""
Texts = Annotated[list[Text], Field(min_length=1)]

RelationType = Literal[
    "specializes", "reduces_to", "equivalent_to", "builds_on", "has_part", "remedies",
    "alternative_to", "conditions", "accelerates", "adapts", "serves", "evaluates",
]  # fmt: skip


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
    kind: Literal["exact", "analytic", "scaling", "comparative", "limit"]
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
        needs = {"reduces_to": ("when", "claim"), "equivalent_to": ("when", "claim"), "remedies": ("fixes", "claim")}
        self._raise(
            ((), f"a relation {self.type!r} needs `{name}`", f"add it: {type(self).model_fields[name].description}")
            for name in needs.get(self.type, ())
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
    claims: Annotated[list[Claim], Field(min_length=1)]
    sources: Annotated[list[Source], Field(min_length=1)]
    relations: list[Relation]

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
            (loc, f"no {what} {name!r} in this entry", f"known: {', '.join(sorted(known[what]))}")
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
    forces: Texts
    """What decides between the options."""
    options: Annotated[list[Option], Field(min_length=1)]
    """The one to try first at the top."""


class Decisions(Model):
    """What `decisions.yaml`, beside the families' folders, says."""

    decisions: list[Decision]
