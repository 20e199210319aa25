"""From a folder of YAML files to a `Catalog`, or to the list of everything that is wrong with it."""

from __future__ import annotations

import gc
import json
import os
import re
from collections import defaultdict
from collections.abc import Container, Iterator, Mapping
from dataclasses import astuple
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import to_json

from . import data, learn, names, strict_yaml, workers
from .catalog import Catalog
from .errors import CatalogError, Problem, did_you_mean
from .facets import values_of
from .graph import RelationKind, cycles
from .schema import About, Decision, Decisions, Relation, Synonyms
from .stock import Held, Record
from .store import Documents
from .store import load as load
from .strict_yaml import Document
from .vocabulary import OURS, Vocabulary, declared

M = TypeVar("M", bound=BaseModel)
BESIDE = ("catalog.yaml", "decisions.yaml", "synonyms.yaml", learn.FILE)
"""Files beside the families' folders, about the whole catalog."""
MANY = 500
"""Files from which on several processes read them: below, starting these takes longer."""


PARTS = {"failure_modes": ("id", "pattern"), "claims": ("id", "kind"), "sources": ("key",)}
"""Of these lists, what other entries and the decisions refer to."""


class Draft:
    """An entry's file on its way to becoming an entry: what is asked of it when all files are compared."""

    def __init__(self, path: Path, made: Mapping[str, Any], entry: bytes, vocabulary: Vocabulary) -> None:
        """made, entry: what `examine` found."""
        self.path = path
        self.id = path.stem
        """What the field `id` has to repeat."""
        self.entry = entry
        """The entry as JSON; empty where it is not well-formed."""
        self.facets: dict[str, list[str]] = made["facets"]
        self._head: dict[str, Any] = made["head"]
        stated = self.get("relations", list) or []
        self.relations: dict[int, Relation] = {
            i: vocabulary.relation.model_construct(**stated[i]) for i in made["relations"]
        }
        """The relations that can be read, by their place in the list, also where the rest of the entry cannot."""

    @cached_property
    def document(self) -> Document:
        """The file once more, with the place of each part."""
        return strict_yaml.read(self.path, shown(self.path))

    def get(self, key: str, kind: type) -> Any:
        """A field as written, where it has the right type, None otherwise; of lists only what `PARTS` names."""
        value = self._head.get(key)
        return value if isinstance(value, kind) else None

    def record(self, sound: Container[str]) -> Record:
        """The entry without its relations to itself and to entries that are not sound."""
        stated, entry = self._head.get("relations", []), self.entry
        kept = [r for r in stated if r["target"] in sound and r["target"] != self.id]
        if len(kept) < len(stated):
            entry = to_json({**json.loads(entry), "relations": kept})
        name, family = self._head["name"], self._head["family"]
        aliases, year = self._head.get("aliases", []), self._head.get("year")
        return Record(self.id, name, aliases, family, year, kept, self.facets, entry)


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
        about, vocabulary = read_about(root / "catalog.yaml", sorted({f.parent.name for f in files}), problems)
        drafts = read_entries(files, vocabulary, problems) if vocabulary else []
        check_places(drafts, about, problems)
        check_names(drafts, problems)
        check_relations(drafts, problems, vocabulary or OURS)
        decisions = read_decisions(root / "decisions.yaml", drafts, problems) if vocabulary else []
        if os.path.lexists(synonyms := root / "synonyms.yaml"):  # read by catalog.search
            validate(Synonyms, strict_yaml.read(synonyms, shown(synonyms)), problems)
        lessons = root / learn.FILE
        document = strict_yaml.read(lessons, shown(lessons)) if os.path.lexists(lessons) else None
        taught = validate(learn.Learn, document, problems) if document else None
    finally:
        if collecting:
            gc.enable()
    if not drafts and not problems:
        problems.append(Problem(shown(root), 1, 1, "there is no entry here", "entries are files <family>/<id>.yaml"))
    sound = {d.id: d for d in drafts if d.entry and d.get("id", str) == d.id}
    vocabulary = vocabulary or OURS
    stock = Held((d.record(sound) for d in sound.values()), about.families, vocabulary)
    documents = Documents(root, stock)
    catalog = Catalog(stock, about.name, about.families, root, documents, decisions, vocabulary)
    if document and taught and not problems:  # it speaks of entries, which have to be sound
        problems += learn.problems(document, taught, catalog)
    return catalog, sorted(set(problems))


