"""From a folder of YAML files to a `Catalog`, or to the list of everything that is wrong with it."""

from __future__ import annotations

import gc
import os
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from . import data, names, strict_yaml
from .catalog import Catalog
from .errors import CatalogError, Problem, did_you_mean
from .graph import RELATIONS, cycles
from .schema import Decision, Decisions, Entry, Id, Line, Model, Relation
from .strict_yaml import Document

M = TypeVar("M", bound=BaseModel)


class About(Model):
    """What `catalog.yaml`, beside the families' folders, says."""

    name: Line
    """Title of the catalog."""
    families: dict[Id, Line]
    """Title of each family by the name of its folder, in the order in which they are shown."""


@dataclass
class Draft:
    """An entry's file on its way to becoming an entry."""

    path: Path
    document: Document
    entry: Entry | None = None
    relations: dict[int, Relation] = field(default_factory=dict)
    """The relations that can be read, by their place in the list, also where the rest of the entry cannot."""

    @property
    def id(self) -> str:
        """Its file's stem, which the field `id` has to repeat."""
        return self.path.stem

    def get(self, key: str, kind: type) -> Any:
        """A field as written, where it has the right type; None otherwise."""
        value = self.document.value.get(key) if isinstance(self.document.value, dict) else None
        return value if isinstance(value, kind) else None


def load(path: str | Path | None = None) -> Catalog:
    """The catalog in a folder of entries `<family>/<id>.yaml`; by default the one that comes with this package.

    `catalog.yaml` in the folder gives titles to the families; without it a family is called as its folder.
    `decisions.yaml` says which patterns answer which problem.

    Raises CatalogError, whose `problems` are all that is wrong in all files, each with file, line, column and remedy.

    >>> import catalog
    >>> catalog.load("no/such/folder")
    Traceback (most recent call last):
    catalog.errors.CatalogError: no/such/folder:1:1: there is no such folder; give a folder of <family>/<id>.yaml
    """
    catalog, problems = read(path)
    if problems:
        raise CatalogError(problems)
    return catalog


def read(path: str | Path | None = None) -> tuple[Catalog, list[Problem]]:
    """What can be read of a folder of entries, and everything that is wrong with it.

    The catalog holds the entries that are well-formed in themselves, and those of their relations whose
    target is one of them; it is whole if there are no problems.
    """
    root = data.folder() if path is None else Path(path)
    problems: list[Problem] = []
    if not root.is_dir():
        what = "is a file, not a folder" if root.exists() else "there is no such folder"
        return Catalog([]), [Problem(shown(root), 1, 1, what, "give a folder of <family>/<id>.yaml")]
    collecting = gc.isenabled()
    gc.disable()  # many small objects that all stay: collecting in between would take most of the time
    try:
        files = sorted(find(root, problems))
        drafts = [draft(file, problems) for file in files]
        about = read_about(root / "catalog.yaml", sorted({f.parent.name for f in files}), problems)
        check_places(drafts, about, problems)
        check_names(drafts, problems)
        check_relations(drafts, problems)
        decisions = read_decisions(root / "decisions.yaml", drafts, problems)
    finally:
        if collecting:
            gc.enable()
    if not drafts and not problems:
        problems.append(Problem(shown(root), 1, 1, "there is no entry here", "entries are files <family>/<id>.yaml"))
    sound = {d.id: d for d in drafts if d.entry and d.entry.id == d.id}
    entries = []
    for d in sound.values():
        assert d.entry is not None
        kept = [r for r in d.entry.relations if r.target in sound and r.target != d.id]
        entries.append(
            d.entry if len(kept) == len(d.entry.relations) else d.entry.model_copy(update={"relations": kept})
        )
    documents = {d.id: d.document for d in sound.values()}
    return Catalog(entries, about.name, about.families, root, documents, decisions), sorted(set(problems))


def shown(path: Path) -> str:
    """A path as people want to see it: relative where it lies below the working directory."""
    absolute = Path(os.path.abspath(path))
    text = str(absolute.relative_to(Path.cwd())) if absolute.is_relative_to(Path.cwd()) else str(path)
    return text.encode("utf-8", "replace").decode()


