"""A small catalog to try things on: three entries that are as short as an entry can be."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml


def entry(id: str, family: str = "latent_variable", **changes: Any) -> dict[str, Any]:
    """A valid entry with one claim of each kind that relations need, and one failure mode."""
    claims = [
        {
            "id": f"{kind}_claim",
            "kind": kind,
            "statement": f"Something {kind} holds.",
            "measures": {"gap": {"what": "the gap", "unit": "nats", "at_most": 1e-4}},
            "source": {"key": "first2013", "where": "Section 2"},
            "budget_s": 5,
        }
        for kind in ("exact", "analytic", "comparative")
    ]
    made = {
        "id": id,
        "name": id.replace("_", " ").title(),
        "aliases": [],
        "family": family,
        "kind": "architecture",
        "year": 2013,
        "status": "established",
        "difficulty": 2,
        "tags": ["test"],
        "summary": "A model made up for tests.",
        "intent": "To try out the library.",
        "problem": "One needs an entry.",
        "context": "In a test.",
        "forces": ["Short entries are easy to read.", "All fields are required."],
        "solution": "Write one with $p(x)$ in it.",
        "structure": [{"name": "net", "role": "maps", "in": ["x"], "out": ["y"]}],
        "consequences": {"benefits": ["It is short."], "liabilities": ["It says nothing."]},
        "use_when": ["one tests"],
        "avoid_when": ["one does not"],
        "known_uses": ["here"],
        "objective": r"\min_\theta f(\theta)",
        "symbols": [{"symbol": r"\theta", "meaning": "parameters", "code": "theta"}],
        "facets": {
            "likelihood": "none",
            "latent": "none",
            "data": ["vector"],
            "sampling": "one_pass",
            "nfe": "1",
            "training": "likelihood",
            "conditioning": [],
            "needs_pretrained": False,
            "cost": {"train": "$O(1)$", "sample": "$O(1)$"},
        },
        "failure_modes": [{"id": "collapse", "symptom": "It stops.", "detect": "Look.", "remedy": "Start again."}],
        "implementation": {
            "reference": f"reference_impl.made_up.{id}:{id.title().replace('_', '')}",
            "fidelity": "toy",
            "deviations": [],
        },
        "claims": claims,
        "sources": [
            {
                "key": "first2013",
                "authors": "A. Author",
                "title": "A Title",
                "year": 2013,
                "venue": "A Journal",
                "arxiv": "1312.6114",
                "role": "introduces",
            }
        ],
        "relations": [],
    }
    return {**copy.deepcopy(made), **changes}


def relation(type: str, target: str, **more: Any) -> dict[str, Any]:
    """A relation with all that its type asks for."""
    needs = {
        "reduces_to": {"when": "theta = 1", "claim": "exact_claim"},
        "equivalent_to": {"when": "always", "claim": "analytic_claim"},
        "remedies": {"fixes": "collapse", "claim": "comparative_claim"},
    }
    return {"type": type, "target": target, "why": f"A reason for {type}.", **needs.get(type, {}), **more}


def dump(data: Any) -> str:
    """The YAML of plain data, without aliases."""
    dumper = type("Dumper", (yaml.SafeDumper,), {"ignore_aliases": lambda *_: True})
    return yaml.dump(data, Dumper=dumper, sort_keys=False, allow_unicode=True)


class Folder:
    """A folder of entries under construction."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def write(self, *entries: dict[str, Any]) -> Folder:
        """Write entries to their places."""
        for e in entries:
            self.text(f"{e['family']}/{e['id']}.yaml", dump(e))
        return self

    def put(self, name: str, entry: dict[str, Any]) -> Path:
        """Write one entry under another name than its own; returns where."""
        self.text(name, dump(entry))
        return self.root / name

    def text(self, name: str, text: str | bytes) -> Folder:
        """Write a file as it is given."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return self


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """An empty folder."""
    (root := tmp_path / "patterns").mkdir()
    return Folder(root)


@pytest.fixture
def make() -> Callable[..., dict[str, Any]]:
    """`entry`, for tests to change."""
    return entry


@pytest.fixture
def related() -> Callable[..., dict[str, Any]]:
    """`relation`, for tests to change."""
    return relation


@pytest.fixture
def small(folder: Folder) -> Path:
    """The folder of four entries: vae -> autoencoder, beta_vae -> vae (twice), gan beside vae."""
    return folder.write(
        entry("autoencoder", year=2006, name="Autoencoder", aliases=["AE"], summary="A bottleneck that copies."),
        entry(
            "vae",
            name="Variational Autoencoder",
            aliases=["VAE", "Variational auto-encoding Bayes"],
            relations=[relation("builds_on", "autoencoder"), relation("alternative_to", "gan")],
        ),
        entry(
            "beta_vae",
            name="Beta-VAE",
            year=2017,
            aliases=["β-VAE"],
            relations=[relation("specializes", "vae"), relation("reduces_to", "vae", when=r"$\beta = 1$")],
        ),
        entry("gan", "adversarial", year=2014, name="Generative Adversarial Network", aliases=["GAN", "GANs"]),
    ).root