def shown(path: Path) -> str:
    """A path as people want to see it: relative where it lies below the working directory."""
    absolute, here = os.path.abspath(path), os.getcwd()
    text = os.path.relpath(absolute, here) if absolute.startswith(os.path.join(here, "")) else str(path)
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
            elif depth != 0 or name not in BESIDE:
                refuse(here / name, "lies outside of a family's folder", f"move it to {shown(root)}/<family>/{name}")


def read_entries(files: list[Path], vocabulary: Vocabulary, problems: list[Problem]) -> list[Draft]:
    """All files, as far as they can be read: many of them in several processes."""
    found = workers.examine(files, vocabulary) if len(files) >= MANY else None
    drafts = []
    for file, (made, entry) in zip(files, found or (examine(file, vocabulary) for file in files), strict=True):
        problems += [Problem(*problem) for problem in made["problems"]]
        drafts.append(Draft(file, made, entry, vocabulary))
    return drafts


def examine(path: Path, vocabulary: Vocabulary) -> tuple[dict[str, Any], bytes]:
    """One file, as far as it can be judged by itself, as plain data that can go to another process.

    First the `head` (the fields that are asked for when files are compared), the places of the `relations` that can
    be read, the `problems` and the `facets`; second the entry as JSON, empty where it is not well-formed.
    """
    problems: list[Problem] = []
    document = strict_yaml.read(path, shown(path))
    entry = validate(vocabulary.entry, document, problems)
    value = document.value if isinstance(document.value, dict) else {}
    head = {key: value[key] for key in ("id", "name", "aliases", "family", "year", "relations") if key in value}
    for key, kept in PARTS.items():
        if isinstance(items := value.get(key), list):
            head[key] = [{k: item[k] for k in kept if k in item} if isinstance(item, dict) else None for item in items]
    stated = relations if isinstance(relations := head.get("relations"), list) else []
    made = {
        "head": head,
        "relations": [i for i, r in enumerate(stated) if entry or _fits(vocabulary.relation, r)],
        "problems": [astuple(p) for p in problems],
        "facets": values_of(entry) if entry else {},
    }
    return made, to_json(value) if entry else b""


def _fits(model: type[BaseModel], value: Any) -> bool:
    try:
        return bool(model.model_validate(value))
    except ValidationError:
        return False


def read_about(path: Path, folders: list[str], problems: list[Problem]) -> tuple[About, Vocabulary | None]:
    """What catalog.yaml says, and the vocabulary it declares; without it, a family is called as its folder.

    There is no vocabulary where the file has a mistake: entries cannot be judged then.
    """
    there = os.path.lexists(path)
    about = validate(About, strict_yaml.read(path, shown(path)), problems) if there else None
    if about is not None:
        return about, declared(about)
    families = {f: f.replace("_", " ").capitalize() for f in folders}
    return About.model_construct(name="Patterns", families=families), None if there else OURS


def vocabulary(path: str | Path | None = None) -> Vocabulary:
    """What `catalog.yaml` in a folder of entries declares. Raises CatalogError where it has a mistake."""
    problems: list[Problem] = []
    found = read_about((data.folder() if path is None else Path(path)) / "catalog.yaml", [], problems)[1]
    if problems:
        raise CatalogError(problems)
    return found or OURS


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
    if "=<>" in pattern:
        return "write words without , = < > ! or |"
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


def check_relations(drafts: list[Draft], problems: list[Problem], vocabulary: Vocabulary) -> None:
    """Targets exist; the rules of each type hold; no relation is stated twice."""
    by_id = {d.id: d for d in drafts}
    arrows: dict[str, dict[str, dict[str, int]]] = {
        t: defaultdict(dict) for t, kind in vocabulary.relations.items() if kind.acyclic
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
            path, where, kind = ("relations", i), f"relations[{i}]", vocabulary.relations[r.type]
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
            problems.extend(check_relation(d, i, r, kind, target))
    for type, graph in arrows.items():
        for cycle in cycles(graph):
            d, i = by_id[cycle[0]], graph[cycle[0]][cycle[1]]
            message = f"relations[{i}]: {type} goes round in a circle: {' -> '.join(cycle)}"
            problems.append(d.document.problem(("relations", i), message, "take one of these relations out"))


def check_relation(d: Draft, i: int, r: Relation, kind: RelationKind, target: Draft) -> Iterator[Problem]:
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
    if kind.younger and year is not None and earlier is not None and year < earlier:
        message = f"{where}: {d.id} ({year}) {r.type.replace('_', ' ')} {target.id} ({earlier}), which is younger"
        yield d.document.problem(path, message, "correct a year, or turn the relation round")
    if allowed := kind.claims:
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