def find(root: Path, problems: list[Problem]) -> Iterator[Path]:
    """The files of entries. YAML files that lie elsewhere are problems: nothing is left out silently."""

    def refuse(path: Path, message: str, fix: str) -> None:
        problems.append(Problem(shown(path), 1, 1, message, fix))

    def unreadable(err: OSError) -> None:
        refuse(Path(err.filename), f"cannot be read: {err.strerror}", "check its permissions")

    for folder, folders, files in os.walk(root, onerror=unreadable):
        here = Path(folder)
        depth = len(here.relative_to(root).parts)
        folders[:] = sorted(f for f in folders if not f.startswith("."))
        for name in [f for f in folders if (here / f).is_symlink()]:
            refuse(here / name, "is a link to a folder, which is not followed", "put the folder itself here")
        for name in sorted([*files, *(f for f in folders if f.endswith((".yaml", ".yml")))]):
            if name.startswith(".") or not name.lower().endswith((".yaml", ".yml")):
                continue
            if depth == 1 and name.endswith(".yaml"):
                yield here / name
            elif not name.endswith(".yaml"):
                refuse(here / name, "does not end in .yaml", f"rename it to {Path(name).stem}.yaml")
            elif depth != 0 or name not in {"catalog.yaml", "decisions.yaml"}:
                refuse(here / name, "lies outside of a family's folder", f"move it to {shown(root)}/<family>/{name}")


def draft(path: Path, problems: list[Problem]) -> Draft:
    """One file, as far as it can be read."""
    document = strict_yaml.read(path, shown(path))
    made = Draft(path, document)
    made.entry = validate(Entry, document, problems)
    if made.entry:
        made.relations = dict(enumerate(made.entry.relations))
    else:
        for i, raw in enumerate(made.get("relations", list) or []):
            try:
                made.relations[i] = Relation.model_validate(raw)
            except ValidationError:
                continue  # reported with the entry
    return made


def read_about(path: Path, folders: list[str], problems: list[Problem]) -> About:
    """What catalog.yaml says; where there is none (or it is broken), a family is called as its folder."""
    about = validate(About, strict_yaml.read(path, shown(path)), problems) if os.path.lexists(path) else None
    return about or About.model_construct(
        name="Patterns", families={f: f.replace("_", " ").capitalize() for f in folders}
    )


def validate(model: type[M], document: Document, problems: list[Problem]) -> M | None:
    """The document as a model; what is wrong with it goes to `problems`, one for each line of bad YAML."""
    problems.extend(document.problems)
    value, bad_lines = document.value, {p.line for p in document.problems}
    if value is None and document.problems:
        return None
    if not isinstance(value, dict):
        what = f"holds {kind_of(value)}, where the fields of {model.__name__.lower()} are expected"
        problems.append(document.problem((), what, f"begin with `{next(iter(model.model_fields))}: ...`"))
        return None
    try:
        made = model.model_validate(value)
    except ValidationError as err:
        for error in err.errors(include_url=False):
            problem = explain(model, error, document)
            if problem.line not in bad_lines or error["type"] == "missing":
                problems.append(problem)
        return None
    return None if document.problems else made


def kind_of(value: object) -> str:
    """What a value is, in the words of YAML."""
    if value is None:
        return "nothing"
    if isinstance(value, str):
        return f"the text {value if len(value) <= 40 else value[:37] + '...'!r}"
    words = {bool: f"the truth value {str(value).lower()}", list: "a list", dict: "a mapping"}
    return words.get(type(value), f"the number {value}")


PATTERNS = {
    "snake_case": "write lower-case words joined by single underscores, such as energy_based",
    "text": "write some text",
    "line": "write it on one line",
    "arxiv": "write the identifier alone, such as 1312.6114",
    "doi": "write the identifier alone, such as 10.1038/323533a0",
    "url": "write an address that begins with https://",
    "reference": "write module:Class, such as reference_impl.latent_variable.vae:VAE",
}
WANTED = {
    "string_type": "text", "int_type": "a whole number", "int_from_float": "a whole number", "float_type": "a number",
    "bool_type": "true or false", "list_type": "a list", "dict_type": "a mapping", "model_type": "a mapping of fields",
    "model_attributes_type": "a mapping of fields",
}  # fmt: skip


