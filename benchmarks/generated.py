"""Catalogs of any size that pass all checks: what `scale.py` measures.

Prose comes from a chain of word pairs of the real entries, so that common words are as common as there; every entry
has a coined word of its own and shares others with its neighbors, so that the vocabulary grows with the catalog.
Years never run backwards and relations point at earlier entries, half of them at entries that others point at already:
a few entries become hubs, as in the real catalog.
"""

import json
import random
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import catalog
from catalog import prose


class Size(NamedTuple):
    """How much there is of everything in an entry."""

    aliases: int
    words: int
    """In a sentence."""
    sentences: int
    """In a paragraph."""
    items: int
    """In a list of sentences."""
    symbols: int
    modes: int
    claims: int
    measures: int
    """Of a claim."""
    sources: int
    relations: int


SIZES = {"lean": Size(2, 11, 1, 1, 1, 1, 1, 1, 1, 3), "full": Size(7, 19, 2, 3, 6, 3, 4, 2, 4, 4)}
"""About 3 KB of YAML, the least that says something, and about 13 KB, as long as the real entries."""
KINDS = {"exact": "reduces_to", "analytic": "equivalent_to", "comparative": "remedies"}
"""The relation that a claim of each kind can prove; the first claims of an entry are of these kinds."""
FREE = ["alternative_to", "serves", "builds_on", "has_part", "specializes", "accelerates", "adapts", "evaluates"]
"""Relations that need no claim."""
FAMILIES, FIRST_YEAR, LAST_YEAR = 20, 1950, 2025
COMPONENTS = ["encoder", "decoder", "prior", "critic", "sampler", "memory"]
SYLLABLES = [c + v for c in "bdfgklmnprstvz" for v in "aeiou"]