def explain(model: type[BaseModel], error: Any, document: Document) -> Problem:
    """A pydantic error as a problem: where, what was found, what is allowed, what to do."""
    loc, kind, context, found = tuple(error["loc"]), error["type"], error.get("ctx", {}), error["input"]
    path = tuple(p for p in loc if p != "[key]")
    where = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in path).lstrip(".") or "the entry"
    owner, description = look_up(model, path)
    name = str(path[-1]) if path else ""

    def problem(message: str, fix: str) -> Problem:
        return document.problem(path, message, fix)

    if kind == "missing":
        return problem(f"{where} is missing", f"add `{name}: ...`" + (f" ({description})" if description else ""))
    if kind == "extra_forbidden":
        known = [f.alias or n for n, f in owner.model_fields.items()]
        if found is None and " " in name:
            return problem(f"{where}: unknown field {name!r}", "put quotes round text in { } that holds a comma")
        return problem(f"{where}: unknown field {name!r}", did_you_mean(name, known, f"allowed are {', '.join(known)}"))
    if kind == "literal_error":
        allowed = [c.strip("' ") for c in re.split(r",| or (?=')", context["expected"])]
        fix = did_you_mean(found, allowed, "take one of these") if isinstance(found, str) else "take one of these"
        return problem(f"{where}: found {kind_of(found)}; allowed are {', '.join(allowed)}", fix)
    if kind in WANTED:
        written = document.raw.get(path)
        if found is None and path:
            fix = f"fill it in with {WANTED[kind]}" + (f" ({description})" if description else "")
        elif kind == "string_type" and written is not None:
            fix = f'put quotes round it: "{written}"'
        elif kind in ("int_type", "float_type", "int_from_float"):
            fix = "write a finite number, without quotes or unit"
        elif kind == "list_type":
            fix = "write its items below it, each after `- `"
        elif kind == "bool_type":
            fix = "write true or false, without quotes"
        else:
            fix = f"write {WANTED[kind]}"
        return problem(f"{where}: found {kind_of(found)}, expected {WANTED[kind]}", fix)
    if kind == "string_pattern_mismatch":
        return problem(f"{where}: found {kind_of(found)}", pattern_fix(context["pattern"], name, str(found)))
    if kind in ("string_too_long", "string_too_short"):
        bound, fix = ("most", "shorten it") if kind.endswith("long") else ("least", "write some text")
        limit = context.get("max_length", context.get("min_length"))
        return problem(f"{where} has {len(found)} characters; at {bound} {limit}", fix)
    if kind in ("too_long", "too_short"):
        bound, fix = ("most", "take some out") if kind == "too_long" else ("least", "add what is missing")
        limit = context.get("max_length", context.get("min_length"))
        return problem(f"{where} has {context['actual_length']} items; at {bound} {limit}", fix)
    if kind == "inconsistent":
        return problem(f"{where}: {context['what']}", context["fix"])
    message = f"{where}: found {kind_of(found)}; {error['msg'][0].lower()}{error['msg'][1:]}"
    return problem(message, description or "`genai-patterns schema` says what is allowed")


def pattern_fix(pattern: str, name: str, found: str) -> str:
    """What to write where text has the wrong form."""
    if name in PATTERNS:
        return PATTERNS[name]
    if pattern == r"\S":
        return PATTERNS["text"]
    if "\\n" in pattern:
        return PATTERNS["line"] if found.strip() else PATTERNS["text"]
    slug = re.sub(r"[^a-z0-9]+", "_", found.lower()).strip("_0123456789")
    return f"did you mean {slug!r}? ({PATTERNS['snake_case']})" if slug else PATTERNS["snake_case"]


def look_up(model: type[BaseModel], path: tuple[str | int, ...]) -> tuple[type[BaseModel], str]:
    """The model that holds the last part of a path, and the description of that field."""
    owner, inner, description = model, model, ""
    for part in path:
        by_name = {f.alias or n: f for n, f in inner.model_fields.items()}
        if part in by_name:
            owner, description = inner, by_name[str(part)].description or ""
            inner = model_in(by_name[str(part)].annotation) or inner
        else:
            owner, description = inner, "" if isinstance(part, str) else description
    return owner, description