class Words:
    """Random prose from the word pairs of the real entries."""

    def __init__(self, texts: Iterable[str], rng: random.Random) -> None:
        self.rng = rng
        self.starts: list[str] = []
        self.after: dict[str, list[str]] = defaultdict(list)
        for text in texts:
            for sentence in re.split(r"(?<=[.!?]) ", text):
                words = re.findall(r"[A-Za-z]+(?:-[a-z]+)*", sentence)
                self.starts += words[:1]
                for a, b in pairwise(words):
                    self.after[a].append(b)

    def sentence(self, n: int, own: list[str]) -> str:
        """About n words, one in twelve of them from the entry's `own`."""
        rng, word = self.rng, self.rng.choice(self.starts)
        said = [word.capitalize()]
        for _ in range(rng.randrange(n - n // 3, n + n // 3)):
            following = self.after.get(word)
            word = following[int(rng.random() * len(following))] if following else rng.choice(self.starts)
            said.append(own[int(rng.random() * len(own))] if rng.random() < 1 / 12 else word)
        return " ".join(said) + "."


def coined(i: int) -> str:
    """The i-th made-up word; no two are the same, and neighbors look different."""
    i, letters = i * 7919 + 1, ""
    while i:
        i, rest = divmod(i, len(SYLLABLES))
        letters += SYLLABLES[rest]
    return letters + "n"


def generate(n: int, size: str, seed: int = 0) -> Iterator[tuple[str, str]]:
    """The files of a catalog of n entries as (path below its folder, text), one after the other."""
    rng, how, real = random.Random(seed), SIZES[size], list(catalog.load())
    words = Words((text for e in real for _, text in prose.passages(e)), rng)
    facets = [e.facets.model_dump() for e in real]
    families = [f"{coined(10**7 + i)}_models" for i in range(FAMILIES)]
    titles = {f: f.replace("_", " ").capitalize() for f in families}
    yield "catalog.yaml", dump({"name": f"{n:,} generated entries", "families": titles})
    ids: list[str] = []
    pointed_at: list[int] = []
    for i in range(n):
        targets = {rng.choice(pointed_at) if pointed_at and rng.random() < 0.5 else rng.randrange(i)
                   for _ in range(min(i, how.relations))}  # fmt: skip
        pointed_at += sorted(targets)
        e = entry(i, n, families[rng.randrange(FAMILIES)], how, words, rng)
        e["facets"] = rng.choice(facets)
        e["relations"] = [relation(e, ids[t], words, rng) for t in sorted(targets)]
        ids.append(e["id"])
        yield f"{e['family']}/{e['id']}.yaml", dump(e)
    decisions = [
        {
            "id": f"choice_{i}",
            "problem": words.sentence(8, ["data"])[:160],
            "forces": [words.sentence(10, ["data"])],
            "options": [
                {"pattern": id, "why": words.sentence(12, ["data"]), "claim": "claim_0"} for id in rng.sample(ids, 2)
            ],
        }
        for i in range(min(n // 20, 1000))
    ]
    yield "decisions.yaml", dump({"decisions": decisions})


def entry(i: int, n: int, family: str, how: Size, words: Words, rng: random.Random) -> dict[str, Any]:
    """The i-th of n entries, all but its facets and relations."""
    own = [coined(i), *(coined(10**6 + int(n / 5 * rng.random() ** 3)) for _ in range(3))]
    id = f"{coined(i)}_{rng.choice(['model', 'network', 'sampler', 'objective'])}"
    line = lambda k: words.sentence(k, own)[:150]
    text = lambda: " ".join(words.sentence(how.words, own) for _ in range(how.sentences))
    texts = lambda: [words.sentence(how.words, own) for _ in range(how.items)]
    return {
        "id": id,
        "name": id.replace("_", " ").title(),
        "aliases": [f"{coined(i).capitalize()} {words.after['the'][i % 97]} {k}" for k in range(how.aliases)],
        "family": family,
        "kind": rng.choice(["architecture", "objective", "sampler", "component", "technique"]),
        "year": FIRST_YEAR + (LAST_YEAR - FIRST_YEAR) * i // n,
        "status": rng.choice(["established", "emerging", "historical"]),
        "difficulty": rng.randrange(1, 6),
        "tags": sorted({own[1], own[2], "generated"}),
        "summary": line(11),
        "intent": text(),
        "problem": text(),
        "context": text(),
        "forces": texts(),
        "solution": " ".join(text() for _ in range(how.sentences)),
        "structure": [{"name": c, "role": line(6), "in": [f"in {c}"], "out": [f"out {c}"]} for c in
                      rng.sample(COMPONENTS, min(how.symbols, len(COMPONENTS)))],
        "consequences": {"benefits": texts(), "liabilities": texts()},
        "use_when": texts(),
        "avoid_when": texts(),
        "known_uses": texts(),
        "objective": r"\min_\theta \mathbb{E}\big[f_\theta(x)\big]",
        "symbols": [{"symbol": rf"\theta_{k}", "meaning": line(4), "code": f"theta_{k}"} for k in range(how.symbols)],
        "failure_modes": [{"id": f"mode_{k}", "symptom": text(), "detect": line(9), "remedy": text()}
                          for k in range(how.modes)],
        "implementation": {"reference": f"made_up.{id}:Made", "fidelity": "toy", "deviations": texts()},
        "claims": [
            {
                "id": f"claim_{k}",
                "kind": [*KINDS, "limit"][k % 4],
                "statement": text(),
                "measures": {f"number_{m}": {"what": line(5), "unit": "nats", "baseline": line(4), "at_most": 0.25 * m,
                                             "of_baseline_at_most": 0.5} for m in range(how.measures)},
                "source": {"key": "source_0", "where": "Section 2"},
                "budget_s": 5,
            }
            for k in range(how.claims)
        ],
        "sources": [{"key": f"source_{k}", "authors": "A. Author, B. Author", "title": line(8), "year": 2013,
                     "venue": "A Journal", "arxiv": f"1312.{i % 10**5:05}", "role": "introduces"}
                    for k in range(how.sources)],
    }  # fmt: skip


def relation(e: dict[str, Any], target: str, words: Words, rng: random.Random) -> dict[str, Any]:
    """A relation to an earlier entry, with all that its type asks for."""
    stated: dict[str, Any] = {"target": target, "why": words.sentence(14, [e["tags"][0]])}
    proofs = {KINDS[c["kind"]]: c["id"] for c in e["claims"] if c["kind"] in KINDS}
    type = rng.choice([*FREE, *proofs])
    if type in proofs:
        stated["claim"] = proofs[type]
        stated |= {"fixes": "mode_0"} if type == "remedies" else {"when": "all parameters agree"}
    return {"type": type, **stated}


def dump(value: Any) -> str:
    """YAML in the style of the real entries: block style, long text folded."""
    return "\n".join([*_block(value, ""), ""])


def _block(value: Any, indent: str) -> Iterator[str]:
    items = value.items() if isinstance(value, dict) else ((None, v) for v in value)
    for key, v in items:
        head = f"{indent}- " if key is None else f"{indent}{key}:"
        if isinstance(v, dict) and key is None:
            first, *rest = _block(v, indent + "  ")
            yield head + first.lstrip()
            yield from rest
        elif isinstance(v, (dict, list)) and v:
            yield head
            yield from _block(v, indent + "  ")
        elif isinstance(v, str) and len(v) > 100:
            yield f"{head} >-"
            yield from _folded(v, indent + "  ")
        else:
            yield f"{head.rstrip()} {json.dumps(v)}"


def _folded(text: str, indent: str) -> Iterator[str]:
    while len(text) > 110 and (cut := text.rfind(" ", 0, 110)) > 0:
        yield indent + text[:cut]
        text = text[cut + 1 :]
    yield indent + text


def write(folder: Path, n: int, size: str, seed: int = 0) -> Path:
    """Write a generated catalog into a folder."""
    for name, text in generate(n, size, seed):
        path = folder / name
        if not path.parent.is_dir():
            path.parent.mkdir(parents=True)
        path.write_text(text, encoding="utf-8")
    return folder