def model_in(annotation: Any) -> type[BaseModel] | None:
    """The model inside `M`, `list[M]`, `dict[str, M]` or `M | None`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((m for a in get_args(annotation) if (m := model_in(a))), None)


def check_places(drafts: list[Draft], about: About, problems: list[Problem]) -> None:
    """File stem = id, folder = family, families known, no id twice."""
    first: dict[str, Draft] = {}
    for d in drafts:
        id, family, folder = d.get("id", str), d.get("family", str), d.path.parent.name
        if id is not None and id != d.id:
            problems.append(
                d.document.problem(
                    ("id",), f"id: found {id!r} in the file {d.path.name}", f"write {d.id!r}, or rename the file"
                )
            )
        if folder not in about.families:
            fix = did_you_mean(folder, about.families, f"families are {', '.join(about.families)} (catalog.yaml)")
            problems.append(Problem(d.document.file, 1, 1, f"its folder {folder!r} is not a family", fix))
        if family is not None and family != folder:
            if family not in about.families:
                fix = did_you_mean(
                    family, about.families, f"write {folder!r}; families are {', '.join(about.families)}"
                )
                problems.append(d.document.problem(("family",), f"family: unknown family {family!r}", fix))
            else:
                fix = f"write {folder!r}, or move the file to {family}/"
                problems.append(
                    d.document.problem(("family",), f"family: found {family!r} in the folder {folder!r}", fix)
                )
        if (other := first.setdefault(d.id, d)) is not d:
            message = f"id: {d.id!r} is the id of {other.document.file} too"
            problems.append(d.document.problem(("id",), message, "give one of them another id"))


def check_names(drafts: list[Draft], problems: list[Problem]) -> None:
    """No two entries answer to the same id, name or alias."""
    owner: dict[str, tuple[str, str]] = {}
    said: list[tuple[Draft, tuple[str | int, ...], str]] = [(d, ("id",), d.id) for d in drafts]
    said += [(d, ("name",), name) for d in drafts if (name := d.get("name", str))]
    said += [
        (d, ("aliases", i), a) for d in drafts for i, a in enumerate(d.get("aliases", list) or []) if isinstance(a, str)
    ]
    for d, path, name in said:
        for key in names.own(name):
            who, as_what = owner.setdefault(key, (d.id, name))
            if who != d.id:
                message = f"{name!r} is also a name of {who}" + (f" (as {as_what!r})" if as_what != name else "")
                problems.append(d.document.problem(path, message, "take it out of one of the two"))


def check_relations(drafts: list[Draft], problems: list[Problem]) -> None:
    """Targets exist; the rules of each type hold; no relation is stated twice."""
    by_id = {d.id: d for d in drafts}
    arrows: dict[str, dict[str, dict[str, int]]] = {
        t: defaultdict(dict) for t, kind in RELATIONS.items() if kind.acyclic
    }
    stated: dict[tuple[str, ...], tuple[Draft, int]] = {}
    for d in drafts:
        for i, mode in enumerate(d.get("failure_modes", list) or []):
            pattern = mode.get("pattern") if isinstance(mode, dict) else None
            if isinstance(pattern, str) and pattern not in by_id:
                problems.append(
                    d.document.problem(
                        ("failure_modes", i, "pattern"),
                        f"failure_modes[{i}].pattern: no entry {pattern!r}",
                        unknown(pattern, by_id),
                    )
                )
        for i, r in d.relations.items():
            path, where, kind = ("relations", i), f"relations[{i}]", RELATIONS[r.type]
            if r.target == d.id:
                problems.append(
                    d.document.problem(
                        (*path, "target"), f"{where}: {d.id} is related to itself", "name another entry, or take it out"
                    )
                )
                continue
            target = by_id.get(r.target)
            if target is None:
                problems.append(
                    d.document.problem(
                        (*path, "target"), f"{where}.target: no entry {r.target!r}", unknown(r.target, by_id)
                    )
                )
                continue
            ends = sorted((d.id, r.target)) if kind.symmetric else [d.id, r.target]
            first, at = stated.setdefault((r.type, *ends), (d, i))
            if (first.path, at) != (d.path, i):
                reason = "; this type reads the same from both sides" if first is not d else ""
                message = f"{where}: {r.type} between {d.id} and {r.target} is stated in {first.id} already{reason}"
                problems.append(d.document.problem(path, message, "keep one of the two"))
                continue
            if kind.acyclic:
                arrows[r.type][d.id][r.target] = i
            problems.extend(check_relation(d, i, r, target))
    for type, graph in arrows.items():
        for cycle in cycles(graph):
            d, i = by_id[cycle[0]], graph[cycle[0]][cycle[1]]
            message = f"relations[{i}]: {type} goes round in a circle: {' -> '.join(cycle)}"
            problems.append(d.document.problem(("relations", i), message, "take one of these relations out"))


def check_relation(d: Draft, i: int, r: Relation, target: Draft) -> Iterator[Problem]:
    """What the type of a relation asks of its two ends and of the claim that proves it."""
    path, where = ("relations", i), f"relations[{i}]"
    if r.fixes:
        modes = [
            m["id"]
            for m in target.get("failure_modes", list) or []
            if isinstance(m, dict) and isinstance(m.get("id"), str)
        ]
        if r.fixes not in modes:
            fix = did_you_mean(r.fixes, modes, f"failure modes of {target.id} are {', '.join(modes) or 'none'}")
            yield d.document.problem(
                (*path, "fixes"), f"{where}.fixes: {target.id} has no failure mode {r.fixes!r}", fix
            )
    year, earlier = d.get("year", int), target.get("year", int)
    if r.type == "builds_on" and year is not None and earlier is not None and year < earlier:
        message = f"{where}: {d.id} ({year}) builds on {target.id} ({earlier}), which is younger"
        yield d.document.problem(path, message, "correct a year, or turn the relation round")
    if allowed := RELATIONS[r.type].claims:
        kinds = {
            c["id"]: c.get("kind")
            for c in d.get("claims", list) or []
            if isinstance(c, dict) and isinstance(c.get("id"), str)
        }
        if r.claim in kinds and kinds[r.claim] not in allowed:
            proof = f"{r.type} is proven by a claim of kind {' or '.join(allowed)}"
            message = f"{where}.claim: {proof}; {r.claim!r} is {kinds[r.claim]!r}"
            yield d.document.problem((*path, "claim"), message, "name another claim, or state a weaker relation")


def read_decisions(path: Path, drafts: list[Draft], problems: list[Problem]) -> list[Decision]:
    """What decisions.yaml says, without the options that name no entry (these are problems)."""
    if not os.path.lexists(path):
        return []
    document = strict_yaml.read(path, shown(path))
    made = validate(Decisions, document, problems)
    by_id, kept, seen = {d.id: d for d in drafts}, [], set()
    for i, decision in enumerate(made.decisions if made else []):
        if decision.id in seen:
            place = ("decisions", i, "id")
            problems.append(document.problem(place, f"the decision {decision.id!r} is given twice", "rename one"))
        seen.add(decision.id)
        options = []
        for j, option in enumerate(decision.options):
            place, where = ("decisions", i, "options", j), f"decisions[{i}].options[{j}]"
            draft = by_id.get(option.pattern)
            if draft is None:
                message, fix = f"{where}.pattern: no entry {option.pattern!r}", unknown(option.pattern, by_id)
                problems.append(document.problem((*place, "pattern"), message, fix))
                continue
            for name, part, key in (("claim", "claims", "id"), ("source", "sources", "key")):
                said = getattr(option, name)
                known = [x.get(key) for x in draft.get(part, list) or [] if isinstance(x, dict)]
                if said is not None and said not in known:
                    names = [k for k in known if isinstance(k, str)]
                    fix = did_you_mean(said, names, f"{part} of {draft.id} are {', '.join(names) or 'none'}")
                    message = f"{where}.{name}: {draft.id} has no {name} {said!r}"
                    problems.append(document.problem((*place, name), message, fix))
            if draft.entry:
                options.append(option)
        if options:
            kept.append(decision.model_copy(update={"options": options}))
    return kept


def unknown(id: str, known: dict[str, Draft]) -> str:
    """What to do about an id that no entry has."""
    return did_you_mean(
        id, known, "add that entry, or take this out" if len(known) > 12 else f"entries are {', '.join(sorted(known))}"
    )
